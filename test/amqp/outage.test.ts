/** Odoo is down: consumers of flows that end there wait for it, and no message pays for the outage with its tries. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Now } from '../../nodes/console/now.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { amqpUrl, deleteFromBroker, uniquePrefix, until } from './engines.ts';

const engines = [
  { title: 'embedded', engine: 'embedded', skip: false },
  { title: 'RabbitMQ', engine: 'rabbitmq', skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false },
] as const;

const messages = 40;

for (const { title, engine, skip } of engines) {
  describe(`Odoo down behind a consumer on ${title}`, { skip }, () => {
    let red: EmbeddedNodeRed;
    let odoo: SandboxOdoo;
    const namespace = uniquePrefix();
    const statuses = new Map<string, string>();

    before(async () => {
      red = await embedNodeRed();
      odoo = await startSandboxOdoo();
      red.RED.events.on(
        'node-status',
        ({ id, status }: { id: string; status: { fill?: string; shape?: string; text?: string } }) =>
          statuses.set(id, `${status.fill} ${status.shape} ${status.text}`),
      );
    });
    after(async () => {
      await red?.stop();
      await odoo?.close();
      if (engine === 'rabbitmq') {
        const queues = ['q', 'q.dead', 'q.retry.100ms', 'q.retry.200ms'].map((name) => `${namespace}.${name}`);
        await deleteFromBroker(amqpUrl!, queues, [`${namespace}.events`]);
      }
    });

    const flow = (consume: Partial<FlowNode> = {}): FlowNode[] => [
      { id: 'tab', type: 'tab', label: 'outage' },
      { id: 'store', type: 'integration-store', engine: 'sqlite', file: `${namespace}.sqlite` },
      { id: 'amqp', type: 'amqp-connection', engine, url: amqpUrl ?? '', namespace, store: 'store' },
      {
        id: 'odoo',
        type: 'odoo-server',
        name: 'Odoo test',
        url: odoo.url,
        database: odoo.database,
        attempts: 1,
        breakerPause: 0.2,
        credentials: { apiKey: apiKeys.bot },
      },
      { id: 'publish', z: 'tab', type: 'amqp-publish', connection: 'amqp', wires: [[]] },
      {
        id: 'consume',
        z: 'tab',
        type: 'amqp-consume',
        connection: 'amqp',
        queue: 'q',
        bindings: 'order.#',
        prefetch: 4,
        attempts: 4,
        steps: '100ms 200ms',
        wires: [['work']],
        ...consume,
      },
      // Behind a link, as flows of several tabs are.
      { id: 'work', z: 'tab', type: 'link out', mode: 'link', links: ['in'], wires: [] } as unknown as FlowNode,
      { id: 'in', z: 'tab', type: 'link in', links: ['work'], wires: [['rpc']] } as unknown as FlowNode,
      {
        id: 'rpc',
        z: 'tab',
        type: 'odoo-rpc',
        server: 'odoo',
        operation: 'upsert',
        model: 'res.partner',
        wires: [['settle']],
      },
      { id: 'settle', z: 'tab', type: 'settle', outcome: 'auto', wires: [[]] },
      { id: 'catch', z: 'tab', type: 'catch', scope: ['rpc'], wires: [['settle']] } as unknown as FlowNode,
    ];

    const publish = (n: number) =>
      red.node('publish').receive({
        payload: { externalId: `hf_outage.p_${n}`, values: { name: `Partner ${n}`, ref: `OUT-${n}` } },
        event: { id: `e-${n}`, source: '/outage', type: 'order.new' },
      });
    const arrived = () => odoo.records('res.partner').filter(({ ref }) => String(ref).startsWith('OUT-')).length;
    const opened = () => red.log.filter(({ msg }) => /"event":"breaker".*"open"/.test(String(msg))).length;
    const queueNow = async () => {
      const response = await fetch(`${red.url}/healthflows/console/api/now`);
      const now = (await response.json()) as Now;
      return now.flows.flatMap(({ queues }) => queues).find(({ queue }) => queue === `${namespace}.q`);
    };

    test('an outage longer than all tries together costs no message more than two, and none its life', async () => {
      await red.setFlows(flow());
      const tries: number[] = [];
      red.node('in').on('input', (message) => tries.push((message as FlowMessage).delivery!.attempt));
      publish(0);
      await until('a first one went through', () => arrived() === 1);
      tries.length = 0;

      await odoo.down();
      for (let n = 1; n <= messages; n++) publish(n);
      await until('the consumer waits', () => statuses.get('consume') === 'yellow ring waits: Odoo test is down');
      const spent = tries.length;
      // Probed in vain for longer than four tries with 200 ms between would have lasted.
      await until('it was probed in vain', () => opened() >= 4);
      assert.ok(tries.length - spent <= 4, `${tries.length - spent} went into the flow while it waited`);
      assert.equal((await queueNow())?.held, 'waits: Odoo test is down');

      await odoo.up();
      await until('all are in Odoo', () => arrived() === messages + 1);
      await until('the consumer works', () => /^green dot/.test(statuses.get('consume') ?? ''));
      assert.equal((await queueNow())?.held, null);
      assert.ok(Math.max(...tries) <= 3, `a message needed ${Math.max(...tries)} tries`);
      const amqp = await queueNow();
      assert.equal(amqp?.ready, 0);
      assert.equal(tries.length, messages + tries.filter((attempt) => attempt > 1).length);
    });

    test('a system that a person took out of service is not called down, and the consumer names the person', async () => {
      const { dependency } = (await import(
        new URL('../../dist/kernel/resilience/dependencies.js', import.meta.url).href
      )) as typeof import('../../nodes/kernel/resilience/dependencies.ts');
      const system = dependency('odoo')!;
      system.isolate('ward.operator');
      const told = 'waits: Odoo test is out of service, by ward.operator';
      try {
        await until('the consumer says so', () => statuses.get('consume') === `yellow ring ${told}`);
        // The page's figures are up to a second old.
        await until('the page says so', async () => (await queueNow())?.held === told);
      } finally {
        system.release();
      }
      await until('the consumer works', () => /^green dot/.test(statuses.get('consume') ?? ''));
    });

    test('a consumer that is deployed during an outage waits from the start', async () => {
      await odoo.down();
      for (let n = 100; n < 110; n++) publish(n);
      await until('the consumer waits', () => /waits/.test(statuses.get('consume') ?? ''));
      statuses.clear();
      // Credentials in a deploy restart their node, and a new odoo-server has yet to learn of the outage.
      const kept = flow({ concurrency: 2 }).map(({ credentials: _kept, ...node }) => node as FlowNode);
      await red.setFlows(kept, 'nodes');
      const tries: unknown[] = [];
      red.node('in').on('input', (message) => tries.push(message));
      await until('the new one waits too', () => /waits/.test(statuses.get('consume') ?? ''));
      await until('it was probed again', () => opened() >= 1);
      assert.equal(tries.length, 0);
      await odoo.up();
      await until('all are in Odoo', () => arrived() === messages + 11);
    });
  });
}
