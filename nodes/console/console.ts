/** The operator console as a Node-RED plugin: its routes are there once, whatever is deployed. */
import type { RuntimeApi } from '../node/index.ts';
import { actorOf, allowed, hasLogin, isSignedIn, openOperations } from './access.ts';
import { letterRoutes } from './letters.ts';
import { messagingRoutes } from './messaging.ts';
import { metricsRoute, startTelemetry } from './metrics.ts';
import { nowTeller } from './now.ts';
import { pageRoutes } from './page.ts';
import { Routes } from './routes.ts';
import { runningStores } from './stores.ts';
import { trailRoutes } from './trail.ts';

export default function installConsole(RED: RuntimeApi): void {
  const telemetry = startTelemetry(RED);
  const routes = new Routes(RED);
  const now = nowTeller(RED, telemetry.rates);
  pageRoutes(RED);
  routes.get('session', 'view', (request) => ({
    user: actorOf(request),
    login: hasLogin(RED),
    // Payloads, replay and discard are recorded under a name; see requirePerson.
    operations: isSignedIn(request) ? 'signed-in' : openOperations(RED) ? 'open' : 'locked',
    may: {
      operate: allowed(request, 'operate', RED),
      reveal: allowed(request, 'reveal', RED),
    },
    stores: runningStores(RED).map(({ id, name }) => ({ id, name })),
  }));
  routes.get('now', 'view', now);
  letterRoutes(routes);
  messagingRoutes(routes);
  trailRoutes(routes);
  metricsRoute(RED, telemetry);
  RED.plugins?.registerPlugin('healthflows-console', { type: 'healthflows-console' });
}
