/** What a node that keeps originals does with each. */
import { Failure } from '../kernel/failure.ts';
import { uuidv7 } from '../kernel/id.ts';
import type { FlowMessage } from '../kernel/message.ts';
import type { Store } from '../kernel/store/store.ts';
import type { Log, RuntimeApi } from '../node/index.ts';
import { keepOriginal, originalLimit } from './originals.ts';
import { journalDays } from './retention.ts';
import { senderOf } from './sender.ts';

/**
 * Resolves when the document is durable, so that it is there whatever becomes of the message.
 * @param message found by the id of its event, else `_msgid`, as the journal does
 * @param document bytes as they came, or text that was decoded before the node saw it
 * @throws Failure of the store: then the message must not go on
 */
export type Keeper = (message: FlowMessage, document: string | Uint8Array) => Promise<void>;

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
/** The journal takes no longer id, and an original is found from there alone. */
export const idLimit = 200;

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
  return async (message, document) => {
    const messageId = message.event?.id ?? message._msgid ?? '';
    if (messageId === '' || messageId.length > idLimit) {
      const why = `the journal takes ids of 1 to ${idLimit} characters`;
      log.warn('original.not_kept', { event: messageId.slice(0, idLimit), why });
      return;
    }
    const text = typeof document === 'string';
    const body = text ? new TextEncoder().encode(document) : Uint8Array.prototype.slice.call(document);
    const outcome = await store.run(keepOriginal, {
      id: uuidv7(),
      messageId,
      sender: senderOf(message),
      node,
      form: text ? 'text' : 'bytes',
      contentType: (message.event?.datacontenttype ?? '').slice(0, typeLimit),
      body,
      retention: days * day,
    });
    if (outcome === 'full')
      log.warn('original.not_kept', { event: messageId, why: 'too many others of this sender under this id' });
    else if (outcome === 'new' && body.byteLength > originalLimit)
      log.warn('original.not_kept', { event: messageId, why: 'larger than 5 MiB: its size alone is kept' });
  };
}
