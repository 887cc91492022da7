import { amqpConnection } from '../../amqp/index.ts';
import { integrationStore } from '../../idempotency/index.ts';
import { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { defineNode } from '../../node/index.ts';
import { eventIdOf, keyReader } from '../key.ts';
import { propertyReader } from '../property.ts';
import { takeTurn } from '../turn.ts';
import { numberReader, verdictFailure } from './verdict.ts';
import { sequenceDefinition } from './sequence.def.ts';

export default defineNode(sequenceDefinition, ({ config, id, RED, status, resolve }) => {
  const { store, id: storeId } = resolve(integrationStore, config.store);
  const property = propertyReader(RED);
  const key = keyReader(config.keyFields, property);
  const number = numberReader(config.number, property);
  const scope = config.scope.trim() || id;
  const deadline = minutes(config.deadline);
  const tally = { 'in order': 0, wait: 0, 'to a person': 0, duplicate: 0 };
  /** Whether a person has sent the message again, from the dead letters. */
  const replayed = ({ delivery }: FlowMessage): boolean => {
    if (delivery === undefined || RED.nodes.getNode(delivery.connection)?.type !== amqpConnection.type) return false;
    const open = resolve(amqpConnection, delivery.connection).open(delivery.tag);
    return Number(open?.delivery.properties.headers['x-replay-generation'] ?? 0) > 0;
  };
  return {
    async input(message, { send }) {
      delete message.sequence;
      delete message.failure;
      const turn = { scope, key: key(message), number: number(message), event: eventIdOf(message) };
      const verdict = await store.run(takeTurn, {
        ...turn,
        begins: config.begins,
        deadline,
        replayed: replayed(message),
        node: id,
        ...(message.event?.correlationid === undefined ? {} : { correlationId: message.event.correlationid }),
      });
      if (verdict.kind === 'pass') {
        message.sequence = {
          store: storeId,
          ...turn,
          ...(verdict.skipped === undefined ? {} : { skipped: verdict.skipped }),
        };
      }
      if (verdict.kind === 'duplicate') message.duplicate = { scope, key: turn.key, number: turn.number };
      const failure = verdictFailure(verdict, turn);
      if (failure !== undefined) {
        message.failure = failure.toRecord({ at: new Date().toISOString(), attempt: message.delivery?.attempt ?? 1 });
      }
      const output = outputs[verdict.kind];
      tally[output]++;
      status(tally['to a person'] > 0 ? 'degraded' : 'working', statusText(tally));
      send(message, output);
    },
  };
});

const outputs = {
  pass: 'in order',
  wait: 'wait',
  gap: 'to a person',
  late: 'to a person',
  duplicate: 'duplicate',
} as const;

function statusText(tally: Record<'in order' | 'wait' | 'to a person', number>): string {
  const told = tally['to a person'] > 0 ? ` · ${tally['to a person']} to a person` : '';
  return `${tally['in order']} in order${told}`;
}

function minutes(value: number): number {
  if (value >= 0 && value <= 10_080) return value * 60_000;
  throw new Failure(
    'configuration',
    'SEQUENCE_DEADLINE',
    'The deadline of a sequence is between 0 minutes and 7 days.',
  );
}
