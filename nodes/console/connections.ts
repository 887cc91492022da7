/** Connections over HTTP: brokers, Odoo servers, stores and partners' keys, and what each is used by. */
import type { OutboxStatus } from '../amqp/index.ts';
import { type RuntimeApi, serviceOf } from '../node/index.ts';
import { consumedQueues, messagingState, runningConnections } from './messaging.ts';
import { brokerParts, odooParts, type PartNow, partnerParts, storeParts, within } from './now.ts';
import { dependency } from '../kernel/resilience/dependencies.ts';
import type { Routes } from './routes.ts';

export interface ConnectionPart extends PartNow {
  /** Flows whose nodes name it. */
  usedBy: string[];
  key?: { name: string; days: number };
  environment?: string;
  outbox?: OutboxStatus;
  /** Of a system that can be taken out of service by hand: whether it is. */
  isolated?: boolean;
}

export interface ConnectionQueue {
  queue: string;
  connection: string;
  connectionId: string;
  flow: string;
  ready: number | null;
  oldest: number | null;
  inFlight: number;
  paused: boolean;
  held: string | null;
}

/** A partner's key of a webhook and when it ends. */
export interface PartnerKey {
  node: string;
  name: string;
  flow: string;
  scheme: string;
  key: string;
  /** Milliseconds since the epoch; null when it has no end. */
  until: number | null;
}

export function connectionRoutes(routes: Routes): void {
  const { RED } = routes;
  routes.get('connections', 'view', async () => {
    const flows = flowsByPart(RED);
    const outboxes = new Map(
      await Promise.all(
        runningConnections(RED).map(
          async ({ id, service }) => [id, await within(service.outbox())] as [string, OutboxStatus | undefined],
        ),
      ),
    );
    const parts = [...brokerParts(RED), ...odooParts(RED), ...partnerParts(RED), ...storeParts(RED)].map(
      (part): ConnectionPart => {
        const odoo = serviceOf<{ key?: { name: string; days: number }; environment?: string }>(
          RED,
          { type: 'odoo-server' },
          part.id,
        );
        const outbox = outboxes.get(part.id);
        const isolated = dependency(part.id)?.isolated;
        return {
          ...part,
          usedBy: [...(flows.get(part.id) ?? [])].sort(),
          ...(odoo?.key === undefined ? {} : { key: { name: odoo.key.name, days: odoo.key.days } }),
          ...(odoo?.environment === undefined ? {} : { environment: odoo.environment }),
          ...(outbox === undefined ? {} : { outbox }),
          ...(isolated === undefined ? {} : { isolated }),
        };
      },
    );
    return { parts, messaging: messagingState(RED), queues: await queuesOf(RED), keys: partnerKeys(RED) };
  });
}

/** From the nodes' settings, which hold names and instants; the secrets are elsewhere. */
function partnerKeys(RED: RuntimeApi): PartnerKey[] {
  const labels = new Map<string, string>();
  const found: PartnerKey[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type === 'tab') labels.set(config.id, String(config.label || config.id));
  });
  RED.nodes.eachNode((config) => {
    if (config.type !== 'webhook-verifier' || !Array.isArray(config.keys)) return;
    for (const key of config.keys as { id?: unknown; notAfter?: unknown }[]) {
      const until = Date.parse(String(key.notAfter ?? ''));
      found.push({
        node: config.id,
        name: String(config.name || config.url || config.id),
        flow: labels.get(String(config.z)) ?? '',
        scheme: String(config.scheme ?? ''),
        key: String(key.id ?? ''),
        until: Number.isNaN(until) ? null : until,
      });
    }
  });
  return found.sort((a, b) => (a.until ?? Number.POSITIVE_INFINITY) - (b.until ?? Number.POSITIVE_INFINITY));
}

async function queuesOf(RED: RuntimeApi): Promise<ConnectionQueue[]> {
  const labels = new Map<string, string>();
  RED.nodes.eachNode((config) => {
    if (config.type === 'tab') labels.set(config.id, String(config.label || config.id));
  });
  return Promise.all(
    consumedQueues(RED).map(async ({ queue, flow, connection: { id, name, service } }) => {
      const depth = await within(service.depth(queue));
      return {
        queue,
        connection: name,
        connectionId: id,
        flow: labels.get(flow) ?? flow,
        ready: depth?.ready ?? null,
        oldest: depth?.oldestAge ?? null,
        inFlight: service.openDeliveries(queue).length,
        paused: service.paused(queue),
        held: service.held(queue) ?? null,
      };
    }),
  );
}

/** Labels of the flows that name a config node in the settings of one of their nodes. */
function flowsByPart(RED: RuntimeApi): Map<string, Set<string>> {
  const labels = new Map<string, string>();
  const used: [id: string, flow: string][] = [];
  RED.nodes.eachNode((config) => {
    if (config.type === 'tab') labels.set(config.id, String(config.label || config.id));
    if (typeof config.z !== 'string') return;
    for (const value of Object.values(config)) if (typeof value === 'string') used.push([value, config.z]);
  });
  const flows = new Map<string, Set<string>>();
  for (const [id, flow] of used) {
    const label = labels.get(flow);
    if (label === undefined) continue;
    const all = flows.get(id) ?? new Set<string>();
    all.add(label);
    flows.set(id, all);
  }
  return flows;
}
