/** The audit trail over HTTP: pages, proof of the chain. */
import { type AuditFilter, listAudit, verifyAudit } from '../kernel/audit/index.ts';
import type { AdminRequest } from '../node/index.ts';
import { queryNumber, queryText, type Routes } from './routes.ts';
import { storeFor } from './stores.ts';

const pageSize = 100;

export function trailRoutes(routes: Routes): void {
  const { RED } = routes;

  routes.get('audit', 'view', async (request) => {
    const cursor = queryNumber(request, 'after');
    const page = await storeFor(RED, request).store.run(listAudit, {
      filter: filterOf(request),
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    });
    return page;
  });

  routes.ask('audit/verify', 'verify', async (request) => {
    const { store, name } = storeFor(RED, request);
    return { ...(await verifyAudit(store)), store: name };
  });
}

function filterOf(request: AdminRequest): AuditFilter {
  const filter: AuditFilter = {};
  for (const name of ['correlationId', 'subject', 'action', 'actor'] as const) {
    const value = queryText(request, name);
    if (value !== undefined) filter[name] = value;
  }
  for (const name of ['from', 'to'] as const) {
    const value = queryNumber(request, name);
    if (value !== undefined) filter[name] = value;
  }
  return filter;
}
