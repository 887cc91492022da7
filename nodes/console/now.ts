/** The first page: what runs, what waits, what fails, on which side. */
import type { EngineState, QueueDepth } from '../amqp/index.ts';
import type { RecentActivity, RecentRates } from '../kernel/telemetry/rates.ts';
import { type RuntimeApi, serviceOf } from '../node/index.ts';
import { letterTotals, openDesks } from '../settlement/index.ts';
import { consumedQueues, runningConnections } from './messaging.ts';
import { runningStores } from './stores.ts';

export type Health = 'good' | 'attention' | 'bad' | 'paused' | 'unknown';

export interface FlowNow {
  id: string;
  label: string;
  /** In the last minute: messages through its busiest node, and failures. */
  perMinute: number;
  failed: number;
  byClass: Record<string, number>;
  /** Mean of its nodes in milliseconds, summed along the flow. */
  latency: number;
  queues: QueueNow[];
}

export interface QueueNow {
  queue: string;
  connection: string;
  connectionId: string;
  /** Waiting; null when the broker does not tell. */
  ready: number | null;
  /** Milliseconds. */
  oldest: number | null;
  inFlight: number;
  paused: boolean;
  /** Why nothing is taken for now, e.g. that Odoo behind the flow is down; null when messages are taken. */
  held: string | null;
  letters: number;
}

export interface PartNow {
  id: string;
  name: string;
  kind: 'store' | 'broker' | 'odoo';
  health: Health;
  /** For people. */
  state: string;
  detail: string;
}

export interface Now {
  flows: FlowNow[];
  parts: PartNow[];
  /** Letters that wait for a person. */
  waiting: number;
}

const window = 60_000;
/** Milliseconds that a broker has to tell its depth. */
const patience = 1_500;
/** Milliseconds that one answer serves all viewers. */
const fresh = 1_000;

/** @returns a function that tells what is now; viewers within a second share one answer */
export function nowTeller(RED: RuntimeApi, rates: RecentRates): () => Promise<Now> {
  let last: { at: number; now: Promise<Now> } | undefined;
  return () => {
    if (last === undefined || Date.now() - last.at > fresh) last = { at: Date.now(), now: look(RED, rates) };
    return last.now;
  };
}

async function look(RED: RuntimeApi, rates: RecentRates): Promise<Now> {
  const labels = new Map<string, string>();
  RED.nodes.eachNode((config) => {
    if (config.type === 'tab' && config.disabled !== true) labels.set(config.id, String(config.label || config.id));
  });
  const letters = await lettersByQueue();
  const queues = await Promise.all(consumedQueues(RED).map((consumed) => queueNow(consumed, letters)));
  const flows = new Map<string, FlowNow>();
  const flowOf = (id: string): FlowNow => {
    const existing = flows.get(id);
    if (existing !== undefined) return existing;
    const label = labels.get(id) ?? id;
    const created: FlowNow = { id, label, perMinute: 0, failed: 0, byClass: {}, latency: 0, queues: [] };
    flows.set(id, created);
    return created;
  };
  for (const { flow, state } of queues) flowOf(flow).queues.push(state);
  for (const activity of rates.recent(window)) {
    if (activity.flowId !== undefined && labels.has(activity.flowId)) add(flowOf(activity.flowId), activity);
  }
  return {
    flows: [...flows.values()].sort((a, b) => a.label.localeCompare(b.label)),
    parts: [...storeParts(RED), ...brokerParts(RED), ...odooParts(RED)],
    waiting: [...letters.values()].reduce((sum, count) => sum + count, 0),
  };
}

function add(flow: FlowNow, activity: RecentActivity): void {
  flow.perMinute = Math.max(flow.perMinute, activity.ok + activity.failed);
  flow.failed += activity.failed;
  flow.latency += Math.round(activity.duration);
  for (const [failureClass, count] of Object.entries(activity.byClass)) {
    flow.byClass[failureClass] = (flow.byClass[failureClass] ?? 0) + count;
  }
}

async function lettersByQueue(): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  await Promise.all(
    openDesks().map(async ({ queue, store }) => {
      const totals = await within(store.run(letterTotals, { queue }));
      if (totals !== undefined) counts.set(queue, totals.waiting);
    }),
  );
  return counts;
}

async function queueNow(
  { flow, queue, connection }: ReturnType<typeof consumedQueues>[number],
  collected: Map<string, number>,
): Promise<{ flow: string; state: QueueNow }> {
  const { service } = connection;
  const depth = await within<QueueDepth>(service.depth(queue));
  // Without a dead-letter node that collects them the letters are still in their queue.
  const letters = collected.get(queue) ?? (await within<QueueDepth>(service.depth(`${queue}.dead`)))?.ready ?? 0;
  return {
    flow,
    state: {
      queue,
      connection: connection.name,
      connectionId: connection.id,
      ready: depth?.ready ?? null,
      oldest: depth?.oldestAge ?? null,
      inFlight: service.openDeliveries(queue).length,
      paused: service.paused(queue),
      held: service.held(queue) ?? null,
      letters,
    },
  };
}

/** Undefined when it fails or takes too long: one dependency that is down must not hide the others. */
async function within<T>(work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, patience, undefined);
  });
  try {
    return await Promise.race([work, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function storeParts(RED: RuntimeApi): PartNow[] {
  return runningStores(RED).map(({ id, name, store }) => {
    const status = store.status();
    const health = { ready: 'good', opening: 'attention', down: 'bad' } as const;
    const size = status.size === undefined ? '' : `, ${(status.size / 1_048_576).toFixed(1)} MB`;
    return {
      id,
      name,
      kind: 'store',
      health: health[status.state],
      state: { ready: 'ready', opening: 'opening', down: 'not available' }[status.state],
      detail: status.problem ?? `${status.version ?? status.engine}${size}, ${status.pending} waiting`,
    };
  });
}

const brokerWords: Record<EngineState['kind'], [Health, string]> = {
  ready: ['good', 'connected'],
  connecting: ['attention', 'connecting'],
  blocked: ['attention', 'refuses more for now'],
  down: ['bad', 'not reachable'],
  misconfigured: ['bad', 'set up wrong'],
  closed: ['unknown', 'closed'],
};

function brokerParts(RED: RuntimeApi): PartNow[] {
  return runningConnections(RED).map(({ id, name, service }) => {
    const { state } = service;
    const [health, words] = brokerWords[state.kind];
    const detail =
      'problem' in state
        ? state.problem
        : state.kind === 'blocked'
          ? state.reason
          : state.kind === 'ready'
            ? state.server
            : '';
    return { id, name, kind: 'broker', health, state: words, detail };
  });
}

/** The part of an `odoo-server`'s service that is read here. */
interface OdooService {
  client?: { url?: string; breaker?: { kind: string; until?: number; cause?: string } };
}

const breakerWords: Record<string, [Health, string]> = {
  closed: ['good', 'calls pass'],
  open: ['bad', 'calls stopped'],
  'half-open': ['attention', 'trying again'],
  isolated: ['paused', 'closed by a person'],
};

function odooParts(RED: RuntimeApi): PartNow[] {
  const parts: PartNow[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type !== 'odoo-server') return;
    const client = serviceOf<OdooService>(RED, { type: 'odoo-server' }, config.id)?.client;
    if (client === undefined) return;
    const [health, state] = breakerWords[client.breaker?.kind ?? ''] ?? ['unknown', 'unknown'];
    const name = typeof config.name === 'string' && config.name !== '' ? config.name : 'Odoo';
    const cause = client.breaker?.cause === undefined ? '' : ` after ${client.breaker.cause}`;
    parts.push({ id: config.id, name, kind: 'odoo', health, state, detail: `${client.url ?? ''}${cause}` });
  });
  return parts;
}
