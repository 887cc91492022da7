import { amqpConnection } from '../../amqp/index.ts';
import { integrationStore } from '../../idempotency/index.ts';
import { Failure, type Failure as Problem } from '../../kernel/failure.ts';
import { defineNode } from '../../node/index.ts';
import { openDesk } from '../desk.ts';
import { payloadCipher } from '../letters/cipher.ts';
import { LetterCollector } from '../letters/collector.ts';
import { Replayer } from '../letters/replayer.ts';
import { episodeMessage } from './episode.ts';
import { type DeadLetterConfig, deadLetterDefinition } from './dead-letter.def.ts';

const day = 86_400_000;

export default defineNode(deadLetterDefinition, ({ id, flowId, config, log, status, resolve, emit, RED }) => {
  const { id: storeId, store } = resolve(integrationStore, config.store);
  const connection = resolve(amqpConnection, config.connection);
  const queue = connection.queueName(queueOf(config));
  const cipher = payloadCipher();
  let waiting = 0;
  let problem: Problem | undefined;
  const show = () => {
    if (problem !== undefined) status('down', problem.code.toLowerCase().replaceAll('_', ' '));
    else if (connection.state.kind !== 'ready') status('waiting', `broker ${connection.state.kind}`);
    else if (waiting > 0) status('failed', `${waiting} open`);
    else status('working', 'none open');
  };
  const onProblem = (next: Problem | undefined) => {
    if (next !== undefined && next.code !== problem?.code)
      log.warn('dead-letter.problem', next.toRecord() as object as Record<string, unknown>);
    problem = next;
    show();
  };
  const collector = new LetterCollector({
    queue,
    connection,
    store,
    cipher,
    retention: config.retention * day,
    flowOf: (node) => RED.nodes.getNode(node)?.z,
    onAnnouncement: (announcement) => emit(episodeMessage(announcement)),
    onTotals: (totals) => {
      waiting = totals.waiting;
      show();
    },
    onProblem,
  });
  const replayer = new Replayer({ queue, connection, store, cipher, onProblem, onProgress: () => collector.look() });
  const wake = () => {
    replayer.kick();
    collector.look();
  };
  const closeDesk = openDesk({
    node: id,
    flow: flowId,
    queue,
    connection: connection.id,
    storeId,
    store,
    cipher,
    wake,
  });
  const unwatch = connection.onState(show);
  collector.start();
  replayer.start();
  show();
  return {
    async close() {
      closeDesk();
      unwatch();
      await Promise.all([collector.close(), replayer.close()]);
    },
  };
});

function queueOf({ queue }: DeadLetterConfig): string {
  const name = queue.trim().replace(/\.dead$/, '');
  if (name !== '') return name;
  throw new Failure(
    'configuration',
    'NO_QUEUE',
    'This dead-letter node has no queue. Open it and name the queue whose dead letters it takes.',
  );
}
