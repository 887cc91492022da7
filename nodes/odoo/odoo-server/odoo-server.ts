import { Failure } from '../../kernel/failure.ts';
import { registerDependency } from '../../kernel/resilience/dependencies.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { type AdminRoutes, defineConfigNode, serviceOf } from '../../node/index.ts';
import { unsavedSettings } from '../../node/unsaved.ts';
import { OdooClient } from '../client/client.ts';
import { fieldChoices, methodChoices, modelChoices, testConnection } from '../inspect.ts';
import { type KeyExpiry, keyExpiry, warningAt, watchKey } from '../key-watch.ts';
import { preview } from '../preview.ts';
import { clientOptionsOf } from '../settings.ts';
import { modelsInUse } from '../usage.ts';
import { type OdooServerConfig, odooServerDefinition } from './odoo-server.def.ts';

/** What an `odoo-server` offers to other nodes. */
export interface OdooServer {
  readonly client: OdooClient;
  readonly environment: OdooServerConfig['environment'];
  /** The API key of its user that ends first, once known. */
  readonly key: KeyExpiry | undefined;
}

const odooServer = defineConfigNode<OdooServerConfig, OdooServer>(
  odooServerDefinition,
  ({ id, name, config, credentials, status, log }) => {
    const client = new OdooClient(clientOptionsOf(config, credentials));
    let key: KeyExpiry | undefined;
    const show = () => {
      const { kind } = client.breaker;
      if (kind !== 'closed') status(kind === 'half-open' ? 'waiting' : 'down', kind);
      else if (key !== undefined && warningAt(key.days) !== undefined)
        status('degraded', `API key ends in ${key.days} d`);
      else status('working', client.url);
    };
    const offs = [
      client.onBreaker((state) => {
        log.info('breaker', { state: state.kind });
        show();
      }),
      registerDependency(id, name || 'Odoo', client.circuit),
      client.keepProbing(),
      watchKey({
        look: () => keyExpiry(client),
        onDays: (expiry) => {
          key = expiry;
          telemetry.gauge('odoo_key_days', { server: name || 'Odoo' }, expiry.days);
          show();
        },
        onWarning: ({ name, days }) =>
          log.warn('odoo.key', {
            key: name,
            days,
            problem: `The API key "${name}" ends in ${days} days. Make a new one in Odoo and enter it in the odoo-server node.`,
          }),
      }),
    ];
    return {
      service: {
        client,
        environment: config.environment,
        get key() {
          return key;
        },
      },
      close: () => {
        for (const off of offs) off();
        return client.close();
      },
    };
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
  routes.test(async ({ body }) => {
    const { config, credentials } = unsavedSettings(RED, odooServerDefinition, body);
    const client = new OdooClient({ ...clientOptionsOf(config, credentials), attempts: 1, deadline: 20_000 });
    try {
      return await testConnection(client, modelsInUse(RED, String((body as { id?: unknown }).id)));
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
  routes.post(':id/preview', 'healthflows.configure', async (request, response) => {
    response.json(await preview(clientOf(request.params.id), request.body));
  });
  routes.get(':id/models/:model/methods', 'healthflows.configure', (request, response) => {
    response.json(methodChoices(request.params.model ?? ''));
  });
}

export default odooServer;
