/** The integration stores of this runtime. */
import { type IntegrationStoreService, integrationStore } from '../idempotency/index.ts';
import { Failure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import { type AdminRequest, type RuntimeApi, serviceOf } from '../node/index.ts';
import { openDesks } from '../settlement/index.ts';
import { queryText } from './routes.ts';

export interface RunningStore {
  id: string;
  name: string;
  store: Store;
}

export function runningStores(RED: RuntimeApi): RunningStore[] {
  const found: RunningStore[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type !== integrationStore.type) return;
    const service = serviceOf<IntegrationStoreService>(RED, integrationStore, config.id);
    if (service === undefined) return;
    const name = typeof config.name === 'string' && config.name !== '' ? config.name : config.id;
    found.push({ id: config.id, name, store: service.store });
  });
  return found;
}

/**
 * The store a request names, else the one that collects dead letters, else the first.
 * @throws Failure `configuration` `NO_STORE`
 */
export function storeFor(RED: RuntimeApi, request: AdminRequest): RunningStore {
  const stores = runningStores(RED);
  const named = queryText(request, 'store');
  const collecting = new Set(openDesks().map((desk) => desk.storeId));
  const chosen =
    named === undefined
      ? (stores.find((store) => collecting.has(store.id)) ?? stores[0])
      : stores.find((store) => store.id === named);
  if (chosen !== undefined) return chosen;
  throw new Failure(
    'configuration',
    'NO_STORE',
    named === undefined
      ? 'No integration store is deployed. Add a flow that uses one, for example from the examples, and deploy it.'
      : 'This integration store is not deployed any more. Choose another.',
  );
}
