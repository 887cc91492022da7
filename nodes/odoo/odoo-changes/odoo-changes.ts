import { integrationStore } from '../../idempotency/index.ts';
import type { Failure } from '../../kernel/failure.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { defineNode, onFlowsStarted, onFlowsStopping } from '../../node/index.ts';
import { offerDeliveries } from '../../settlement/index.ts';
import { claimSource } from '../changes/claim.ts';
import { Follower } from '../changes/follower.ts';
import { InFlight } from '../changes/in-flight.ts';
import { ChangesReader } from '../changes/reader.ts';
import { SettleQueue } from '../changes/settle-queue.ts';
import { serverOf } from '../stage.ts';
import { askedOf, changeMessage } from './message.ts';
import { odooChangesDefinition } from './odoo-changes.def.ts';
import { settingsOf } from './settings.ts';
import { statusOf } from './status.ts';

/** Milliseconds that closing waits while settles still come in. */
const drain = 5_000;

export default defineNode(odooChangesDefinition, (context) => {
  const { id, config, resolve, emit, fail, status, log } = context;
  const { client } = serverOf(context);
  const { store } = resolve(integrationStore, config.store);
  const { model, fields, domain, source, page, settleDeadline, ...rhythm } = settingsOf(
    config,
    id,
    client.limits.timeZone,
  );
  const release = claimSource(config.store, source);
  const queue = `odoo:${model}`;
  const origin = { url: client.url, model };
  const onProblem = (failure: Failure) => fail(failure);
  const onChange = () => {
    telemetry.gauge('inflight', { queue }, flight.size);
    const { kind, text } = statusOf(follower.status, flight.size, client.breaker.kind, Date.now());
    status(kind, text);
  };
  const settled = new SettleQueue(store, source);
  const flight = new InFlight({
    id,
    queue,
    settleDeadline,
    emit: (change, delivery, trace) => emit(changeMessage(change, delivery, origin, trace)),
    record: async (change, refused) => {
      await settled.record(change, refused);
      follower.counted(refused !== undefined);
    },
    onProblem,
    onChange,
  });
  const reader = new ChangesReader({ client, model, fields, domain, archived: config.archived, page });
  const follower = new Follower({ client, reader, store, source, flight, ...rhythm, onProblem, onChange });
  const offs = [
    release,
    offerDeliveries(id, flight),
    onFlowsStarted(() => follower.start()),
    onFlowsStopping(() => follower.pause()),
  ];

  return {
    input(message) {
      const asked = askedOf(message, model);
      if (asked.kind === 'hint') follower.hint(asked.id);
      else follower.ask(asked.kind).catch((error: Failure) => log.debug('odoo.changes', { code: error.code }));
    },
    async close() {
      await follower.close(drain);
      for (const off of offs) off();
      telemetry.gauge('inflight', { queue }, 0);
    },
  };
});
