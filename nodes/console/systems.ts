/** Taking a system out of service by hand, for planned work on it, and putting it back. */
import { dependency } from '../kernel/resilience/dependencies.ts';
import { Failure } from '../kernel/failure.ts';
import { type Act, once } from '../kernel/store/act.ts';
import { defineOperation } from '../kernel/store/operation.ts';
import type { Routes } from './routes.ts';
import { storeFor } from './stores.ts';

const actions = { isolate: 'system.isolated', release: 'system.released' } as const;

/** The order and its audit entry, once for its token. */
export const orderSystem = defineOperation(
  import.meta.url,
  'orderSystem',
  function* ({ system, order, ...act }: Act & { system: string; order: keyof typeof actions }, context) {
    const action = actions[order];
    // biome-ignore lint/correctness/useYield: the entry of the trail is the whole act
    return yield* once(action, act, context.now, function* () {
      context.audit({ action, outcome: 'success', actor: act.actor, reason: act.reason, subject: system });
      return { ordered: true };
    });
  },
);

/**
 * POST `systems/:id/isolate` and `…/release`, `:id` of the config node. Holds in this Node-RED until it is released,
 * restarted, or the config node is deployed anew: a forgotten order must not keep a system away for ever.
 */
export function systemRoutes(routes: Routes): void {
  for (const order of ['isolate', 'release'] as const) {
    routes.act(`systems/:id/${order}`, 'pause', order, async ({ token, actor, reason }, request) => {
      const system = dependency(request.params.id ?? '');
      if (system === undefined) {
        throw new Failure('data-quality', 'SYSTEM_UNKNOWN', 'This system is not deployed any more. Reload the page.');
      }
      const { store } = storeFor(routes.RED, request);
      await store.run(orderSystem, { token, actor, reason, system: system.name, order });
      if (order === 'release') system.release();
      else system.isolate(actor === 'anonymous' ? undefined : actor);
      return { name: system.name, isolated: system.isolated };
    });
  }
}
