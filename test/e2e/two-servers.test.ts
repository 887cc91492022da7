/** Two Node-REDs with the same flow on one RabbitMQ and one PostgreSQL: work is shared, and one of them may die. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { Ledger } from './ledger.ts';
import { deliver, inParallel } from './sender.ts';
import { orderPost, type Stack, startStack } from './stack.ts';

const orders = Number(process.env.HEALTHFLOWS_SHARED_ORDERS ?? 400);

describe('two Node-REDs on one RabbitMQ and one PostgreSQL', () => {
  let stack: Stack;
  let second: NodeRed;
  before(async () => {
    stack = await startStack({ engines: 'servers' });
    second = await stack.another();
  });
  after(async () => {
    await second?.stop();
    await stack?.close();
  });

  /** Orders that a Node-RED has taken from the queue, by its own metrics. */
  async function taken(nodeRed: NodeRed): Promise<number> {
    const text = await (await nodeRed.admin('/healthflows/metrics')).text();
    const counts = text.matchAll(/^messaging_client_consumed_messages_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  it('share the work; one is killed, and nothing is lost, nothing is done twice', async () => {
    const ledger = new Ledger();
    // A load balancer sends to whoever is alive.
    const alive = [stack.nodeRed, second];
    const url = (index: number) => `${alive[index % alive.length]!.url}/procurement/orders`;
    let killed: Promise<unknown> | undefined;
    const kill = async () => {
      const shares = await Promise.all([taken(stack.nodeRed), taken(second)]);
      assert.ok(
        shares.every((share) => share > 0),
        `taken: ${shares.join(' and ')}`,
      );
      alive.length = 1;
      await second.kill('SIGKILL');
    };
    await inParallel(
      Array.from({ length: orders }, (_, index) => `T-${index}`),
      16,
      async (key, index) => {
        if (index === Math.floor(orders / 2)) {
          await waitUntil(
            'both have taken orders',
            async () => (await taken(stack.nodeRed)) > 0 && (await taken(second)) > 0,
          );
          killed ??= kill();
        }
        while ((await deliver(url(index), key, orderPost(key), ledger, { tries: 1 })).status !== 202) await sleep(50);
      },
    );
    await killed;
    await stack.assertDelivered(ledger);
    assert.equal(ledger.accepted.length, orders);
  });
});
