import { hostname } from 'node:os';
import { toFailure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { defineNode } from '../../node/index.ts';
import { enter } from '../gate/enter.ts';
import { evaluatorOf } from '../gate/evaluator.ts';
import { inputsOf } from '../gate/inputs.ts';
import { checkLease, Leases } from '../gate/leases.ts';
import { apply } from '../gate/verdict.ts';
import { integrationStore } from '../service.ts';
import { idempotencyGateDefinition } from './idempotency-gate.def.ts';

const minute = 60_000;
const day = 24 * 60 * minute;

export default defineNode(idempotencyGateDefinition, (context) => {
  const { config, id, status, log } = context;
  const { store, retention, id: storeId } = context.resolve(integrationStore, config.store);
  const inputs = inputsOf(config, id, evaluatorOf(context));
  const lease = checkLease(config.lease);
  const leases = new Leases(store, {
    lease,
    longest: config.renew * minute,
    onFailure: (error) => log.warn('idempotency.renew_failed', { code: toFailure(error).code }),
  });
  const terms = { lease, retention: config.retention > 0 ? config.retention * day : retention };
  const owner = `${id} ${hostname()}:${process.pid}`;
  const show = (): void => {
    const { state, problem } = store.status();
    if (state === 'down') status('down', problem === undefined ? 'store down' : 'store: see log');
    else status(state === 'ready' ? 'working' : 'waiting', state === 'ready' ? '' : 'store opening');
  };
  const unsubscribe = store.onStatus(show);
  show();

  return {
    async input(message, { send }) {
      const key = { store: storeId, scope: inputs.scope(message), key: await inputs.key(message) };
      const verdict = await store.run(enter, {
        wanted: { ...terms, scope: key.scope, key: key.key, fingerprint: inputs.fingerprint(message), owner },
        visitor: visitorOf(message, id, key.key),
      });
      telemetry.count('idempotency_verdicts_total', { verdict: verdict.kind });
      if (verdict.kind === 'taken-over') log.warn('idempotency.taken_over', { scope: key.scope });
      const output = apply(message, verdict, key);
      if (message.idempotency !== undefined) leases.hold(message.idempotency);
      send(message, output);
    },
    async close() {
      unsubscribe();
      await leases.stop();
    },
  };
});

function visitorOf({ event, verification }: FlowMessage, node: string, key: string) {
  return {
    node,
    actor: verification?.client ?? verification?.keyId ?? 'flow',
    subject: event?.id ?? key,
    ...(event?.correlationid === undefined ? {} : { correlationId: event.correlationid }),
  };
}
