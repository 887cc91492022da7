/** The first page: what runs, what waits, what fails, on which side. */
import type { EngineState, QueueDepth } from '../amqp/index.ts';
import { auditFinding, problemWords } from '../kernel/audit/index.ts';
import { dependency } from '../kernel/resilience/dependencies.ts';
import type { RecentActivity, RecentRates } from '../kernel/telemetry/rates.ts';
import { type RuntimeApi, serviceOf } from '../node/index.ts';
import { type LetterGroup, letterTotals, listGroups, openDesks } from '../settlement/index.ts';
import type { Scope } from './access.ts';
import { BacklogHistory, type Drain } from './backlog.ts';
import { type Change, ChangeLog, recentActs } from './changes.ts';
import { consumedQueues, type MessagingState, messagingState, runningConnections } from './messaging.ts';
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
  /** Share of the messages in the last minute without a failure, 0 to 1; null when none passed. */
  success: number | null;
  /** Systems that the flow's nodes call. */
  systems: { name: string; available: boolean }[];
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
  drain: Drain;
  inFlight: number;
  paused: boolean;
  /** Why nothing is taken for now, e.g. that Odoo behind the flow is down; null when messages are taken. */
  held: string | null;
  letters: number;
}

export interface PartNow {
  id: string;
  name: string;
  kind: 'store' | 'broker' | 'odoo' | 'partner';
  health: Health;
  /** For people. */
  state: string;
  detail: string;
}

export interface Now {
  flows: FlowNow[];
  parts: PartNow[];
  /** Null for who sees only some flows. */
  messaging: MessagingState | null;
  /** Audit trails whose chain is broken. */
  broken: { store: string; seq: number; words: string; since: number }[];
  /** Letters that wait for a person. */
  waiting: number;
  /** Causes of dead letters that are not at an end, the youngest first. */
  episodes: LetterGroup[];
  /** In the last hour, the newest first. */
  changes: Change[];
}

const window = 60_000;
/** Milliseconds that a broker has to tell its depth. */
const patience = 1_500;
/** Milliseconds that one answer serves all viewers. */
const fresh = 1_000;

/** @returns a function that tells what is now, within a scope; viewers within a second share one look */
export function nowTeller(RED: RuntimeApi, rates: RecentRates): (scope: Scope) => Promise<Now> {
  let last: { at: number; now: Promise<Now> } | undefined;
  const memory = { backlog: new BacklogHistory(), log: new ChangeLog(RED) };
  return async (scope) => {
    if (last === undefined || Date.now() - last.at > fresh) last = { at: Date.now(), now: look(RED, rates, memory) };
    const now = await last.now;
    if (scope.kind === 'all') return now;
    // Nothing but the named flows: parts, causes and acts tell of everybody's.
    const flows = now.flows.filter(({ id }) => scope.flows.includes(id));
    return { flows, parts: [], messaging: null, broken: [], waiting: 0, episodes: [], changes: [] };
  };
}

interface Memory {
  backlog: BacklogHistory;
  log: ChangeLog;
}

async function look(RED: RuntimeApi, rates: RecentRates, memory: Memory): Promise<Now> {
  const labels = new Map<string, string>();
  RED.nodes.eachNode((config) => {
    if (config.type === 'tab' && config.disabled !== true) labels.set(config.id, String(config.label || config.id));
  });
  const letters = await lettersByQueue();
  const queues = await Promise.all(consumedQueues(RED).map((consumed) => queueNow(consumed, letters, memory.backlog)));
  const flows = new Map<string, FlowNow>();
  const flowOf = (id: string): FlowNow => {
    const existing = flows.get(id);
    if (existing !== undefined) return existing;
    const label = labels.get(id) ?? id;
    const created: FlowNow = {
      id,
      label,
      perMinute: 0,
      failed: 0,
      byClass: {},
      latency: 0,
      success: null,
      systems: systemsOf(RED, id),
      queues: [],
    };
    flows.set(id, created);
    return created;
  };
  for (const { flow, state } of queues) flowOf(flow).queues.push(state);
  for (const activity of rates.recent(window)) {
    if (activity.flowId !== undefined && labels.has(activity.flowId)) add(flowOf(activity.flowId), activity);
  }
  for (const flow of flows.values()) {
    if (flow.perMinute > 0) flow.success = Math.max(0, 1 - flow.failed / flow.perMinute);
  }
  const stores = runningStores(RED);
  return {
    flows: [...flows.values()].sort((a, b) => a.label.localeCompare(b.label)),
    parts: [...storeParts(RED), ...brokerParts(RED), ...odooParts(RED), ...partnerParts(RED)],
    messaging: messagingState(RED),
    broken: stores.flatMap(({ name, store }) => {
      const found = auditFinding(store)?.break;
      return found === undefined
        ? []
        : [{ store: name, seq: found.seq, words: problemWords[found.problem], since: found.since }];
    }),
    waiting: [...letters.values()].reduce((sum, count) => sum + count, 0),
    episodes: (await Promise.all(stores.map(({ store }) => within(store.run(listGroups, {})))))
      .flatMap((groups) => groups ?? [])
      .sort((a, b) => b.lastAt - a.lastAt)
      .slice(0, episodesShown),
    changes: await changesOf(stores, memory.log),
  };
}

const episodesShown = 6;
const changesShown = 12;
const hour = 3_600_000;

async function changesOf(stores: ReturnType<typeof runningStores>, log: ChangeLog): Promise<Change[]> {
  const since = Date.now() - hour;
  const acts = await Promise.all(
    stores.map(({ store }) => within(store.run(recentActs, { since, limit: changesShown }))),
  );
  return [...acts.flatMap((some) => some ?? []), ...log.since(since)]
    .sort((a, b) => b.at - a.at)
    .slice(0, changesShown);
}

/** The dependencies that a flow's nodes name in their settings. */
function systemsOf(RED: RuntimeApi, flow: string): FlowNow['systems'] {
  const systems = new Map<string, FlowNow['systems'][number]>();
  RED.nodes.eachNode((config) => {
    if (config.z !== flow) return;
    for (const value of Object.values(config)) {
      const known = typeof value === 'string' ? dependency(value) : undefined;
      if (known !== undefined) {
        systems.set(known.id, { name: known.name, available: known.availability.kind === 'available' });
      }
    }
  });
  return [...systems.values()];
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
  backlog: BacklogHistory,
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
      drain: depth === undefined ? { kind: 'unknown' } : backlog.note(queue, depth.ready),
      inFlight: service.openDeliveries(queue).length,
      paused: service.paused(queue),
      held: service.held(queue) ?? null,
      letters,
    },
  };
}

/** Undefined when it fails or takes too long: one dependency that is down must not hide the others. */
export async function within<T>(work: Promise<T>): Promise<T | undefined> {
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

export function storeParts(RED: RuntimeApi): PartNow[] {
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

export function brokerParts(RED: RuntimeApi): PartNow[] {
  return runningConnections(RED).map(({ id, name, service }) => {
    const { state } = service;
    const stop = service.stopped();
    if (stop !== undefined) {
      return { id, name, kind: 'broker', health: 'paused', state: `stopped by ${stop.actor}`, detail: stop.reason };
    }
    const { spent, resumesIn } = service.budget();
    if (spent && state.kind === 'ready') {
      const detail = `Too many retries: consumers go on within ${Math.ceil(resumesIn / 1_000)} s. See which failures repeat.`;
      return { id, name, kind: 'broker', health: 'attention', state: 'slowed: retry budget used up', detail };
    }
    const partly = state.kind === 'ready' && state.problem !== undefined;
    const [health, words]: [Health, string] = partly ? ['attention', 'connected in part'] : brokerWords[state.kind];
    const detail =
      'problem' in state
        ? (state.problem ?? '')
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
  open: ['bad', 'does not answer'],
  'half-open': ['attention', 'trying again'],
  isolated: ['paused', 'taken out of service'],
};

export function odooParts(RED: RuntimeApi): PartNow[] {
  const parts: PartNow[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type !== 'odoo-server') return;
    const client = serviceOf<OdooService>(RED, { type: 'odoo-server' }, config.id)?.client;
    if (client === undefined) return;
    const [health, words] = breakerWords[client.breaker?.kind ?? ''] ?? ['unknown', 'unknown'];
    const by = dependency(config.id)?.isolatedBy;
    const state = by === undefined ? words : `${words} by ${by}`;
    const name = typeof config.name === 'string' && config.name !== '' ? config.name : 'Odoo';
    const cause = client.breaker?.cause === undefined ? '' : ` after ${client.breaker.cause}`;
    parts.push({ id: config.id, name, kind: 'odoo', health, state, detail: `${client.url ?? ''}${cause}` });
  });
  return parts;
}

/** Systems behind `partner-endpoint` nodes. */
export function partnerParts(RED: RuntimeApi): PartNow[] {
  const parts: PartNow[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type !== 'partner-endpoint') return;
    const known = dependency(config.id);
    if (known === undefined) return;
    const { availability, isolated, isolatedBy, name } = known;
    const down = availability.kind === 'unavailable';
    const [health, words] = breakerWords[isolated ? 'isolated' : down ? 'open' : 'closed']!;
    const state = isolatedBy === undefined ? words : `${words} by ${isolatedBy}`;
    const detail = down && availability.cause !== undefined ? `after ${availability.cause}` : '';
    parts.push({ id: config.id, name, kind: 'partner', health, state, detail });
  });
  return parts;
}
