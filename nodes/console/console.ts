/** The operator console as a Node-RED plugin: its routes are there once, whatever is deployed. */
import type { RuntimeApi } from '../node/index.ts';
import { scopeOf } from './access.ts';
import { watchConfiguration } from './configuration/configuration.ts';
import { connectionRoutes } from './connections.ts';
import { offerStoredDocuments } from './documents.ts';
import { startJournal } from './journal/journal.ts';
import { letterRoutes } from './letters.ts';
import { liveRoute } from './live.ts';
import { messageRoutes } from './messages.ts';
import { messagingRoutes } from './messaging.ts';
import { metricsRoute, startTelemetry } from './metrics.ts';
import { nowTeller } from './now.ts';
import { pageRoutes } from './page.ts';
import { Routes } from './routes.ts';
import { sessionRoutes } from './session.ts';
import { systemRoutes } from './systems.ts';
import { trailRoutes } from './trail.ts';

export default function installConsole(RED: RuntimeApi): void {
  const telemetry = startTelemetry(RED);
  const routes = new Routes(RED);
  pageRoutes(RED);
  liveRoute(routes);
  sessionRoutes(RED);
  const now = nowTeller(RED, telemetry.rates);
  routes.get('now', 'view', (request) => now(scopeOf(request, RED)), { scoped: true });
  connectionRoutes(routes);
  messageRoutes(routes, startJournal(RED));
  letterRoutes(routes);
  messagingRoutes(routes);
  systemRoutes(routes);
  trailRoutes(routes);
  offerStoredDocuments();
  watchConfiguration(RED);
  metricsRoute(RED, telemetry);
  RED.plugins?.registerPlugin('healthflows-console', { type: 'healthflows-console' });
}
