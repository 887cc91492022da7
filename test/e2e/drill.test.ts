/**
 * A drill: 1,000 messages through the real runtime, with one fault of each class on the way, a real Prometheus that
 * scrapes it, and the console as the operator sees it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { waitUntil } from '../support/processes.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { inParallel, post } from './sender.ts';
import { messageId, procurementFlow, type Stack, startStack, supplierOrder } from './stack.ts';

const perFault = 200;

interface Group {
  class: string;
  code: string;
  total: number;
}
interface FoundMessage {
  id: string;
  outcome: string;
  failure: { class: string } | null;
}

describe('drill: one fault of each class', { timeout: 600_000 }, () => {
  let stack: Stack;
  let prometheus: Prometheus;
  /** Class that each order ought to be seen under. */
  const expected = new Map<string, string>();
  /** Seconds since the epoch at which each part began. */
  const began = new Map<string, number>();
  let sentSoFar = 0;

  before(async () => {
    stack = await startStack({
      engines: 'embedded',
      // A letter after two tries, so that a fault that lasts shows in the dead letters too.
      flows: procurementFlow().map((node) => (node.type === 'amqp-consume' ? { ...node, attempts: 2 } : node)),
    });
    prometheus = await startPrometheus(`127.0.0.1:${stack.nodeRed.port}`);
    await waitUntil('the first scrapes are there', async () => (await prometheus.query('up == 1')).length > 0);
  });
  after(async () => {
    await prometheus?.stop();
    await stack?.close();
  });

  /** Posts orders; all are accepted, whatever is wrong further on. */
  async function send(name: string, change: (i: number) => Record<string, unknown> = () => ({})): Promise<string[]> {
    const numbers = Array.from({ length: perFault }, (_, i) => `${name}-${i}`);
    began.set(name, Date.now() / 1000);
    await inParallel(numbers, 16, async (number, i) => {
      const reply = await post(stack.ordersUrl, { id: messageId(number), body: supplierOrder(number, change(i)) });
      assert.equal(reply.status, 202, `${number}: ${reply.body}`);
    });
    sentSoFar += perFault;
    return numbers;
  }
  const expectClass = (numbers: string[], name: string) => {
    for (const number of numbers) expected.set(messageId(number), name);
  };
  const causes = () => stack.console<Group[]>('groups?closed=true');
  /** Every order that was sent stands in Odoo or in the dead letters. */
  const ended = () =>
    waitUntil(
      'every order has come to its end',
      async () => {
        const letters = (await causes()).reduce((sum, { total }) => sum + total, 0);
        return stack.confirmed().size + letters >= sentSoFar;
      },
      240_000,
      500,
    );
  const quiet = () =>
    waitUntil('no alert fires any more', async () => (await prometheus.firing()).length === 0, 120_000, 500);
  const fires = (alert: string, labels: Record<string, string> = {}) =>
    waitUntil(
      `${alert} fires`,
      async () =>
        (await prometheus.firing()).some(
          (one) => one.alertname === alert && Object.entries(labels).every(([name, value]) => one[name] === value),
        ),
      120_000,
      500,
    );

  test('the usual raises no alert', async () => {
    await send('HEALTHY');
    await ended();
    assert.equal(stack.confirmed().size, perFault);
    assert.deepEqual(await prometheus.episodes(), []);
  });

  test('bad data', async () => {
    const sent = await send('BAD', (i) => ({ supplier: { code: `NOBODY-${i}` } }));
    expectClass(sent, 'data-quality');
    await fires('HealthflowsDeadLetters', { class: 'data-quality' });
    await ended();
    await quiet();
  });

  test('Odoo down', async () => {
    stack.odoo.faults.set({ kind: 'refuse' });
    const sent = await send('DOWN');
    expectClass(sent, 'dependency-outage');
    await fires('HealthflowsDependencyDown', { dependency: 'Odoo' });
    const now = await stack.console<{ flows: { queues: { held: string | null }[] }[] }>('now');
    assert.ok(
      now.flows.some(({ queues }) => queues.some(({ held }) => held !== null)),
      'the console says why nothing is taken',
    );
    stack.odoo.faults.clear();
    await ended();
    const done = stack.confirmed();
    assert.ok(
      sent.every((number) => done.has(number)),
      'an outage costs no letter: what is held goes in when Odoo is back',
    );
    await quiet();
  });

  test('a revoked key', async () => {
    stack.odoo.faults.set({ kind: 'key-expired' });
    const sent = await send('KEY');
    expectClass(sent, 'policy-rejection');
    await fires('HealthflowsDeadLetters', { class: 'policy-rejection' });
    await ended();
    stack.odoo.faults.clear();
    await quiet();
  });

  test('overload', async () => {
    stack.odoo.faults.set({ kind: 'status', status: 429, retryAfter: 1 });
    const sent = await send('BUSY');
    expectClass(sent, 'saturation');
    await fires('HealthflowsRetriesHigh', { class: 'saturation' });
    stack.odoo.faults.clear();
    await ended();
    await quiet();
  });

  test('the console puts at least 99 % of what failed under the right class, and each cause is one', async () => {
    const seen = { right: 0, wrong: [] as string[] };
    await inParallel([...expected], 8, async ([id, wanted]) => {
      const { messages } = await stack.console<{ messages: FoundMessage[] }>(`messages?text=${id}`);
      const shown = messages.find((message) => message.id === id);
      assert.ok(shown !== undefined, `the console does not find ${id}`);
      // What was held while Odoo was away has not failed.
      if (shown.failure === null) return;
      if (shown.failure.class === wanted) seen.right++;
      else seen.wrong.push(`${id}: ${shown.failure.class}`);
    });
    console.log(`${seen.right} of ${seen.right + seen.wrong.length} failed messages under the right class`);
    const failed = seen.right + seen.wrong.length;
    assert.ok(failed > 2 * perFault, `only ${failed} messages failed`);
    assert.ok(seen.right / failed >= 0.99, seen.wrong.join('\n'));
    const found = await causes();
    const byClass = (name: string) => found.filter((group) => group.class === name);
    assert.deepEqual(
      ['data-quality', 'policy-rejection'].map((name) => byClass(name).map(({ total }) => total)),
      [[perFault], [perFault]],
      JSON.stringify(found),
    );
    assert.deepEqual(byClass('dependency-outage'), []);
    // Those whose two tries fell into the overload.
    assert.ok(byClass('saturation').length <= 1, JSON.stringify(found));
  });

  test('each alert fired once in its part, and none that has no reason', async () => {
    const episodes = await prometheus.episodes();
    const part = (from: number) => [...began].findLast(([, at]) => at <= from)?.[0];
    const fired = episodes.map(({ alert, labels, from }) => `${part(from)} ${alert} ${labels.class ?? ''}`.trim());
    const reasons: Record<string, RegExp> = {
      BAD: /^BAD Healthflows(SuccessRateLow|DeadLetters data-quality)$/,
      DOWN: /^DOWN Healthflows(DependencyDown|BacklogGrowing)$/,
      KEY: /^KEY Healthflows(SuccessRateLow|DeadLetters policy-rejection)$/,
      BUSY: /^BUSY Healthflows(SuccessRateLow|BacklogGrowing|RetryBudgetSpent|(RetriesHigh|DeadLetters) saturation)$/,
    };
    for (const one of fired) assert.match(one, reasons[one.split(' ')[0]!] ?? /never/);
    assert.deepEqual(fired, [...new Set(fired)], 'an alert that clears and comes again is a second page at night');
    for (const wanted of [
      'BAD HealthflowsDeadLetters data-quality',
      'BAD HealthflowsSuccessRateLow',
      'DOWN HealthflowsDependencyDown',
      'KEY HealthflowsDeadLetters policy-rejection',
      'BUSY HealthflowsRetriesHigh saturation',
    ]) {
      assert.ok(fired.includes(wanted), `${wanted} did not fire: ${fired.join(', ')}`);
    }
  });
});
