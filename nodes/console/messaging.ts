/** Connections and their queues over HTTP: what holds them up, pause and resume of a queue, stop and start of all. */
import {
  type AmqpConnectionService,
  amqpConnection,
  type Halt,
  type Order,
  type RetryBudgetState,
} from '../amqp/index.ts';
import { Failure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { type RuntimeApi, serviceOf } from '../node/index.ts';
import { orderMessaging } from './messaging-acts.ts';
import type { PersonalAct, Routes } from './routes.ts';
import { runningStores, storeFor } from './stores.ts';

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
    if (connection === undefined || !RED.nodes.getNode(config.id)) return;
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

export interface MessagingNow {
  connections: {
    id: string;
    name: string;
    engine: 'rabbitmq' | 'embedded';
    /** Whose stop holds; null when messages are taken. */
    stopped: Order | null;
    /** False: a stop or pause ends when the connection is redeployed, because it has no store. */
    durable: boolean;
    budget: RetryBudgetState;
    queues: { queue: string; halted: Halt | null; inFlight: number }[];
  }[];
}

/** What holds up consumers now, and what is left for retries. */
export function messagingNow(RED: RuntimeApi): MessagingNow {
  const consumed = consumedQueues(RED);
  return {
    connections: runningConnections(RED).map(({ id, name, service }) => ({
      id,
      name,
      engine: service.engine,
      stopped: service.stopped() ?? null,
      durable: service.storeId !== undefined,
      budget: service.budget(),
      queues: [...new Set(consumed.filter(({ connection }) => connection.id === id).map(({ queue }) => queue))].map(
        (queue) => ({
          queue,
          halted: service.halted(queue) ?? null,
          inFlight: service.openDeliveries(queue).length,
        }),
      ),
    })),
  };
}

/** For the pages: whether a person has stopped everything, and whether there is something to stop. */
export interface MessagingState {
  connections: number;
  /** Whose stop holds; null when messages are taken. */
  stopped: Order | null;
  /** A stop ends with a deploy or restart on these connections, because they have no store. */
  fleeting: string[];
}

export function messagingState(RED: RuntimeApi): MessagingState {
  const connections = runningConnections(RED);
  const stops = connections.flatMap(({ service }) => service.stopped() ?? []);
  return {
    connections: connections.length,
    stopped: stops.sort((a, b) => a.since - b.since)[0] ?? null,
    fleeting: connections.filter(({ service }) => service.storeId === undefined).map(({ name }) => name),
  };
}

/** The stop of everything: all stores, so that no Node-RED and no connection goes on, and connections without one. */
async function stopOrStart(RED: RuntimeApi, act: PersonalAct, on: boolean, fallback: Store): Promise<void> {
  const connections = runningConnections(RED);
  const order = { token: act.token, actor: act.actor, reason: act.reason, target: { kind: 'stop' as const }, on };
  const used = new Set(connections.map(({ service }) => service.storeId));
  const stores = runningStores(RED).filter(({ id }) => used.has(id));
  // Somewhere it must be recorded.
  for (const store of stores.length > 0 ? stores.map(({ store }) => store) : [fallback]) {
    await store.run(orderMessaging, order);
  }
  await Promise.all(
    connections.map(({ service }) =>
      service.storeId === undefined ? service.stop(on, { actor: act.actor, reason: act.reason }) : service.obey(),
    ),
  );
}

/**
 * GET `messaging` ({@link MessagingNow}); POST `messaging/stop` and `messaging/start`; POST `queues/:queue/pause` and
 * `…/resume` with `connection`. The posts carry token and reason.
 */
export function messagingRoutes(routes: Routes): void {
  const { RED } = routes;
  routes.get('messaging', 'view', () => messagingNow(RED));
  for (const action of ['stop', 'start'] as const) {
    routes.act(`messaging/${action}`, 'stop', action, async (act, request) => {
      await stopOrStart(RED, act, action === 'stop', storeFor(RED, request).store);
      return messagingNow(RED);
    });
  }
  for (const action of ['pause', 'resume'] as const) {
    routes.act(`queues/:queue/${action}`, 'pause', action, async (act, request) => {
      const queue = request.params.queue ?? '';
      const consumed = consumedQueues(RED).find(
        (entry) => entry.queue === queue && entry.connection.id === act.body.connection,
      );
      if (consumed === undefined) {
        throw new Failure('data-quality', 'QUEUE_UNKNOWN', 'No deployed flow consumes this queue. Reload the page.');
      }
      const { service, id: connection } = consumed.connection;
      const on = action === 'pause';
      const own = runningStores(RED).find(({ id }) => id === service.storeId);
      const { store } = own ?? storeFor(RED, request);
      const { token, actor, reason } = act;
      await store.run(orderMessaging, { token, actor, reason, target: { kind: 'pause', connection, queue }, on });
      if (own !== undefined) await service.obey();
      else await (on ? service.pause(queue, { actor, reason }) : service.resume(queue));
      return { queue, paused: service.paused(queue) };
    });
  }
}
