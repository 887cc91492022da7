/** Rejections in the audit trail: minimised, bounded in what may wait for the store. */
import { defineOperation, type Store } from '../kernel/store/index.ts';
import type { Rejection } from './endpoint.ts';

export interface RejectionEntry extends Rejection {
  node: string;
  route: string;
}

/** Appends `message.rejected`. */
export const recordRejection = defineOperation(
  import.meta.url,
  'recordRejection',
  function* ({ code, reason, correlationId, source, count, node, route }: RejectionEntry, context) {
    context.audit({
      action: 'message.rejected',
      outcome: 'failure',
      actor: `address ${source}`,
      subject: route,
      ...(correlationId === '' ? {} : { correlationId }),
      node,
      reason: code,
      detail: { step: reason, count },
    });
    yield* [];
  },
);

/** Entries that may wait for the store at one time; beyond, they are counted and told in the next one. */
const mostWaiting = 500;

export class RejectionAudit {
  readonly #store: Store;
  readonly #node: string;
  readonly #route: string;
  readonly #lost: (count: number) => void;
  #waiting = 0;

  /** @param lost told when an entry could not be written */
  constructor(store: Store, node: string, route: string, lost: (count: number) => void) {
    this.#store = store;
    this.#node = node;
    this.#route = route;
    this.#lost = lost;
  }

  record(rejection: Rejection): void {
    if (this.#waiting >= mostWaiting) {
      this.#lost(rejection.count);
      return;
    }
    this.#waiting++;
    this.#store
      .run(recordRejection, { ...rejection, node: this.#node, route: this.#route })
      .catch(() => this.#lost(rejection.count))
      .finally(() => this.#waiting--);
  }
}
