/** Messages over HTTP: search, the life of one, its payload with a reason. */
import { type Original, originalsOf, revealOriginal } from '../evidence/index.ts';
import { Failure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { type AdminRequest, type RuntimeApi, serviceOf } from '../node/index.ts';
import { listLetters } from '../settlement/index.ts';
import { allowed, type Scope, scopeOf } from './access.ts';
import { type JournalHop, type JournalOutcome, outcomes } from './journal/entry.ts';
import { type JournalSettings, journalStore } from './journal/journal.ts';
import {
  type JournalFilter,
  type JournalMessage,
  type JournalScope,
  type MessageLife,
  journalPartners,
  readLife,
  searchJournal,
} from './journal/search.ts';
import { explainMapping } from './mapping.ts';
import { queryNumber, queryText, type Routes } from './routes.ts';
import { runningStores } from './stores.ts';

const pageSize = 50;

export function messageRoutes(routes: Routes, settings: JournalSettings | undefined): void {
  const { RED } = routes;
  const storeOf = (): Store => {
    const store = settings === undefined ? undefined : journalStore(RED, settings);
    if (store !== undefined) return store;
    throw new Failure(
      'configuration',
      'NO_STORE',
      settings === undefined
        ? 'The journal of messages is switched off in settings.js (healthflows.journal).'
        : 'No integration store is deployed. Add a flow that uses one, for example from the examples, and deploy it.',
    );
  };

  routes.get(
    'messages',
    'view',
    async (request) => {
      const after = queryText(request, 'after');
      const page = await storeOf().run(searchJournal, {
        filter: filterOf(request),
        scope: narrowed(scopeOf(request, RED)),
        limit: pageSize,
        ...(after === undefined ? {} : { after }),
      });
      const labels = flowLabels(RED);
      return { ...page, messages: page.messages.map((message) => withFlow(message, labels)) };
    },
    { scoped: true },
  );

  routes.get(
    'messages-facets',
    'view',
    async (request) => {
      const scope = scopeOf(request, RED);
      const partners = scope.kind === 'some' && scope.partners.length > 0 ? scope.partners : undefined;
      const flows = scope.kind === 'some' && scope.flows.length > 0 ? scope.flows : undefined;
      return {
        partners: partners ?? (flows === undefined ? await storeOf().run(journalPartners, undefined) : []),
        flows: [...flowLabels(RED)]
          .map(([id, label]) => ({ id, label }))
          .filter(({ id }) => flows?.includes(id) ?? true),
        outcomes,
        days: settings?.days,
      };
    },
    { scoped: true },
  );

  const lifeOf = async (request: AdminRequest, id: string): Promise<MessageLife> => {
    const life = await storeOf().run(readLife, { id, scope: narrowed(scopeOf(request, RED)) });
    if (life !== undefined) return life;
    throw new Failure(
      'data-quality',
      'MESSAGE_UNKNOWN',
      'The journal does not hold this message; its retention may have ended, or it has only just come in.',
    );
  };

  routes.get(
    'messages/:id',
    'view',
    async (request) => {
      const store = storeOf();
      const id = request.params.id ?? '';
      const life = await lifeOf(request, id);
      const labels = flowLabels(RED);
      const nodes = nodesOf(RED);
      const letters = await store.run(listLetters, { filter: { text: id }, limit: 10 });
      return {
        message: withFlow(life.message, labels),
        hops: await Promise.all(life.hops.map((hop) => hopFor(RED, hop, life.message.id, nodes, labels))),
        related: life.related.map((message) => withFlow(message, labels)),
        letters: letters.letters
          .filter((letter) => letter.messageId === id)
          .map(({ id: letter, state, queue }) => ({ id: letter, state, queue })),
        originals: await originalsFor(RED, id, sendersFor(scopeOf(request, RED), life.message), nodes),
        mayReveal: allowed(request, 'reveal', RED),
      };
    },
    { scoped: true },
  );

  routes.act(
    'messages/:id/originals/:original/reveal',
    'reveal',
    'reveal-original',
    async ({ actor, reason }, request) => {
      const id = request.params.id ?? '';
      // Who does not see the message does not see what came in either.
      const { message } = await lifeOf(request, id);
      const { correlationId } = message;
      const senders = sendersFor(scopeOf(request, RED), message);
      const wanted = { id: request.params.original ?? '', messageId: id, senders, actor, reason };
      for (const { store } of runningStores(RED)) {
        const found = await store.run(revealOriginal, {
          ...wanted,
          ...(correlationId === null ? {} : { correlationId }),
        });
        if (found === undefined) continue;
        const { body, contentType, form, size } = found;
        return { contentType, form, size, base64: Buffer.from(body).toString('base64') };
      }
      throw new Failure(
        'data-quality',
        'ORIGINAL_UNKNOWN',
        'What came in is not kept any more: its retention has ended.',
      );
    },
    { scoped: true },
  );
}

/**
 * Whose originals a person may see; undefined: everybody's. Senders choose their ids, so under the id of one message
 * there may be what another sent: the journal's row, which is the first one's, does not say whose each is.
 */
function sendersFor(scope: Scope, { partner }: JournalMessage): string[] | undefined {
  if (scope.kind === 'all') return undefined;
  return scope.partners.length > 0 ? scope.partners : [partner ?? ''];
}

/** What nodes kept of a message as it came in, oldest first, in whichever store it is. */
async function originalsFor(
  RED: RuntimeApi,
  messageId: string,
  senders: string[] | undefined,
  nodes: Map<string, Config>,
): Promise<object[]> {
  const stores = runningStores(RED);
  const found: Original[][] = await Promise.all(
    stores.map(({ store }) => store.run(originalsOf, { messageId, senders })),
  );
  return found
    .flat()
    .toSorted((a, b) => a.at - b.at)
    .map(({ node, messageId: _, ...original }) => {
      const name = nodes.get(node)?.name;
      return { ...original, node: typeof name === 'string' && name !== '' ? name : (nodes.get(node)?.type ?? node) };
    });
}

/** What a partner-scoped person may see, as the journal takes it. */
export function narrowed(scope: Scope): JournalScope {
  if (scope.kind === 'all') return {};
  const { partners, flows } = scope;
  // Named but found nowhere (a flow that is not deployed) is nothing, not everything.
  if (partners.length === 0) return { flows };
  return flows.length === 0 ? { partners } : { partners, flows };
}

function filterOf(request: AdminRequest): JournalFilter {
  const filter: JournalFilter = {};
  for (const name of ['text', 'partner', 'flow'] as const) {
    const value = queryText(request, name);
    if (value !== undefined) filter[name] = value;
  }
  const wanted = queryText(request, 'outcome')?.split(',');
  if (wanted !== undefined) {
    filter.outcomes = wanted.filter((one): one is JournalOutcome => (outcomes as readonly string[]).includes(one));
  }
  for (const name of ['from', 'to'] as const) {
    const value = queryNumber(request, name);
    if (value !== undefined) filter[name] = value;
  }
  return filter;
}

type Labels = Map<string, string>;

export function flowLabels(RED: RuntimeApi): Labels {
  const labels: Labels = new Map();
  RED.nodes.eachNode((config) => {
    if (config.type === 'tab') labels.set(config.id, String(config.label || config.id));
  });
  return labels;
}

type Config = Record<string, unknown> & { id: string; type: string };

function nodesOf(RED: RuntimeApi): Map<string, Config> {
  const nodes = new Map<string, Config>();
  RED.nodes.eachNode((config) => nodes.set(config.id, config));
  return nodes;
}

function withFlow(message: JournalMessage, labels: Labels): JournalMessage & { flowLabel: string | null } {
  return { ...message, flowLabel: message.flow === null ? null : (labels.get(message.flow) ?? message.flow) };
}

/** A hop as people read it: the node's name of today, where the record is, what the mapping does. */
async function hopFor(
  RED: RuntimeApi,
  hop: JournalHop,
  message: string,
  nodes: Map<string, Config>,
  labels: Labels,
): Promise<object> {
  const config = nodes.get(hop.n);
  const name = typeof config?.name === 'string' && config.name !== '' ? config.name : hop.s;
  return {
    at: hop.t,
    duration: hop.d,
    node: hop.n,
    stage: hop.s,
    name,
    deployed: config !== undefined,
    flow: hop.f === undefined ? null : (labels.get(hop.f) ?? hop.f),
    attempt: hop.a ?? null,
    queue: hop.q ?? null,
    failure: hop.c === undefined ? null : { class: hop.c, code: hop.e, message: hop.m ?? '' },
    did: hop.x ?? null,
    odoo: hop.odoo === undefined ? null : { ...hop.odoo, links: linksOf(RED, hop.odoo, config) },
    mapping: hop.s === 'canonical-mapper' && config !== undefined ? await explainMapping(RED, config, message) : null,
  };
}

/** Addresses of the records in Odoo; `/web#…` is understood from 17 on, newer ones forward it. */
function linksOf(
  RED: RuntimeApi,
  { model, ids }: NonNullable<JournalHop['odoo']>,
  config: Config | undefined,
): object[] {
  const server = typeof config?.server === 'string' ? config.server : '';
  const url = serviceOf<{ client?: { url?: string } }>(RED, { type: 'odoo-server' }, server)?.client?.url;
  return ids.map((id) => ({
    id,
    url:
      url === undefined
        ? null
        : `${url.replace(/\/+$/, '')}/web#id=${id}&model=${encodeURIComponent(model)}&view_type=form`,
  }));
}
