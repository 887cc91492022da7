/**
 * A first deploy on an empty broker or store, with a sender who does not wait for it: exchanges, queues and bindings
 * are not there yet when the first order comes.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { amqpConnection } from '../../nodes/amqp/index.ts';
import { post, webhookSecret } from '../e2e/sender.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { amqpUrl, deleteFromBroker, uniquePrefix, until } from './engines.ts';
import { LinkProxy } from './proxy.ts';

const engines = [
  { title: 'embedded', engine: 'embedded', skip: false },
  { title: 'RabbitMQ', engine: 'rabbitmq', skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false },
] as const;

/** Milliseconds that a byte to the broker is on its way: declaring a queue with its retry ladder takes seconds then. */
const distance = 150;
const queues = ['orders', 'journal', 'checked'];
const orders = 20;

for (const { title, engine, skip } of engines) {
  describe(`A first deploy on ${title}`, { skip }, () => {
    /** By queue, the ids of the events that its consumer got. */
    const seen: Record<string, string[]> = {};
    const namespaces: string[] = [];
    let red: EmbeddedNodeRed;
    let link: { proxy: LinkProxy; url: string } | undefined;

    before(async () => {
      if (engine === 'rabbitmq') {
        link = await LinkProxy.of(amqpUrl!);
        link.proxy.delay(distance);
      }
      red = await embedNodeRed({ settings: { functionGlobalContext: { seen } } });
    });
    after(async () => {
      await red?.stop();
      await link?.proxy.close();
      for (const namespace of engine === 'rabbitmq' ? namespaces : []) {
        const all = queues.flatMap((name) => [name, `${name}.dead`, `${name}.retry.1s`, `${name}.retry.5s`]);
        await deleteFromBroker(
          amqpUrl!,
          all.map((name) => `${namespace}.${name}`),
          [`${namespace}.events`],
        );
      }
    });

    function flows(namespace: string, guarantee: string): FlowNode[] {
      for (const name of queues) seen[name] = [];
      const amqp = { connection: 'amqp', configVersion: 1 };
      const consume = (name: string, z: string, bindings: string, next: string): FlowNode[] => [
        {
          id: name,
          z,
          type: 'amqp-consume',
          ...amqp,
          queue: name,
          bindings,
          steps: '1s 5s',
          wires: [[`${name}-seen`]],
        },
        {
          id: `${name}-seen`,
          z,
          type: 'function',
          func: `global.get('seen').${name}.push(msg.event.type + ' ' + msg.event.correlationid); return msg;`,
          outputs: 1,
          libs: [],
          wires: [[next]],
        },
      ];
      const settle = (id: string, z: string, next: string[]): FlowNode[] => [
        { id, z, type: 'settle', outcome: 'auto', configVersion: 1, wires: [next] },
        { id: `${id}-catch`, z, type: 'catch', scope: null, wires: [[id]] },
      ];
      return [
        { id: 'intake', type: 'tab', label: 'intake' },
        { id: 'work', type: 'tab', label: 'work' },
        { id: 'later', type: 'tab', label: 'later' },
        { id: 'store', type: 'integration-store', engine: 'sqlite', file: `${namespace}.sqlite`, configVersion: 1 },
        {
          id: 'amqp',
          type: 'amqp-connection',
          engine,
          url: link?.url ?? '',
          namespace,
          store: 'store',
          configVersion: 1,
        },
        {
          id: 'webhook',
          z: 'intake',
          type: 'webhook-verifier',
          url: `/${namespace}/orders`,
          configVersion: 1,
          keys: [{ id: 'k', slot: 1 }],
          credentials: { secret1: webhookSecret },
          wires: [['publish'], []],
        },
        {
          id: 'publish',
          z: 'intake',
          type: 'amqp-publish',
          ...amqp,
          routingKey: 'order.placed',
          routingKeyType: 'str',
          guarantee,
          wires: [['reply']],
        },
        { id: 'reply', z: 'intake', type: 'http response', statusCode: '', headers: {}, wires: [] },
        ...settle('refuse', 'intake', ['reply']),
        ...consume('orders', 'work', 'order.#', 'inner'),
        {
          id: 'inner',
          z: 'work',
          type: 'function',
          func: `msg.event = { id: 'c-' + msg.event.id, source: '/flow', type: 'inner.checked', correlationid: msg.event.correlationid }; return msg;`,
          outputs: 1,
          libs: [],
          wires: [['publish-inner']],
        },
        {
          id: 'publish-inner',
          z: 'work',
          type: 'amqp-publish',
          ...amqp,
          routingKey: 'inner.checked',
          routingKeyType: 'str',
          guarantee,
          wires: [['done']],
        },
        ...settle('done', 'work', []),
        ...consume('journal', 'later', '#', 'noted'),
        ...consume('checked', 'later', 'inner.#', 'noted'),
        ...settle('noted', 'later', []),
      ];
    }

    const cases = [
      { guarantee: 'confirmed', beside: false },
      { guarantee: 'confirmed', beside: true },
      { guarantee: 'outbox', beside: true },
    ];
    for (const { guarantee, beside } of cases) {
      const where = beside ? 'beside a connection that is up' : 'on nothing';
      test(`${guarantee}, ${where}: every queue gets what was posted meanwhile, and nobody is told 500`, async () => {
        const namespace = uniquePrefix();
        namespaces.push(namespace);
        const all = flows(namespace, guarantee);
        if (beside) {
          await red.setFlows(all.filter(({ type }) => /^(tab|integration-store|amqp-connection)$/.test(type)));
          const { serviceOf } = (await import(
            new URL('../../dist/node/index.js', import.meta.url).href
          )) as typeof import('../../nodes/node/index.ts');
          await until('it is up', () => serviceOf(red.RED, amqpConnection, 'amqp')?.state.kind === 'ready');
        }
        const statuses: number[] = [];
        const send = async (id: string) => {
          for (;;) {
            const { status } = await post(`${red.url}/${namespace}/orders`, { id, body: '{"order": 1}' });
            // Before the deploy there is no such address.
            if (status !== 404) statuses.push(status);
            if (status === 202) return;
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        };
        const ids = Array.from({ length: orders }, (_, number) => `o-${number}`);
        const sent = Promise.all(ids.map(send));
        await red.setFlows(all, beside ? 'nodes' : 'full');
        await sent;
        assert.deepEqual(
          [...new Set(statuses)].filter((status) => status !== 202 && status !== 503),
          [],
        );
        const placed = ids.map((id) => `webhook.received ${id}`);
        const checked = ids.map((id) => `inner.checked ${id}`);
        const whole = { orders: placed, journal: [...placed, ...checked], checked };
        for (const [name, expected] of Object.entries(whole)) {
          await until(`${name} got all`, () => expected.every((event) => seen[name]!.includes(event)), 60_000).catch(
            () => undefined,
          );
          assert.deepEqual([...new Set(seen[name])].sort(), [...expected].sort(), `queue ${name}`);
        }
        const complaints = red.log.filter(({ msg }) => /AMQP_(UNROUTABLE|NO_EXCHANGE)/.test(String(msg)));
        assert.deepEqual(complaints, []);
      });
    }
  });
}
