/** What other slices may use of the Odoo slice. */
import type { ConfigNodeKind } from '../node/index.ts';
import type { OdooServer } from './odoo-server/odoo-server.ts';

/** For `context.resolve(odooServer, config.server)`. */
export const odooServer: ConfigNodeKind<OdooServer> = { type: 'odoo-server' };

export type { OdooServer } from './odoo-server/odoo-server.ts';
export { act, type ActionName, type ActionResult, type Verdict } from './client/actions.ts';
export type { RowOutcome } from './client/batch.ts';
export { type CallerContext, OdooClient, type OdooClientOptions } from './client/client.ts';
export { count, read, searchPages, searchRead } from './client/read.ts';
export type { Upserted } from './client/load.ts';
export { upsert, type UpsertDocument, type UpsertOptions } from './client/upsert.ts';
export { attach, create, postMessage, unlink, write } from './client/write.ts';
