/**
 * The whole product as its user runs it: Node-RED in a process of its own with the procurement flow as it is shipped,
 * a sandbox Odoo, and either the embedded engines or a RabbitMQ and PostgreSQL of this test's own.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type OdooVersion, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type FlowNode, type NodeRed, type NodeRedVersion, packageRoot, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import {
  type PrivatePostgres,
  type PrivateRabbitMq,
  startPrivatePostgres,
  startPrivateRabbitMq,
} from '../support/services.ts';
import type { Ledger } from './ledger.ts';
import { webhookSecret } from './sender.ts';

export type Engines = 'embedded' | 'servers';

export interface DeadLetter {
  id: string;
  messageId: string;
  class: string;
  code: string;
  attempts: number;
}

export interface Stack {
  readonly odoo: SandboxOdoo;
  readonly nodeRed: NodeRed;
  readonly rabbitmq?: PrivateRabbitMq;
  readonly postgres?: PrivatePostgres;
  readonly flows: FlowNode[];
  /** Where the supplier posts its orders. */
  readonly ordersUrl: string;
  /** Starts a Node-RED more on the same servers; whoever starts it stops it. */
  another(): Promise<NodeRed>;
  /** Asks the operator's console; `act` presses a button there, with a reason. */
  console<T>(path: string, act?: Record<string, unknown>): Promise<T>;
  /** Business keys of the dead letters that wait for a person. */
  deadLetters(): Promise<DeadLetter[]>;
  /** Waits until every queue of the flows has been there: a fresh store and fresh queues take a moment. */
  queuesReady(): Promise<void>;
  /** How often each order number stands in Odoo, whatever its state. */
  effects(): Map<string, number>;
  /** Order numbers that stand confirmed in Odoo. */
  confirmed(): Set<string>;
  /**
   * Waits until everything that was accepted is a confirmed order in Odoo, then checks the invariants of the ledger
   * and the chain of the audit trail. `patience` in milliseconds, two minutes unless given.
   */
  assertDelivered(ledger: Ledger, patience?: number): Promise<void>;
  close(): Promise<void>;
}

/** Reference flows as one. They share their config nodes, so the same id stands in several files. */
export function referenceFlows(...names: string[]): FlowNode[] {
  const nodes = names.flatMap(
    (name) => JSON.parse(readFileSync(join(packageRoot, `flows/${name}.json`), 'utf8')) as FlowNode[],
  );
  return [...new Map(nodes.map((node) => [node.id, node])).values()];
}

export const procurementFlow = (): FlowNode[] => referenceFlows('procurement');

/** The flow as it is shipped, except that a retry does not wait half a minute for a test to see it. */
const hurried = (node: FlowNode): FlowNode => (node.type === 'amqp-consume' ? { ...node, steps: '1s 2s 5s' } : node);

export async function startStack(options: {
  engines: Engines;
  version?: NodeRedVersion;
  /** Default 19. */
  odooVersion?: OdooVersion;
  /** The flows to run. Default the procurement flow. */
  flows?: FlowNode[];
  /** Node-RED's port. Default a free one. */
  port?: number;
  /** Added to the environment of Node-RED. */
  env?: Record<string, string>;
  /** Added to settings.js. */
  settings?: Record<string, unknown>;
}): Promise<Stack> {
  const odoo = await startSandboxOdoo({ version: options.odooVersion ?? '19' });
  const servers = options.engines === 'servers';
  const [rabbitmq, postgres] = servers ? await Promise.all([startPrivateRabbitMq(), startPrivatePostgres()]) : [];
  const flows = (options.flows ?? procurementFlow()).map(hurried);
  const startOne = (port?: number) =>
    startNodeRed({
      version: options.version ?? '5.0',
      flows,
      ...(port === undefined ? {} : { port }),
      // The tests press the console's buttons without a login.
      settings: { healthflows: { allowUnauthenticatedOperations: true }, ...options.settings },
      env: {
        ODOO_URL: odoo.url,
        ODOO_DB: 'sandbox',
        ODOO_LOGIN: 'bot',
        ODOO_API_KEY: 'sandbox-key',
        SUPPLIER_WEBHOOK_SECRET: webhookSecret,
        ...options.env,
        ...(rabbitmq === undefined ? {} : { HEALTHFLOWS_AMQP_URL: rabbitmq.url }),
        ...(postgres === undefined ? {} : { HEALTHFLOWS_POSTGRES_URL: postgres.url }),
      },
    });
  const nodeRed = await startOne(options.port);

  const orders = () => odoo.records('purchase.order');
  const effects = () => {
    const counts = new Map<string, number>();
    for (const order of orders()) {
      const reference = String(order.partner_ref);
      counts.set(reference, (counts.get(reference) ?? 0) + 1);
    }
    return counts;
  };
  const confirmed = () =>
    new Set(
      orders()
        .filter((order) => order.state === 'purchase')
        .map((order) => String(order.partner_ref)),
    );

  const ask = async <T>(path: string, act?: Record<string, unknown>): Promise<T> => {
    const response = await nodeRed.admin(`/healthflows/console/api/${path}`, {
      method: act === undefined ? 'GET' : 'POST',
      ...(act === undefined
        ? {}
        : {
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ token: randomUUID(), reason: 'end-to-end test', ...act }),
          }),
    });
    const text = await response.text();
    assert.ok(response.ok, `The console answered ${response.status} to ${path}: ${text}`);
    return JSON.parse(text) as T;
  };
  const deadLetters = async () => (await ask<{ letters: DeadLetter[] }>('letters?state=open')).letters;

  return {
    odoo,
    nodeRed,
    ...(rabbitmq === undefined ? {} : { rabbitmq }),
    ...(postgres === undefined ? {} : { postgres }),
    flows,
    ordersUrl: `${nodeRed.url}/procurement/orders`,
    another: () => startOne(),
    effects,
    confirmed,
    console: ask,
    deadLetters,
    async queuesReady() {
      // A queue that is not there yet, or a console that is busy, has no number of messages: each has to have had one once.
      const wanted = flows.filter(({ type }) => type === 'amqp-consume').length;
      const there = new Set<string>();
      await waitUntil(
        'every queue is there',
        async () => {
          const { queues } = await ask<{ queues: { queue: string; ready: number | null }[] }>('connections');
          for (const { queue, ready } of queues) if (ready !== null) there.add(queue);
          return there.size >= wanted;
        },
        120_000,
        100,
      ).catch((error: unknown) => {
        throw new Error(`Only ${[...there].join(', ') || 'none'}.\n${nodeRed.logs().slice(-3_000)}`, { cause: error });
      });
    },
    async assertDelivered(ledger, patience = 120_000) {
      await waitUntil(
        'every accepted order is a confirmed purchase order in Odoo',
        () => {
          const done = confirmed();
          return ledger.accepted.every((key) => done.has(key));
        },
        patience,
        200,
      ).catch(async (error: unknown) => {
        const done = confirmed();
        const missing = ledger.accepted.filter((key) => !done.has(key));
        throw new Error(
          `${missing.length} of ${ledger.accepted.length} accepted orders are not confirmed in Odoo: ${missing.slice(0, 20).join(', ')}.
Dead letters: ${JSON.stringify(await deadLetters()).slice(0, 2_000)}
${nodeRed.logs().slice(-3_000)}`,
          { cause: error },
        );
      });
      const sent = new Set(ledger.lines.map(({ key }) => key));
      const own = new Map([...effects()].filter(([key]) => sent.has(key)));
      assert.deepEqual(ledger.violations({ effects: own }), []);
      assert.deepEqual(await deadLetters(), [], 'nothing that can be delivered ends as a dead letter');
      const chain = await ask<{ kind: string }>('audit/verify', {});
      assert.equal(chain.kind, 'intact', JSON.stringify(chain));
    },
    async close() {
      await nodeRed.stop();
      await odoo.close();
      await rabbitmq?.stop();
      await postgres?.stop();
    },
  };
}

/** A supplier's order, as `docs/flows/procurement.md` describes it. */
export function supplierOrder(orderNumber: string, change: Record<string, unknown> = {}): string {
  return JSON.stringify({
    orderNumber,
    orderDate: '2026-11-23T10:15:00+01:00',
    currency: 'EUR',
    supplier: { code: 'ACME' },
    deliverTo: { siteCode: 'WH' },
    lines: [
      {
        lineNo: 1,
        sku: 'GLOVE-M',
        description: 'Gloves, nitrile, M',
        qty: '10',
        unit: 'EA',
        unitPrice: '4.20',
        needBy: '2026-12-01',
      },
      {
        lineNo: 2,
        sku: 'SYR-10',
        description: 'Syringe 10 ml',
        qty: '200',
        unit: 'EA',
        unitPrice: '0.1',
        needBy: '2026-12-01',
      },
    ],
    note: 'Deliver to the goods-in dock before noon.',
    ...change,
  });
}

/** The message id under which an order is posted: the same for every repetition. */
export const messageId = (orderNumber: string) => `msg_${orderNumber}`;

export const orderPost = (orderNumber: string) => ({ id: messageId(orderNumber), body: supplierOrder(orderNumber) });
