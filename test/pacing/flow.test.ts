/** Debounce and sequence in a real Node-RED behind a real queue: what waits is in the queue, what failed is a letter. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import type { LetterPage } from '../../nodes/settlement/index.ts';
import { amqpUrl, deleteFromBroker, uniquePrefix } from '../amqp/engines.ts';
import { waitUntil } from '../support/processes.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';

/** Fails while the document says so. */
const work = `if (msg.payload.fails && !global.get('mended')) { node.error('refused', msg); return null; } return msg;`;

const lane = (queue: string, pacer: FlowNode): FlowNode[] => [
  {
    id: `${queue}-consume`,
    z: 'tab',
    type: 'amqp-consume',
    connection: 'amqp',
    queue,
    bindings: `${queue}.#`,
    steps: '1s 2s',
    concurrency: 1,
    configVersion: 1,
    wires: [[`${queue}-gate`]],
  },
  {
    id: `${queue}-gate`,
    z: 'tab',
    type: 'idempotency-gate',
    store: 'store',
    scope: queue,
    configVersion: 1,
    wires: [[pacer.id], [`${queue}-settle`], [`${queue}-settle`], [`${queue}-settle`]],
  },
  pacer,
  {
    id: `${queue}-work`,
    z: 'tab',
    type: 'function',
    func: work,
    outputs: 1,
    wires: [[`${queue}-out`, `${queue}-settle`]],
  },
  { id: `${queue}-out`, z: 'tab', type: 'junction', wires: [[]] },
  {
    id: `${queue}-settle`,
    z: 'tab',
    type: 'settle',
    outcome: 'auto',
    configVersion: 1,
    wires: [[`${queue}-ended`]],
  },
  { id: `${queue}-ended`, z: 'tab', type: 'junction', wires: [[]] },
  { id: `${queue}-catch`, z: 'tab', type: 'catch', scope: [`${queue}-work`, pacer.id], wires: [[`${queue}-settle`]] },
  {
    id: `${queue}-dead`,
    z: 'tab',
    type: 'dead-letter',
    connection: 'amqp',
    store: 'store',
    queue,
    configVersion: 1,
    wires: [[]],
  },
];

const flows = (engine: string, namespace: string): FlowNode[] => [
  { id: 'tab', type: 'tab', label: 'Pacing' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: `${namespace}.sqlite`, configVersion: 1 },
  { id: 'amqp', type: 'amqp-connection', engine, url: amqpUrl ?? '', namespace, store: 'store', configVersion: 1 },
  { id: 'publish', z: 'tab', type: 'amqp-publish', connection: 'amqp', configVersion: 1, wires: [[]] },
  ...lane('alarms', {
    id: 'debounce',
    z: 'tab',
    type: 'debounce',
    store: 'store',
    keyFields: 'payload.item, payload.place',
    mode: 'first',
    window: 2,
    configVersion: 1,
    wires: [['alarms-work'], ['alarms-settle'], ['alarms-settle']],
  }),
  ...lane('moves', {
    id: 'sequence',
    z: 'tab',
    type: 'sequence',
    store: 'store',
    keyFields: 'payload.item',
    number: 'payload.number',
    begins: 'one',
    deadline: 0,
    configVersion: 1,
    wires: [['moves-work'], ['moves-settle'], ['moves-settle'], ['moves-settle']],
  }),
];

let red: EmbeddedNodeRed;
let token = 0;
before(async () => {
  red = await embedNodeRed({ settings: { healthflows: { allowUnauthenticatedOperations: true } } });
});
after(() => red?.stop());

function publish(type: string, id: string, payload: Record<string, unknown>): void {
  red.node('publish').receive({ payload, event: { id, source: '/cabinet/7', type, subject: String(payload.item) } });
}

/** Everything that arrives at a node from now on. */
function collect(id: string): FlowMessage[] {
  const messages: FlowMessage[] = [];
  red.node(id).on('input', (message) => void messages.push(message as FlowMessage));
  return messages;
}

async function letters(): Promise<LetterPage['letters']> {
  const response = await fetch(`${red.url}/healthflows/console/api/letters?state=open,failed-again`);
  return ((await response.json()) as LetterPage).letters;
}

async function replay(id: string): Promise<void> {
  const response = await fetch(`${red.url}/healthflows/console/api/replay`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      token: `token-of-the-test-${++token}`,
      reason: 'looked at',
      filter: { ids: [id] },
      expected: 1,
    }),
  });
  assert.equal(response.status, 200, await response.text());
}

const engines = [
  { title: 'the embedded queue', engine: 'embedded', skip: false },
  { title: 'RabbitMQ', engine: 'rabbitmq', skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false },
] as const;

for (const { title, engine, skip } of engines) {
  describe(`Pacing on ${title}`, { skip }, () => {
    const namespace = uniquePrefix();
    before(() => red.setFlows(flows(engine, namespace)));
    after(async () => {
      if (engine !== 'rabbitmq') return;
      await red.setFlows([]);
      const queues = ['alarms', 'moves'].flatMap((queue) =>
        ['', '.dead', '.retry.1s', '.retry.2s'].map((suffix) => `${namespace}.${queue}${suffix}`),
      );
      await deleteFromBroker(amqpUrl!, queues, [`${namespace}.events`]);
    });

    test('a burst of alarms is two proposals, the second one with the newest alarm, and nothing stays open', async () => {
      const out = collect('alarms-out');
      const ended = collect('alarms-ended');
      for (let n = 1; n <= 8; n++) publish('alarms.low', `alarm-${n}`, { item: 'GLOVE-M', place: 'W1', n });
      publish('alarms.low', 'alarm-other', { item: 'GLOVE-M', place: 'W2', n: 1 });
      await waitUntil('both windows passed', () => out.length >= 3, 30_000);
      const ours = out.filter(({ payload }) => (payload as { place: string }).place === 'W1');
      assert.deepEqual(
        ours.map(({ payload }) => (payload as { n: number }).n),
        [1, 8],
      );
      assert.equal((ours[1]!.debounce as { merged: number }).merged, 6);
      await waitUntil(
        'what each alarm owes is settled',
        () =>
          ended.filter(({ settlement }) => (settlement as { disposition: string }).disposition === 'done').length === 9,
        20_000,
      );
      assert.equal(out.length, 3);
      assert.deepEqual(await letters(), []);
    });

    test('a gap is a letter; the missing one fills it, and the replayed letter goes on in its place', async () => {
      const out = collect('moves-out');
      const numbers = () => out.map(({ payload }) => (payload as { number: number }).number);
      publish('moves.done', 'move-1', { item: 'SALINE', number: 1 });
      await waitUntil('the first is done', () => out.length === 1);
      publish('moves.done', 'move-3', { item: 'SALINE', number: 3 });
      const letter = await waitUntil('the gap is a letter', async () => (await letters())[0], 20_000);
      assert.equal(letter.code, 'SEQUENCE_GAP');
      publish('moves.done', 'move-2', { item: 'SALINE', number: 2 });
      await waitUntil('the missing one is done', () => out.length === 2);
      await replay(letter.id);
      await waitUntil('the replayed one is done', () => out.length === 3, 20_000);
      assert.deepEqual(numbers(), [1, 2, 3]);
      await waitUntil('the letter is resolved', async () => (await letters()).length === 0, 20_000);
    });

    test('a person goes on without the missing one by a replay; when it comes, it is a letter of its own', async () => {
      const out = collect('moves-out');
      publish('moves.done', 'gauze-1', { item: 'GAUZE', number: 1 });
      await waitUntil('the first is done', () => out.length === 1);
      publish('moves.done', 'gauze-3', { item: 'GAUZE', number: 3 });
      const letter = await waitUntil('the gap is a letter', async () => (await letters())[0], 20_000);
      await replay(letter.id);
      await waitUntil('it goes on without', () => out.length === 2, 20_000);
      assert.deepEqual((out[1]!.sequence as { skipped?: unknown }).skipped, { from: 2, to: 2 });
      publish('moves.done', 'gauze-2', { item: 'GAUZE', number: 2 });
      const late = await waitUntil('the late one is a letter', async () => (await letters())[0], 20_000);
      assert.equal(late.code, 'SEQUENCE_LATE');
      await replay(late.id);
      await waitUntil('it goes on late', () => out.length === 3, 20_000);
      await waitUntil('the letter is resolved', async () => (await letters()).length === 0, 20_000);
    });

    test('one that failed holds up its successor and no other key, and both go on when it is mended', async () => {
      const out = collect('moves-out');
      const done = () => out.map(({ event }) => event?.id);
      const mended = (value: boolean) =>
        (red.node('moves-work') as unknown as { context(): { global: { set(key: string, value: unknown): void } } })
          .context()
          .global.set('mended', value);
      mended(false);
      publish('moves.done', 'mask-1', { item: 'MASK', number: 1, fails: true });
      const failed = await waitUntil(
        'the failed one is a letter',
        async () => (await letters()).find(({ code }) => code === 'NODE_ERROR'),
        20_000,
      );
      publish('moves.done', 'mask-2', { item: 'MASK', number: 2 });
      publish('moves.done', 'swab-1', { item: 'SWAB', number: 1 });
      const gap = await waitUntil(
        'its successor is a letter',
        async () => (await letters()).find(({ code }) => code === 'SEQUENCE_GAP'),
        20_000,
      );
      await waitUntil('another key goes on', () => done().includes('swab-1'), 20_000);
      assert.deepEqual(done(), ['swab-1']);
      mended(true);
      await replay(failed.id);
      await waitUntil('it is done', () => done().includes('mask-1'), 20_000);
      await replay(gap.id);
      await waitUntil('its successor is done', () => done().includes('mask-2'), 20_000);
      await waitUntil('no letter is left', async () => (await letters()).length === 0, 20_000);
    });

    test('a message without key, number or event id goes to Catch and becomes a letter', async () => {
      publish('moves.done', 'no-number', { item: 'X' });
      publish('moves.done', 'no-key', { number: 1 });
      const found = await waitUntil(
        'both are letters',
        async () => ((await letters()).length === 2 ? await letters() : undefined),
        20_000,
      );
      assert.deepEqual(found.map(({ code }) => code).sort(), ['PACING_KEY_MISSING', 'SEQUENCE_NUMBER_MISSING']);
    });
  });
}
