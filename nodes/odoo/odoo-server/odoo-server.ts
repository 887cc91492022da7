import { Failure } from '../../kernel/failure.ts';
import { type AdminRoutes, defineConfigNode, serviceOf } from '../../node/index.ts';
import { OdooClient } from '../client/client.ts';
import { fieldChoices, methodChoices, modelChoices, testConnection } from '../inspect.ts';
import { clientOptionsOf } from '../settings.ts';
import { unsavedSettings } from '../unsaved.ts';
import { type OdooServerConfig, odooServerDefinition } from './odoo-server.def.ts';

/** What an `odoo-server` offers to other nodes. */
export interface OdooServer {
  readonly client: OdooClient;
  readonly environment: OdooServerConfig['environment'];
}

const odooServer = defineConfigNode<OdooServerConfig, OdooServer>(
  odooServerDefinition,
  ({ config, credentials, status, log }) => {
    const client = new OdooClient(clientOptionsOf(config, credentials));
    client.onBreaker((state) => {
      log.info('breaker', { state: state.kind });
      if (state.kind === 'closed') status('working', client.url);
      else status(state.kind === 'half-open' ? 'waiting' : 'down', state.kind);
    });
    return { service: { client, environment: config.environment }, close: () => client.close() };
  },
  { admin },
);

function admin(routes: AdminRoutes): void {
  const { RED } = routes;
  const clientOf = (id: string | undefined): OdooClient => {
    const service = serviceOf(RED, odooServer.kind, id ?? '');
    if (service !== undefined) return service.client;
    throw new Failure('configuration', 'NOT_DEPLOYED', 'The odoo-server is not deployed yet; type the names for now.');
  };
  routes.post('test', 'healthflows.configure', async (request, response) => {
    const { config, credentials } = unsavedSettings(RED, request.body);
    const client = new OdooClient({ ...clientOptionsOf(config, credentials), attempts: 1, deadline: 20_000 });
    try {
      response.json(await testConnection(client));
    } finally {
      await client.close(0);
    }
  });
  routes.get(':id/models', 'healthflows.configure', async (request, response) => {
    response.json(await modelChoices(clientOf(request.params.id)));
  });
  routes.get(':id/models/:model/fields', 'healthflows.configure', async (request, response) => {
    response.json(await fieldChoices(clientOf(request.params.id), request.params.model ?? ''));
  });
  routes.get(':id/models/:model/methods', 'healthflows.configure', (request, response) => {
    response.json(methodChoices(request.params.model ?? ''));
  });
}

export default odooServer;
