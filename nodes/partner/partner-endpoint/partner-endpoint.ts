import { registerDependency } from '../../kernel/resilience/dependencies.ts';
import { defineConfigNode } from '../../node/index.ts';
import type { Stage } from '../../node/stage.ts';
import { unsavedSettings } from '../../node/unsaved.ts';
import { PartnerClient } from '../client/client.ts';
import { partnerOptionsOf } from '../settings.ts';
import { type PartnerEndpointConfig, partnerEndpointDefinition } from './partner-endpoint.def.ts';

/** What a `partner-endpoint` offers to other nodes. */
export interface PartnerEndpoint {
  readonly client: PartnerClient;
  readonly environment: Stage;
}

const partnerEndpoint = defineConfigNode<PartnerEndpointConfig, PartnerEndpoint>(
  partnerEndpointDefinition,
  ({ id, name, config, credentials, status, log }) => {
    const client = new PartnerClient(partnerOptionsOf(config, credentials, name || 'The partner'));
    const { circuit } = client;
    const show = () => {
      const { kind } = circuit.state;
      if (kind !== 'closed') status(kind === 'half-open' ? 'waiting' : 'down', kind);
      else status('working', client.url);
    };
    const offs = [
      circuit.onChange((state) => {
        log.info('breaker', { state: state.kind });
        show();
      }),
      registerDependency(id, client.name, circuit),
      client.keepProbing(),
    ];
    show();
    return {
      service: { client, environment: config.environment },
      close: () => {
        for (const off of offs) off();
        return client.close();
      },
    };
  },
  {
    admin({ RED, test }) {
      test(async ({ body }) => {
        const { config, credentials } = unsavedSettings(RED, partnerEndpointDefinition, body);
        const client = new PartnerClient(partnerOptionsOf(config, credentials, config.name || 'The partner'));
        try {
          const { status, duration } = await client.ready();
          return { status, latency: duration, authentication: config.authentication };
        } finally {
          await client.close(0);
        }
      });
    },
  },
);

export default partnerEndpoint;
