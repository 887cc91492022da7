import { amqpConnection } from '../../amqp/index.ts';
import { integrationStore } from '../../idempotency/index.ts';
import { Failure } from '../../kernel/failure.ts';
import { attribute } from '../../kernel/telemetry/semconv.ts';
import { defineNode, describe } from '../../node/index.ts';
import { openDesks } from '../desk.ts';
import { discharge, type MessageSettlement, type OwedRecord, startTransactions } from '../discharge.ts';
import { isOutcome } from '../intent.ts';
import { Later } from '../later.ts';
import { deliverySource } from '../sources.ts';
import { settleDefinition } from './settle.def.ts';

/** Of all settle nodes, because a deploy must not forget what is owed. */
const later = new Later();

const settleAttributes = { [attribute.messagingOperationType]: 'settle' };

type Tally = Record<'done' | 'retried' | 'dead' | 'anomalies', number>;

const tallied: Record<MessageSettlement['disposition'], keyof Tally | undefined> = {
  done: 'done',
  retry: 'retried',
  'dead-letter': 'dead',
  replied: 'dead',
  released: undefined,
  part: undefined,
  none: undefined,
};

export default defineNode(settleDefinition, ({ id, flowId, config, log, status, resolve, RED }) => {
  const { outcome, store: fallbackStore } = config;
  if (!isOutcome(outcome)) {
    throw new Failure('configuration', 'SETTLE_OUTCOME', 'This settle node has no outcome. Open it and pick one.');
  }
  const label = flowId === undefined ? undefined : flowLabel(RED, flowId);
  startTransactions(label);
  const tally: Tally = { done: 0, retried: 0, dead: 0, anomalies: 0 };
  const reach = {
    store: (storeId: string) => resolve(integrationStore, storeId).store,
    connection: (connectionId: string) => deliverySource(connectionId) ?? resolve(amqpConnection, connectionId),
    fallbackStore,
    letters: (queue: string, connection: string) =>
      openDesks().find((desk) => desk.queue === queue && desk.connection === connection),
    later: ({ store, write, what, correlationId }: OwedRecord) =>
      later.add({
        store,
        write,
        dropped: (reason, failure) =>
          log.warn('settle.record-dropped', { what, reason, code: failure?.code, store, correlationId }),
      }),
    node: id,
    // The editor's name of the flow, which metrics and the console show.
    ...(label === undefined ? {} : { flowId: label }),
    defect: (error: unknown) => log.error('defect', { stack: describe(error) }),
  };
  return {
    async input(message, { send, span }) {
      const settlement = await discharge(message, outcome, reach);
      const { result, disposition, reason, key } = settlement;
      span?.rename(`${disposition === 'none' ? 'settle' : disposition} ${message.delivery?.queue ?? ''}`.trim());
      span?.set({ [attribute.disposition]: result === 'settled' ? disposition : result, ...settleAttributes });
      const kind = result === 'settled' ? tallied[disposition] : 'anomalies';
      if (kind !== undefined) tally[kind] += 1;
      if (result !== 'settled' || key === 'lost-lease') {
        log.warn(result === 'settled' ? 'settle.lease-lost' : `settle.${result}`, {
          disposition,
          reason,
          correlationId: message.event?.correlationid,
          queue: message.delivery?.queue,
        });
      }
      status(result === 'unreachable' ? 'degraded' : 'working', statusText(tally));
      send(message);
    },
  };
});

function flowLabel(
  RED: { nodes: { eachNode(callback: (config: Record<string, unknown>) => void): void } },
  id: string,
) {
  let label = id;
  RED.nodes.eachNode((config) => {
    if (config.id === id && typeof config.label === 'string' && config.label !== '') label = config.label;
  });
  return label;
}

function statusText({ done, retried, dead, anomalies }: Tally): string {
  const parts = [`${done} done`];
  if (retried > 0) parts.push(`${retried} retry`);
  if (dead > 0) parts.push(`${dead} failed`);
  if (anomalies > 0) parts.push(`${anomalies} odd`);
  return parts.join(' · ');
}
