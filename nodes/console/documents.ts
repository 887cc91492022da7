/**
 * What the store holds of documents that a mapper took, for the dry run of a changed mapping: dead letters, and
 * originals. The journal tells which they are: a message whose first mapping, since it came or was delivered, was this
 * mapper's. Nodes of others between (function, change) are not in the journal; what they change shows in the result.
 */
import { type DocumentSource, offerDocuments, type StoredDocument } from '../canonical/index.ts';
import { latestOriginals, readOriginals, revealOriginal } from '../evidence/index.ts';
import { toFailure } from '../kernel/failure.ts';
import type { AdminRequest, RuntimeApi } from '../node/index.ts';
import { listBodies, listLetters, payloadCipher, revealLetter, sealContext } from '../settlement/index.ts';
import { actorOf, requireWholeScope, scopeOf } from './access.ts';
import type { JournalHop } from './journal/entry.ts';
import { journalSettings, journalStore } from './journal/journal.ts';
import { hopsOfMessages } from './journal/search.ts';
import { runningStores } from './stores.ts';

/** Letters and originals that are looked through, the latest first. */
const looked = 200;

const readable = (RED: RuntimeApi, request: AdminRequest): boolean => scopeOf(request, RED).kind === 'all';

const letters: DocumentSource = {
  kind: 'letter',
  readable,
  async latest(RED, { node, request, limit, size }) {
    requireWholeScope(request, RED);
    const found: StoredDocument[] = [];
    for (const { store } of runningStores(RED)) {
      const page = await store.run(listLetters, { filter: {}, limit: looked });
      const hops = await hopsFor(
        RED,
        page.letters.map(({ messageId }) => messageId),
      );
      const taken = page.letters
        .filter((letter) => letter.size <= size && tookFirst(hops[letter.messageId], node, letter.queue))
        .slice(0, limit);
      if (taken.length === 0) continue;
      const bodies = await store.run(listBodies, { filter: { ids: taken.map(({ id }) => id) }, limit });
      for (const { id, queue, messageId, body, bodyKey } of bodies) {
        const letter = taken.find((each) => each.id === id)!;
        const document = opened(() => payloadCipher().open(body, bodyKey, sealContext(queue, messageId)));
        if (document === undefined) continue;
        found.push({
          key: id,
          event: messageId,
          at: new Date(letter.lastFailedAt).toISOString(),
          outcome: letter.code,
          document,
        });
      }
    }
    return found;
  },
  async open(RED, { key, request, reason }) {
    requireWholeScope(request, RED);
    for (const { store } of runningStores(RED)) {
      const letter = await store.run(revealLetter, { id: key, actor: actorOf(request), reason });
      if (letter !== undefined)
        return payloadCipher().open(letter.body, letter.bodyKey, sealContext(letter.queue, letter.messageId));
    }
    return undefined;
  },
};

const originals: DocumentSource = {
  kind: 'original',
  readable,
  async latest(RED, { node, request, limit, size }) {
    requireWholeScope(request, RED);
    const found: StoredDocument[] = [];
    for (const { store } of runningStores(RED)) {
      const listed = await store.run(latestOriginals, { limit: looked, size });
      const hops = await hopsFor(
        RED,
        listed.map(({ messageId }) => messageId),
      );
      const taken = listed.filter(({ messageId }) => tookFirst(hops[messageId], node)).slice(0, limit);
      for (const { id, messageId, at, body } of await store.run(readOriginals, { ids: taken.map(({ id }) => id) })) {
        const failed = hops[messageId]?.findLast((hop) => hop.n === node)?.e;
        found.push({
          key: id,
          event: messageId,
          at: new Date(at).toISOString(),
          outcome: failed ?? 'mapped',
          document: body,
        });
      }
    }
    return found;
  },
  async open(RED, { key, event, request, reason }) {
    requireWholeScope(request, RED);
    for (const { store } of runningStores(RED)) {
      const original = await store.run(revealOriginal, { id: key, messageId: event, actor: actorOf(request), reason });
      if (original !== undefined) return original.body;
    }
    return undefined;
  },
};

export function offerStoredDocuments(): void {
  offerDocuments(letters);
  offerDocuments(originals);
}

/** @param queue the deliveries that count; without it the message from where it came in */
export function tookFirst(hops: readonly JournalHop[] | undefined, node: string, queue?: string): boolean {
  const mappings = (hops ?? []).filter(({ s, q }) => s === 'canonical-mapper' && (queue === undefined || q === queue));
  // Of the last try; all tries of a delivery take the same way.
  const attempt = queue === undefined ? undefined : mappings.at(-1)?.a;
  return mappings.find(({ a }) => attempt === undefined || a === attempt)?.n === node;
}

async function hopsFor(RED: RuntimeApi, ids: readonly string[]): Promise<Record<string, JournalHop[]>> {
  const settings = opened(() => journalSettings(RED));
  const store = settings === undefined ? undefined : journalStore(RED, settings);
  return store === undefined || ids.length === 0 ? {} : store.run(hopsOfMessages, { ids });
}

/** Undefined where a key is gone or the settings cannot be used: the others can still be tried. */
function opened<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (toFailure(error).class === 'defect') throw error;
    return undefined;
  }
}
