import { integrationStore } from '../../idempotency/index.ts';
import { defineConfigNode, holdWhileStarting, type RuntimeApi, serviceOf } from '../../node/index.ts';
import { unsavedSettings } from '../../node/unsaved.ts';
import { type RunningConnection, startConnection } from '../connection-service.ts';
import { EmbeddedEngine } from '../engines/embedded/engine.ts';
import { RabbitMqEngine } from '../engines/rabbitmq/engine.ts';
import { amqpConnection } from '../index.ts';
import type { AmqpConnectionService } from '../service.ts';
import { type AmqpConnectionConfig, amqpConnectionDefinition } from './amqp-connection.def.ts';
import { probe } from './probe.ts';
import { autoVariable, engineSettings, type Surroundings } from './settings.ts';
import { topologyRows } from './topology-table.ts';

const day = 86_400_000;

export default defineConfigNode<AmqpConnectionConfig, AmqpConnectionService>(
  amqpConnectionDefinition,
  ({ id, name, config, credentials, log, resolve, RED }) => {
    const settings = engineSettings(config, credentials, `Node-RED ${name === '' ? id : name}`, surroundings(RED));
    const store =
      config.store === '' && settings.kind === 'rabbitmq' ? undefined : resolve(integrationStore, config.store);
    const engine = settings.kind === 'rabbitmq' ? new RabbitMqEngine(settings.link) : new EmbeddedEngine(store!.store);
    engine.onState((state) => {
      const wrong = 'problem' in state || state.kind === 'blocked';
      log[wrong ? 'warn' : 'info']('amqp.state', { ...state });
    });
    const running: RunningConnection = startConnection({
      id,
      // As the console names it.
      label: name || settings.kind,
      namespace: config.namespace,
      engine,
      outboxLimit: config.outboxLimit,
      retryBudget: { share: config.retryShare / 100, floor: config.retryFloor },
      claim: {
        limit: config.claimLimit > 0 ? config.claimLimit * 1024 : Number.POSITIVE_INFINITY,
        retention: Math.max(1, config.claimRetention) * day,
      },
      ...(store === undefined ? {} : { store }),
    });
    const unhold = holdWhileStarting(running.hold);
    return {
      service: running.service,
      async close() {
        unhold();
        const entries = await running.close();
        if (entries > 0) log.warn('audit.unwritten', { entries, action: 'message.accepted' });
      },
    };
  },
  {
    admin({ get, test, RED }) {
      get('auto', 'healthflows.configure', (_, response) =>
        response.json({ engine: process.env[autoVariable] ? 'rabbitmq' : 'embedded' }),
      );
      get('topology', 'healthflows.configure', (request, response) => {
        const service = serviceOf(RED, amqpConnection, String(request.query.id ?? ''));
        const topology = service?.topology() ?? { exchanges: [], queues: [] };
        response.json({
          ...topology,
          rows: service === undefined ? [] : topologyRows(service.engine, topology),
          namespace: service?.namespace,
          state: service?.state,
        });
      });
      test(async ({ body }) => {
        const { config, credentials } = unsavedSettings(RED, amqpConnectionDefinition, body);
        const settings = engineSettings(config, credentials, 'Node-RED', surroundings(RED));
        return settings.kind === 'rabbitmq'
          ? probe(settings.link, config.namespace)
          : { embedded: true, store: serviceOf(RED, integrationStore, config.store)?.store.status() };
      });
    },
  },
);

function surroundings(RED: RuntimeApi): Surroundings {
  return { userDir: RED.settings.userDir ?? process.cwd(), env: process.env };
}
