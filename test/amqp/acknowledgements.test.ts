/** The acknowledgements of a channel: few on the wire, and never one for what is not settled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConsumeMessage } from 'amqplib';
import { Acknowledgements } from '../../nodes/amqp/engines/rabbitmq/acknowledgements.ts';

/** A broker's side of a channel: what it still holds, by delivery tag, and what it was told. */
function channel(count: number) {
  const held = new Set(Array.from({ length: count }, (_, index) => index + 1));
  const told: string[] = [];
  const take = (tag: number, all: boolean) => {
    if (!held.has(tag)) throw new Error(`unknown delivery tag ${tag}`);
    for (const each of [...held]) if (each === tag || (all && each < tag)) held.delete(each);
  };
  return {
    held,
    told,
    closed: false,
    ack(this: { closed: boolean }, { fields }: ConsumeMessage, all = false) {
      if (this.closed) throw new Error('Channel closed');
      take(fields.deliveryTag, all);
      told.push(`ack ${fields.deliveryTag}${all ? ' and all before' : ''}`);
    },
    nack({ fields }: ConsumeMessage) {
      take(fields.deliveryTag, false);
      told.push(`nack ${fields.deliveryTag}`);
    },
  };
}

const message = (deliveryTag: number) => ({ fields: { deliveryTag } }) as ConsumeMessage;
const turn = () => new Promise(setImmediate);

function delivered(count: number) {
  const broker = channel(count);
  const acknowledgements = new Acknowledgements(broker);
  for (let tag = 1; tag <= count; tag++) acknowledgements.delivered(message(tag));
  return { broker, acknowledgements };
}

test('what is settled in one turn without a gap is acknowledged with one frame', async () => {
  const { broker, acknowledgements } = delivered(5);
  for (const tag of [2, 1, 3]) acknowledgements.ack(message(tag));
  assert.deepEqual(broker.told, []);
  await turn();
  assert.deepEqual(broker.told, ['ack 3 and all before']);
  assert.deepEqual([...broker.held], [4, 5]);
});

test('a delivery that is open is never acknowledged by those behind it', async () => {
  const { broker, acknowledgements } = delivered(5);
  for (const tag of [1, 3, 5]) acknowledgements.ack(message(tag));
  await turn();
  assert.deepEqual(broker.told, ['ack 1', 'ack 3', 'ack 5']);
  assert.deepEqual([...broker.held], [2, 4]);
  acknowledgements.ack(message(2));
  acknowledgements.ack(message(2));
  acknowledgements.ack(message(4));
  await turn();
  assert.deepEqual(broker.told.slice(3), ['ack 4 and all before']);
  assert.equal(broker.held.size, 0);
});

test('one that goes back to its queue is not acknowledged with the others', async () => {
  const { broker, acknowledgements } = delivered(3);
  acknowledgements.ack(message(1));
  acknowledgements.nack(message(2));
  acknowledgements.ack(message(3));
  await turn();
  assert.deepEqual(broker.told, ['nack 2', 'ack 3 and all before']);
  assert.equal(broker.held.size, 0);
});

test('in any order of settling everything settled is acknowledged, and nothing else', async () => {
  const count = 300;
  const { broker, acknowledgements } = delivered(count);
  const open = new Set<number>();
  const tags = Array.from({ length: count }, (_, index) => index + 1).sort(() => Math.random() - 0.5);
  for (const [index, tag] of tags.entries()) {
    if (index % 7 === 0) open.add(tag);
    else acknowledgements.ack(message(tag));
    if (index % 11 === 0) await turn();
  }
  await turn();
  assert.deepEqual(new Set(broker.held), open);
});

test('before a channel closes what is settled is sent at once; after that nothing is', async () => {
  const { broker, acknowledgements } = delivered(2);
  acknowledgements.ack(message(1));
  acknowledgements.flush();
  assert.deepEqual(broker.told, ['ack 1']);
  broker.closed = true;
  acknowledgements.ack(message(2));
  await turn();
  assert.deepEqual(broker.told, ['ack 1']);
});
