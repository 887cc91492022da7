/** Rejections in the audit trail: minimised, durable before the reply leaves, bounded in what may wait for the store. */
import { telemetry } from '../kernel/telemetry/telemetry.ts';
import { defineOperation, type Store } from '../kernel/store/index.ts';
import type { Rejection } from './endpoint.ts';

export interface RejectionEntry extends Rejection {
  node: string;
  route: string;
  /** Earlier rejections that could not be written. */
  unaudited?: number;
}

/** Appends `message.rejected`. */
export const recordRejection = defineOperation(
  import.meta.url,
  'recordRejection',
  function* ({ code, reason, correlationId, source, count, node, route, unaudited = 0 }: RejectionEntry, context) {
    context.audit({
      action: 'message.rejected',
      outcome: 'failure',
      actor: `address ${source}`,
      subject: route,
      ...(correlationId === '' ? {} : { correlationId }),
      node,
      reason: code,
      detail: { step: reason, count, ...(unaudited === 0 ? {} : { unaudited }) },
    });
    yield* [];
  },
);

/** Entries that may wait for the store at one time; beyond, they are counted and told in the next one. */
const mostWaiting = 500;
/** Milliseconds that a reply waits for its entry: a store that hangs must not keep a caller. */
const longestWait = 2_000;

export class RejectionAudit {
  readonly #store: Store;
  readonly #node: string;
  readonly #route: string;
  readonly #lost: (count: number) => void;
  readonly #waiting = new Set<Promise<void>>();
  /** Rejections that no entry tells of yet. */
  #untold = 0;

  /** @param lost told when an entry could not be written */
  constructor(store: Store, node: string, route: string, lost: (count: number) => void) {
    this.#store = store;
    this.#node = node;
    this.#route = route;
    this.#lost = lost;
  }

  /**
   * Resolves when the entry is durable; also when the store is down or slow, so that the caller is answered anyway.
   * What could not be written is counted and told in the next entry that can. Never rejects.
   */
  record(rejection: Rejection): Promise<void> {
    if (this.#waiting.size >= mostWaiting) {
      this.#miss(rejection.count);
      return Promise.resolve();
    }
    const unaudited = this.#untold;
    this.#untold = 0;
    const written = this.#store
      .run(recordRejection, { ...rejection, node: this.#node, route: this.#route, unaudited })
      .then(
        () => undefined,
        () => this.#miss(rejection.count, unaudited),
      );
    this.#waiting.add(written);
    void written.then(() => this.#waiting.delete(written));
    return atMost(written, longestWait);
  }

  /** Resolves when nothing waits any more, or has waited too long. */
  async settled(): Promise<void> {
    await atMost(
      Promise.all(this.#waiting).then(() => undefined),
      longestWait,
    );
  }

  #miss(count: number, before = 0): void {
    this.#untold += count + before;
    telemetry.count('webhook_rejections_unaudited_total', {}, count);
    this.#lost(count);
  }
}

async function atMost(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
