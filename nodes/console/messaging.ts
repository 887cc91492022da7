/** Connections and their queues over HTTP: pause and resume. */
import { type AmqpConnectionService, amqpConnection } from '../amqp/index.ts';
import { Failure } from '../kernel/failure.ts';
import { type RuntimeApi, serviceOf } from '../node/index.ts';
import { recordAct } from '../settlement/index.ts';
import type { Routes } from './routes.ts';
import { storeFor } from './stores.ts';

export interface RunningConnection {
  id: string;
  name: string;
  service: AmqpConnectionService;
}

export function runningConnections(RED: RuntimeApi): RunningConnection[] {
  const found: RunningConnection[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type !== amqpConnection.type) return;
    const service = serviceOf<AmqpConnectionService>(RED, amqpConnection, config.id);
    if (service === undefined) return;
    const name = typeof config.name === 'string' && config.name !== '' ? config.name : service.engine;
    found.push({ id: config.id, name, service });
  });
  return found;
}

export interface ConsumedQueue {
  /** The `amqp-consume` node. */
  node: string;
  name: string;
  flow: string;
  connection: RunningConnection;
  /** Full name. */
  queue: string;
}

/** The queues that deployed flows consume. */
export function consumedQueues(RED: RuntimeApi): ConsumedQueue[] {
  const connections = new Map(runningConnections(RED).map((connection) => [connection.id, connection]));
  const found: ConsumedQueue[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type !== 'amqp-consume' || typeof config.queue !== 'string' || config.queue === '') return;
    const connection = connections.get(String(config.connection));
    if (connection === undefined || RED.nodes.getNode(config.id) === null) return;
    found.push({
      node: config.id,
      name: typeof config.name === 'string' ? config.name : '',
      flow: String(config.z ?? ''),
      connection,
      queue: connection.service.queueName(config.queue),
    });
  });
  return found;
}

export function messagingRoutes(routes: Routes): void {
  const { RED } = routes;
  for (const action of ['pause', 'resume'] as const) {
    routes.act(`queues/:queue/${action}`, 'pause', action, async (act, request) => {
      const queue = request.params.queue ?? '';
      const consumed = consumedQueues(RED).find(
        (entry) => entry.queue === queue && entry.connection.id === act.body.connection,
      );
      if (consumed === undefined) {
        throw new Failure('data-quality', 'QUEUE_UNKNOWN', 'No deployed flow consumes this queue. Reload the page.');
      }
      const { service } = consumed.connection;
      await service[action](queue);
      await storeFor(RED, request).store.run(recordAct, {
        token: act.token,
        actor: act.actor,
        reason: act.reason,
        action: `queue.${action}d`,
        outcome: 'success',
        subject: queue,
      });
      return { queue, paused: service.paused(queue) };
    });
  }
}
