/** What the page is told first: who asks, what they may, and which pages there are for them. */
import { Failure } from '../kernel/failure.ts';
import { type AdminRequest, holds, type RuntimeApi } from '../node/index.ts';
import {
  actorOf,
  allowed,
  hasLogin,
  isSignedIn,
  openOperations,
  type Permission,
  permissions,
  scopeOf,
} from './access.ts';
import { type ConsolePage, onPages } from './pages.ts';
import { Routes } from './routes.ts';
import { runningStores } from './stores.ts';

export interface PageEntry {
  id: string;
  title: string;
  place: 'page' | 'connections';
  order: number;
  /** Address of its script, relative to the console's folder of assets. */
  script: string;
  /** What waits there for a person; absent when nobody can tell. */
  waiting?: number;
}

interface OwnPage {
  id: string;
  title: string;
  order: number;
  /** Partner-scoped users have it too. */
  scoped: boolean;
}

const own: readonly OwnPage[] = [
  { id: 'now', title: 'Now', order: 10, scoped: true },
  { id: 'messages', title: 'Messages', order: 20, scoped: true },
  { id: 'failures', title: 'Failures', order: 30, scoped: false },
  { id: 'connections', title: 'Connections', order: 60, scoped: false },
  { id: 'audit', title: 'Audit', order: 70, scoped: false },
];

/** Milliseconds that a page has to tell what waits. */
const patience = 1_000;

export function sessionRoutes(RED: RuntimeApi): void {
  const contributed: ConsolePage[] = [];
  onPages((page) => {
    contributed.push(page);
    page.routes?.(new Routes(RED, `${page.id}/`, page.scoped === undefined ? {} : { scoped: page.scoped }));
  });

  new Routes(RED).get(
    'session',
    // Nobody's in particular: whoever may open one of the pages has a session, e.g. an approver without `view`.
    '',
    async (request) => {
      if (!mayOpen(request, RED, contributed)) throw noPage();
      return sessionOf(request);
    },
    { scoped: true },
  );

  async function sessionOf(request: AdminRequest) {
    return {
      user: actorOf(request),
      login: hasLogin(RED),
      // Payloads, replay and discard are recorded under a name; see requirePerson.
      operations: operationsOf(request, RED),
      may: mayOf(request, RED, contributed),
      scope: scopeOf(request, RED).kind,
      pages: await pagesOf(request, RED, contributed),
      stores: runningStores(RED).map(({ id, name }) => ({ id, name })),
    };
  }
}

function mayOpen(request: AdminRequest, RED: RuntimeApi, contributed: readonly ConsolePage[]): boolean {
  return [permissions.view, ...contributed.map(({ permission }) => permission ?? permissions.view)].some((permission) =>
    holds(request, permission, RED),
  );
}

function noPage(): Failure {
  return new Failure(
    'policy-rejection',
    'NOT_PERMITTED',
    `Your user holds no permission for a page of the console, e.g. ${permissions.view}. An administrator of this Node-RED can add it in adminAuth.`,
  );
}

function operationsOf(request: AdminRequest, RED: RuntimeApi): 'signed-in' | 'open' | 'locked' {
  if (hasLogin(RED)) return isSignedIn(request) ? 'signed-in' : 'locked';
  return openOperations(RED) ? 'open' : 'locked';
}

function mayOf(request: AdminRequest, RED: RuntimeApi, contributed: readonly ConsolePage[]): Record<string, boolean> {
  const may: Record<string, boolean> = {};
  for (const { acts = {} } of contributed)
    for (const [act, permission] of Object.entries(acts)) may[act] = holds(request, permission, RED);
  for (const act of Object.keys(permissions)) may[act] = allowed(request, act as Permission, RED);
  return may;
}

async function pagesOf(
  request: AdminRequest,
  RED: RuntimeApi,
  contributed: readonly ConsolePage[],
): Promise<PageEntry[]> {
  const whole = scopeOf(request, RED).kind === 'all';
  const mayView = holds(request, permissions.view, RED);
  const entries: Promise<PageEntry>[] = [];
  for (const { id, title, order, scoped } of own) {
    if (mayView && (whole || scoped))
      entries.push(Promise.resolve({ id, title, order, place: 'page', script: `${id}.js` }));
  }
  for (const page of contributed) {
    const shown =
      (whole || page.scoped === true) &&
      holds(request, page.permission ?? permissions.view, RED) &&
      page.inUse?.(RED) !== false;
    if (shown) entries.push(entryOf(page, RED, request));
  }
  return (await Promise.all(entries)).sort((a, b) => a.order - b.order || a.id.localeCompare(b.id));
}

async function entryOf(page: ConsolePage, RED: RuntimeApi, request: AdminRequest): Promise<PageEntry> {
  const { id, title, place = 'page', order, script } = page;
  const entry: PageEntry = { id, title, place, order, script: `../pages/${id}/${script}` };
  const waiting = await waitingOf(page, RED, request);
  return waiting === undefined ? entry : { ...entry, waiting };
}

/** A page that fails or takes long must not keep the console from opening. */
async function waitingOf(page: ConsolePage, RED: RuntimeApi, request: AdminRequest): Promise<number | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, patience, undefined);
  });
  try {
    return await Promise.race([(async () => page.waiting?.(RED, request))(), late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
