/** A subscription with a connection of its own, against a broker that refuses what it is told to. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { ChannelModel } from 'amqplib';
import { DeliveryRegistry } from '../../nodes/amqp/engines/delivery-registry.ts';
import { type BrokerReference, type ConsumerHost, RabbitConsumer } from '../../nodes/amqp/engines/rabbitmq/consumer.ts';
import { until } from './engines.ts';

class RefusingChannel extends EventEmitter {
  closed = 0;
  async prefetch(): Promise<void> {
    throw new Error('no prefetch');
  }
  async close(): Promise<void> {
    this.closed++;
  }
}

for (const [what, createChannel] of [
  ['a channel', async () => Promise.reject(new Error('no channel'))],
  ['the prefetch', async () => new RefusingChannel()],
] as const) {
  test(`a connection of its own on which ${what} is refused is closed`, async () => {
    const open = new Set<object>();
    const troubles: string[] = [];
    const host: ConsumerHost = {
      model: {} as ChannelModel,
      registry: new DeliveryRegistry<BrokerReference>(),
      redeclare: async () => undefined,
      incoming: () => assert.fail('nothing is delivered'),
      report: (_, trouble) => {
        if (trouble !== undefined) troubles.push(trouble.message);
      },
      subscribe: (_, work) => work(),
      alone: async () => {
        const model = { createChannel, close: async () => void open.delete(model) };
        open.add(model);
        return model as unknown as ChannelModel;
      },
      handBack: async () => undefined,
      forget: () => undefined,
    };
    const consumer = new RabbitConsumer(host, { queue: 'q', prefetch: 1 }, () => undefined);
    consumer.start();
    await until('it is refused twice', () => troubles.length >= 2);
    await consumer.close();
    assert.equal(open.size, 0);
  });
}
