import { join } from 'node:path';
import { auditKeys } from '../../kernel/audit/index.ts';
import { Failure } from '../../kernel/failure.ts';
import { payloadKeys } from '../../kernel/payload-key.ts';
import { openStore } from '../../kernel/store/index.ts';
import { defineConfigNode, type RuntimeApi, serviceOf } from '../../node/index.ts';
import { unsavedSettings } from '../../node/unsaved.ts';
import { keepHouse } from '../housekeeping.ts';
import { type IntegrationStoreService, integrationStore } from '../service.ts';
import { backUp } from './backup.ts';
import { type IntegrationStoreConfig, integrationStoreDefinition } from './integration-store.def.ts';
import { probe } from './probe.ts';
import { autoVariable, type Surroundings, storeOptionsOf } from './settings.ts';

const day = 24 * 60 * 60 * 1000;

export default defineConfigNode(
  integrationStoreDefinition,
  ({ id, name, config, credentials, log, RED }) => {
    // A key that cannot be used is told now, not with the first message.
    payloadKeys();
    const keys = auditKeys();
    const store = openStore(storeOptionsOf(config, credentials, surroundings(RED)));
    let shown: string | undefined;
    store.onStatus(({ state, version, problem }) => {
      if (problem === shown) return;
      shown = problem;
      if (problem === undefined) log.info('store.ready', { state, version });
      else log.warn('store.problem', { state, problem });
    });
    const house = keepHouse(store, { label: name === '' ? id : name, keys, log });
    const service: IntegrationStoreService = { id, store, retention: config.retention * day };
    return {
      service,
      async close() {
        await house.stop();
        await store.close();
      },
    };
  },
  {
    admin({ get, post, test, RED }) {
      get('auto', 'healthflows.configure', (_, response) =>
        response.json({ engine: process.env[autoVariable] ? 'postgresql' : 'sqlite' }),
      );
      test(async ({ body }) => {
        const { config, credentials } = unsavedSettings(RED, integrationStoreDefinition, body);
        const around = surroundings(RED);
        const limits = { userDir: around.userDir, deployed: deployedFiles(RED, around) };
        return probe(storeOptionsOf(config, credentials, around), limits);
      });
      post('backup', 'healthflows.operate', async (request, response) => {
        const id = String((request.body as { id?: unknown } | undefined)?.id);
        const service = serviceOf(RED, integrationStore, id);
        if (service === undefined) {
          throw new Failure(
            'configuration',
            'STORE_NOT_DEPLOYED',
            'Deploy the integration-store before backing it up.',
          );
        }
        const folder = join(surroundings(RED).userDir, 'healthflows-backups');
        response.json(await backUp(service.store, folder, request.user?.username ?? 'editor'));
      });
    },
  },
);

function surroundings(RED: RuntimeApi): Surroundings {
  return { userDir: RED.settings.userDir ?? process.cwd(), env: process.env };
}

/** Files of the stores that are at work: a test may look at them wherever they are. */
function deployedFiles(RED: RuntimeApi, around: Surroundings): string[] {
  const files: string[] = [];
  RED.nodes.eachNode((node) => {
    if (node.type !== integrationStoreDefinition.type || serviceOf(RED, integrationStore, node.id) === undefined)
      return;
    const config = { ...integrationStoreDefinition.defaults, ...node } as unknown as IntegrationStoreConfig;
    const options = storeOptionsOf(config, {}, around);
    if (options.engine === 'sqlite') files.push(options.file);
  });
  return files;
}
