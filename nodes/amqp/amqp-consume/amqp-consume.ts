import { defineNode, idsUsedDownstream, onFlowsStarted, onFlowsStopping } from '../../node/index.ts';
import { FlowConsumer } from '../flow-consumer.ts';
import { amqpConnection } from '../index.ts';
import { ConnectionLight } from '../status.ts';
import { amqpConsumeDefinition } from './amqp-consume.def.ts';
import { watchOutages } from './outage-watch.ts';
import { queueTopology, retryPolicy } from './settings.ts';

/** Milliseconds that closing waits while settles still come in. */
const drain = 5_000;

export default defineNode(amqpConsumeDefinition, (context) => {
  const { id, type, name, config, status, resolve, emit, fail, log, RED } = context;
  const connection = resolve(amqpConnection, config.connection);
  const topology = queueTopology(config, connection);
  const exchanges = [...new Set(topology.bindings.map(({ exchange }) => exchange))];
  const prefetch = Math.max(1, config.prefetch);
  const consumer = new FlowConsumer({
    connection,
    queue: topology.name,
    prefetch,
    concurrency: config.concurrency > 0 ? Math.min(config.concurrency, prefetch) : prefetch,
    orderByKey: config.orderByKey,
    policy: retryPolicy(config),
    maxBody: config.maxBody * 1024,
    settleDeadline: Math.max(1, config.settleDeadline) * 60_000,
    deliveryLimit: Math.max(1, config.deliveryLimit),
    node: { id, type, ...(name === '' ? {} : { name }) },
    emit,
    onProblem: (failure) => fail(failure),
    onChange: () => light.refresh(),
  });
  const light = new ConnectionLight(connection, status, () => {
    const { halted, held } = consumer;
    const ordered = halted?.kind === 'paused' || halted?.kind === 'stopped';
    if (!ordered && connection.problemOf('queue', topology.name) !== undefined) {
      return { text: `queue ${topology.name} does not answer`, waiting: true };
    }
    return {
      text: (ordered ? halted.text : (held ?? halted?.text)) ?? `${consumer.inFlight}/${prefetch} in flight`,
      paused: ordered,
      waiting: held !== undefined || halted !== undefined,
    };
  });
  const outages = watchOutages(
    () => (config.pauseWith === 'never' ? [] : idsUsedDownstream(RED, id)),
    (why) => {
      const reason = why === undefined ? undefined : `waits: ${why}`;
      if (reason !== consumer.held) log.info('amqp.held', { queue: topology.name, why: why ?? null });
      consumer.hold(reason);
    },
  );
  // A broker that is away gets the topology when it comes; one that refuses is asked again and says why.
  const needed = { exchanges, queues: [topology] };
  connection.declare(needed).catch((error: Error) => {
    log.warn('amqp.declare', { queue: topology.name, problem: error.message });
    fail(error);
  });
  const begin = () => {
    outages.look();
    consumer.start();
  };
  const offs = [onFlowsStarted(begin), onFlowsStopping(() => consumer.stop()), () => outages.stop()];

  return {
    async close() {
      for (const off of offs) off();
      light.stop();
      connection.withdraw(needed);
      await consumer.close(drain);
    },
  };
});
