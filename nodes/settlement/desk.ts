/** The dead letter desks of this runtime: which queue's letters are in which store, and who sends them again. */
import { Failure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import type { PayloadCipher } from './letters/cipher.ts';

export interface Desk {
  /** Id of the `dead-letter` node. */
  node: string;
  flow: string | undefined;
  queue: string;
  /** Ids of the config nodes. */
  connection: string;
  storeId: string;
  store: Store;
  cipher: PayloadCipher;
  /** There is something to send, or the totals have changed. */
  wake(): void;
}

const desks = new Map<string, Desk>();

/**
 * @returns a function that takes the desk away
 * @throws Failure `configuration` `QUEUE_COLLECTED_TWICE`: two nodes would send each other's letters to their own broker
 */
export function openDesk(desk: Desk): () => void {
  for (const other of desks.values()) {
    if (other.node !== desk.node && other.queue === desk.queue && other.storeId === desk.storeId) {
      throw new Failure(
        'configuration',
        'QUEUE_COLLECTED_TWICE',
        `Another dead-letter node already collects ${desk.queue} into the same store. Remove one of them, or give it a store of its own.`,
      );
    }
  }
  desks.set(desk.node, desk);
  return () => {
    if (desks.get(desk.node) === desk) desks.delete(desk.node);
  };
}

export function openDesks(): Desk[] {
  return [...desks.values()];
}
