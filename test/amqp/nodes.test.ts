/** The messaging nodes in a real Node-RED, on both engines. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { DeadLetterFacts } from '../../nodes/amqp/index.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { amqpUrl, deleteFromBroker, uniquePrefix, until } from './engines.ts';

const engines = [
  { title: 'embedded', engine: 'embedded', skip: false },
  { title: 'RabbitMQ', engine: 'rabbitmq', skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false },
] as const;

const exactSteps = '200ms 1s';
const order = { order: '1001', quantity: '10' };

for (const { title, engine, skip } of engines) {
  describe(`Messaging nodes on ${title}`, { skip }, () => {
    let red: EmbeddedNodeRed;
    let namespace: string;

    before(async () => {
      red = await embedNodeRed();
    });
    after(async () => {
      await red?.stop();
      if (engine === 'rabbitmq') {
        for (const each of namespaces) {
          const queues = ['q', 'q.dead', 'q.retry.200ms', 'q.retry.1s'].map((name) => `${each}.${name}`);
          await deleteFromBroker(amqpUrl!, queues, [`${each}.events`]);
        }
      }
    });
    const namespaces: string[] = [];
    beforeEach(() => {
      namespace = uniquePrefix();
      namespaces.push(namespace);
    });

    const flow = (more: Record<string, Partial<FlowNode>> = {}): FlowNode[] => [
      { id: 'tab', type: 'tab', label: 'messaging' },
      { id: 'store', type: 'integration-store', engine: 'sqlite', file: `${namespace}.sqlite`, configVersion: 1 },
      {
        id: 'amqp',
        type: 'amqp-connection',
        engine,
        url: amqpUrl ?? '',
        namespace,
        store: 'store',
        configVersion: 1,
      },
      {
        id: 'publish',
        z: 'tab',
        type: 'amqp-publish',
        connection: 'amqp',
        configVersion: 1,
        wires: [['accepted']],
        ...more.publish,
      },
      { id: 'accepted', z: 'tab', type: 'junction', wires: [[]] },
      {
        id: 'consume',
        z: 'tab',
        type: 'amqp-consume',
        connection: 'amqp',
        queue: 'q',
        bindings: 'order.#',
        steps: exactSteps,
        configVersion: 1,
        wires: [['work']],
        ...more.consume,
      },
      { id: 'work', z: 'tab', type: 'junction', wires: [[]] },
      { id: 'settle', z: 'tab', type: 'settle', outcome: 'auto', configVersion: 1, wires: [['settled']] },
      { id: 'settled', z: 'tab', type: 'junction', wires: [[]] },
      { id: 'catch', z: 'tab', type: 'catch', scope: ['publish', 'consume', 'settle'], wires: [['caught']] },
      { id: 'caught', z: 'tab', type: 'junction', wires: [[]] },
    ];

    const event = () => ({ id: `e-${Math.random().toString(36).slice(2)}`, source: '/supplier', type: 'order.placed' });

    async function settleWith(message: Record<string, unknown>): Promise<void> {
      const settled = red.receive('settled');
      red.node('settle').receive(message);
      await settled;
    }

    for (const guarantee of ['outbox', 'confirmed']) {
      test(`what is published with guarantee ${guarantee} comes out of the queue and is settled`, async () => {
        await red.setFlows(flow({ publish: { guarantee } }));
        const sent = event();
        const [accepted, arrived] = [red.receive('accepted'), red.receive('work')];
        red.node('publish').receive({ payload: order, event: { ...sent, subject: '1001' }, res: {} });
        const [reply] = (await accepted) as FlowMessage[];
        assert.equal(reply!.statusCode, 202);
        assert.deepEqual(JSON.parse(String(reply!.payload)), {
          status: 'accepted',
          id: sent.id,
          correlationId: sent.id,
        });
        const [message] = (await arrived) as FlowMessage[];
        assert.deepEqual(message!.payload, order);
        const { id, source, type, subject, correlationid, traceparent } = message!.event!;
        assert.deepEqual(
          { id, source, type, subject, correlationid },
          { ...sent, subject: '1001', correlationid: sent.id },
        );
        assert.match(traceparent!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
        const { connection, queue, attempt, redelivered } = message!.delivery!;
        assert.deepEqual(
          { connection, queue, attempt, redelivered },
          { connection: 'amqp', queue: `${namespace}.q`, attempt: 1, redelivered: false },
        );
        await settleWith(message!);
      });
    }

    test('a message without event attributes is published as an event of its own', async () => {
      await red.setFlows(flow({ publish: { routingKey: 'order.plain', routingKeyType: 'str' } }));
      const arrived = red.receive('work');
      red.node('publish').receive({ payload: order });
      const [message] = (await arrived) as FlowMessage[];
      assert.deepEqual(message!.payload, order);
      assert.equal(message!.event!.type, 'order.plain');
      await settleWith(message!);
    });

    test('a failure that may be retried comes back later, as the next try, with the same event', async () => {
      await red.setFlows(flow());
      let arrived = red.receive('work');
      red.node('publish').receive({ payload: order, event: event() });
      for (const attempt of [1, 2, 3]) {
        const [message] = (await arrived) as FlowMessage[];
        assert.equal(message!.delivery!.attempt, attempt);
        const failed = { class: 'dependency-outage', code: 'ODOO_DOWN', retryable: true, message: 'Odoo is down.' };
        if (attempt < 3) {
          arrived = red.receive('work');
          await settleWith({ ...message, failure: failed });
        } else await settleWith(message!);
      }
    });

    test('bad data goes to the dead letters at once, with cause and origin', async () => {
      await red.setFlows(flow());
      const arrived = red.receive('work');
      const sent = event();
      red.node('publish').receive({ payload: order, event: sent });
      const [message] = await arrived;
      await settleWith({
        ...message,
        failure: { class: 'data-quality', code: 'NO_ITEM', retryable: false, message: 'The order has no item.' },
      });
      const facts = await deadLetter();
      assert.equal(facts.id, sent.id);
      assert.equal(facts.failure.code, 'NO_ITEM');
      assert.equal(facts.originQueue, `${namespace}.q`);
      assert.equal(facts.originRoutingKey, 'order.placed');
    });

    test('a body that is not what it says goes to the dead letters byte for byte, and Catch nodes hear of it', async () => {
      await red.setFlows(flow());
      red.node('publish').receive({ payload: '{"a":', event: { ...event(), datacontenttype: 'application/json' } });
      const facts = await deadLetter();
      assert.equal(facts.body, '{"a":');
      assert.deepEqual([facts.failure.class, facts.failure.code], ['data-quality', 'JSON_SYNTAX']);
      assert.ok(red.log.some(({ msg }) => String(msg).includes('JSON_SYNTAX')));
    });

    for (const type of ['full', 'nodes'] as const) {
      test(`what is in the flow during a deploy of type ${type} is delivered again`, async () => {
        await red.setFlows(flow());
        const first = red.receive('work', 3);
        const ids = [event(), event(), event()].map((each) => {
          red.node('publish').receive({ payload: order, event: each });
          return each.id;
        });
        await first;
        // The deploy replaces the node that holds the messages.
        const changed = flow().map((node) => (node.id === 'work' ? { ...node, name: 'changed' } : node));
        await red.setFlows(changed, type);
        const again = (await red.receive('work', 3)) as unknown as FlowMessage[];
        assert.deepEqual(again.map((message) => message.event!.id).sort(), ids.sort());
        for (const message of again) {
          assert.equal(message.delivery!.attempt, 1);
          await settleWith(message);
        }
      });
    }

    test('messages of one key go through the flow one after the other, other keys beside them', async () => {
      await red.setFlows(flow({ consume: { orderByKey: true } }));
      const inFlow: string[] = [];
      const seen: string[] = [];
      const overlaps: string[] = [];
      red.node('work').on('input', (message) => {
        const { event: got } = message as FlowMessage;
        const key = got!.partitionkey!;
        if (inFlow.includes(key)) overlaps.push(key);
        inFlow.push(key);
        seen.push(`${key}${got!.subject}`);
        setTimeout(() => {
          inFlow.splice(inFlow.indexOf(key), 1);
          red.node('settle').receive(message);
        }, 5);
      });
      for (let i = 0; i < 10; i++) {
        for (const key of ['a', 'b', 'c']) {
          red.node('publish').receive({ payload: order, event: { ...event(), partitionkey: key, subject: String(i) } });
        }
      }
      await until('all went through', () => seen.length === 30 && inFlow.length === 0);
      assert.deepEqual(overlaps, []);
      for (const key of ['a', 'b', 'c']) {
        assert.deepEqual(
          seen.filter((each) => each.startsWith(key)),
          Array.from({ length: 10 }, (_, i) => `${key}${i}`),
        );
      }
    });

    test('concurrency bounds what is in the flow', async () => {
      await red.setFlows(flow({ consume: { concurrency: 2 } }));
      const held: FlowMessage[] = [];
      red.node('work').on('input', (message) => void held.push(message as FlowMessage));
      for (let i = 0; i < 5; i++) red.node('publish').receive({ payload: order, event: event() });
      await until('two are in the flow', () => held.length === 2);
      await settleWith(held[0]!);
      await until('the third follows', () => held.length === 3);
      for (const message of held.slice(1)) red.node('settle').receive(message);
      await until('the others follow', () => held.length === 5);
      for (const message of held.slice(3)) red.node('settle').receive(message);
    });

    test('a lease that somebody else took over meanwhile: nothing is published', async () => {
      const gate = (id: string, lease: number): FlowNode => ({
        id,
        z: 'tab',
        type: 'idempotency-gate',
        store: 'store',
        keySource: 'event',
        scope: 's',
        scopeType: 'str',
        lease,
        renew: 0,
        configVersion: 1,
        wires: [['claimed'], [], [], []],
      });
      await red.setFlows([
        ...flow(),
        gate('brief', 1),
        // Holds it for as long as the rest of the test may take.
        gate('patient', 600),
        { id: 'claimed', z: 'tab', type: 'junction', wires: [[]] },
      ]);
      const sent = event();
      const claims: FlowMessage[] = [];
      red.node('claimed').on('input', (message) => void claims.push(message as FlowMessage));
      red.node('brief').receive({ payload: order, event: sent });
      await until('the first holds the lease', () => claims.length === 1);
      await until('the lease ended and the second took over', async () => {
        red.node('patient').receive({ payload: order, event: sent });
        await new Promise((resolve) => setTimeout(resolve, 200));
        return claims.length === 2;
      });
      const caught = red.receive('caught');
      red.node('publish').receive({ ...claims[0] });
      const [refused] = (await caught) as FlowMessage[];
      assert.deepEqual([refused!.failure!.class, refused!.failure!.code], ['conflict', 'IDEMPOTENCY_LEASE_LOST']);
      const [accepted, arrived] = [red.receive('accepted'), red.receive('work')];
      red.node('publish').receive({ ...claims[1] });
      const [done] = (await accepted) as FlowMessage[];
      assert.equal(done!.idempotency, undefined, 'the key is completed, so nobody else has to');
      const [message] = await arrived;
      assert.equal((message as FlowMessage).event!.id, sent.id);
      await settleWith(message!);
    });

    /** The first letter of the queue, collected as an operator's tool would. */
    async function deadLetter(): Promise<DeadLetterFacts & { id: string; body: string }> {
      const { deadLetterOf } = await import('../../nodes/amqp/index.ts');
      return new Promise((resolve, reject) => {
        void letters((delivery) => {
          resolve({ ...deadLetterOf(delivery), id: delivery.properties.messageId, body: delivery.body.toString() });
        }).catch(reject);
      });
    }

    /** By the running connection, as the dead-letter node does. */
    async function letters(
      take: (delivery: import('../../nodes/amqp/index.ts').IncomingDelivery) => void,
    ): Promise<void> {
      const { serviceOf } = (await import(
        '../../dist/node/index.js' as string
      )) as typeof import('../../nodes/node/index.ts');
      const { amqpConnection, defaultRetryPolicy } = await import('../../nodes/amqp/index.ts');
      const service = serviceOf(red.RED, amqpConnection, 'amqp')!;
      const consumer = await service.consume(
        { queue: `${namespace}.q.dead`, prefetch: 1, policy: defaultRetryPolicy },
        (delivery) => {
          void service.settle(delivery.handle, { kind: 'done' }).then(() => consumer.close());
          take(delivery);
        },
      );
    }
  });
}
