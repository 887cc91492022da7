/** The console's page Reconciliation: open breaks by age and owner, explained, assigned, resolved. */
import { type IntegrationStoreService, integrationStore } from '../idempotency/index.ts';
import { Failure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { type ConsolePage, type PageRoutes, queryNumber, queryText } from '../console/index.ts';
import { type AdminRequest, type RuntimeApi, serviceOf } from '../node/index.ts';
import {
  actLimit,
  assignBreaks,
  type BreakFilter,
  listBreaks,
  listRuns,
  overviewOfBreaks,
  type Resolution,
  resolutions,
  resolveBreaks,
  verifyRuns,
} from './breaks.ts';
import { breakClasses } from './compare.ts';

const assign = 'healthflows.assign';
const resolve = 'healthflows.resolve';

export const reconciliationPage: ConsolePage = {
  id: 'reconciliation',
  title: 'Reconciliation',
  order: 50,
  acts: { assign, resolve },
  assets: new URL('./assets/', import.meta.url),
  script: 'reconciliation.js',
  inUse: (RED) => storesInUse(RED).length > 0,
  async waiting(RED) {
    const all = await Promise.all(storesInUse(RED).map(({ store }) => store.run(overviewOfBreaks, undefined)));
    return all.flat().reduce((sum, { open }) => sum + open, 0);
  },
  routes,
};

interface StoreInUse {
  id: string;
  store: Store;
}

/** Stores that a deployed `reconcile` writes its runs to. */
function storesInUse(RED: RuntimeApi): StoreInUse[] {
  const ids = new Set<string>();
  RED.nodes.eachNode((config) => {
    if (config.type === 'reconcile' && config.d !== true && typeof config.store === 'string') ids.add(config.store);
  });
  return [...ids].flatMap((id) => {
    const service = serviceOf<IntegrationStoreService>(RED, integrationStore, id);
    return service === undefined ? [] : [{ id, store: service.store }];
  });
}

/** The store that the page has chosen when it holds breaks, else the first that does. */
function storeOf(RED: RuntimeApi, request: AdminRequest): Store {
  const stores = storesInUse(RED);
  const chosen = stores.find(({ id }) => id === queryText(request, 'store')) ?? stores[0];
  if (chosen !== undefined) return chosen.store;
  throw new Failure('configuration', 'NO_STORE', 'No reconcile node with a store is deployed.');
}

function routes(to: PageRoutes): void {
  const { RED } = to;
  to.get('overview', 'view', (request) => storeOf(RED, request).run(overviewOfBreaks, undefined));
  to.get('breaks', 'view', (request) =>
    storeOf(RED, request).run(listBreaks, { filter: filterOf(request), after: queryNumber(request, 'after') ?? 0 }),
  );
  to.get('runs', 'view', (request) => storeOf(RED, request).run(listRuns, { scope: scopeNamed(request), limit: 30 }));
  to.get('proofs', 'view', (request) => storeOf(RED, request).run(verifyRuns, { scope: scopeNamed(request) }));
  to.act('assign', assign, 'reconciliation.assign', async ({ token, actor, reason, body }, request) => {
    const owner = typeof body.owner === 'string' ? body.owner.trim() : '';
    if (owner.length > 100) throw wrong('The owner is a name of up to 100 characters.');
    return await storeOf(RED, request).run(assignBreaks, { token, actor, reason, ids: idsOf(body.ids), owner });
  });
  to.act('resolve', resolve, 'reconciliation.resolve', async ({ token, actor, reason, body }, request) => {
    const { resolution } = body;
    if (!(resolutions as readonly unknown[]).includes(resolution)) throw wrong('Say what was found.');
    return await storeOf(RED, request).run(resolveBreaks, {
      token,
      actor,
      reason,
      ids: idsOf(body.ids),
      resolution: resolution as Resolution,
    });
  });
}

function filterOf(request: AdminRequest): BreakFilter {
  const filter: BreakFilter = {};
  for (const name of ['scope', 'owner', 'text'] as const) {
    const value = queryText(request, name);
    if (value !== undefined) filter[name] = value;
  }
  const state = queryText(request, 'state') ?? 'open';
  if (state === 'open' || state === 'resolved') filter.state = state;
  const found = breakClasses.find((each) => each === queryText(request, 'class'));
  if (found !== undefined) filter.class = found;
  return filter;
}

function scopeNamed(request: AdminRequest): string {
  const scope = queryText(request, 'scope');
  if (scope !== undefined) return scope;
  throw wrong('Name the scope.');
}

function idsOf(given: unknown): string[] {
  const ids = Array.isArray(given) ? given : [];
  if (
    ids.length > 0 &&
    ids.length <= actLimit &&
    ids.every((id) => typeof id === 'string' && /^brk-[0-9a-f]{20}$/.test(id))
  ) {
    return ids as string[];
  }
  throw wrong(`Name 1 to ${actLimit} breaks.`);
}

function wrong(sentence: string): Failure {
  return new Failure('data-quality', 'RECONCILIATION_REQUEST', sentence);
}
