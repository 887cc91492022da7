import type { Store } from '../kernel/store/store.ts';
import type { ConfigNodeKind } from '../node/define-node.ts';

/** What an `integration-store` offers the other nodes. */
export interface IntegrationStoreService {
  /** Of the config node; goes into `msg.idempotency.store`. */
  readonly id: string;
  readonly store: Store;
  /** Milliseconds that an idempotency key is kept, counted from its claim. */
  readonly retention: number;
}

/** For `context.resolve(integrationStore, config.store)` and `serviceOf(RED, integrationStore, id)`. */
export const integrationStore: ConfigNodeKind<IntegrationStoreService> = { type: 'integration-store' };
