/** What a node that keeps originals does with each. */
import { Failure } from '../kernel/failure.ts';
import { uuidv7 } from '../kernel/id.ts';
import type { Store } from '../kernel/store/store.ts';
import type { Log, RuntimeApi } from '../node/index.ts';
import { keepOriginal } from './originals.ts';
import { journalDays } from './retention.ts';

/**
 * Resolves when the document is durable, so that it is there whatever becomes of the message.
 * @param messageId id of the event
 * @param document bytes as they came, or text that was decoded before the node saw it
 * @throws Failure of the store: then the message must not go on
 */
export type Keeper = (messageId: string, document: string | Uint8Array, contentType: string) => Promise<void>;

export interface KeeperOptions {
  RED: RuntimeApi;
  /** Undefined: none is picked in the node. */
  store: Store | undefined;
  /** Id of the node. */
  node: string;
  log: Pick<Log, 'warn'>;
}

const day = 86_400_000;
const typeLimit = 200;

/** @throws Failure `configuration` `NO_STORE`, `JOURNAL_OFF` */
export function keeperOf({ RED, store, node, log }: KeeperOptions): Keeper {
  if (store === undefined) {
    throw new Failure(
      'configuration',
      'NO_STORE',
      'Keeping what came in needs an integration store. Open the node and pick one, or switch keeping off.',
    );
  }
  const days = journalDays(RED);
  if (days === undefined) {
    throw new Failure(
      'configuration',
      'JOURNAL_OFF',
      'What came in is found from the journal of messages, which is switched off in settings.js (healthflows.journal). Switch the journal on, or keeping off.',
    );
  }
  return async (messageId, document, contentType) => {
    const text = typeof document === 'string';
    const outcome = await store.run(keepOriginal, {
      id: uuidv7(),
      messageId,
      node,
      form: text ? 'text' : 'bytes',
      contentType: contentType.slice(0, typeLimit),
      body: text ? new TextEncoder().encode(document) : Uint8Array.prototype.slice.call(document),
      retention: days * day,
    });
    if (outcome === 'full') log.warn('original.not_kept', { event: messageId, why: 'too many others under this id' });
  };
}
