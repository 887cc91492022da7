/** Settle and dead-letter in a real Node-RED: a document fails, waits for a person, is corrected, replayed, resolved. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { LetterGroup, LetterPage, ReplayJob } from '../../nodes/settlement/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { amqpUrl, deleteFromBroker, uniquePrefix } from '../amqp/engines.ts';
import { waitUntil } from '../support/processes.ts';

/** Fails while the document's unit is `bx`, as a mapper would. */
const check = `
if (msg.payload.unit === 'bx') {
  msg.failure = {class: 'data-quality', code: 'UNKNOWN_UNIT', retryable: false, message: 'Unit "' + msg.payload.unit + '" of order ' + msg.payload.order + ' is not known.', node: {id: 'work', type: 'canonical-mapper'}};
  node.error('unknown unit', msg);
  return null;
}
return msg;`;

const flows = (engine: string, namespace: string): FlowNode[] => [
  { id: 'tab', type: 'tab', label: 'Settling' },
  {
    id: 'store',
    type: 'integration-store',
    name: 'Main',
    engine: 'sqlite',
    file: `${namespace}.sqlite`,
    configVersion: 1,
  },
  {
    id: 'amqp',
    type: 'amqp-connection',
    name: 'Queue',
    engine,
    url: amqpUrl ?? '',
    namespace,
    store: 'store',
    configVersion: 1,
  },
  { id: 'publish', z: 'tab', type: 'amqp-publish', connection: 'amqp', configVersion: 1, wires: [['accepted']] },
  { id: 'accepted', z: 'tab', type: 'junction', wires: [[]] },
  {
    id: 'consume',
    z: 'tab',
    type: 'amqp-consume',
    connection: 'amqp',
    queue: 'orders',
    bindings: 'order.#',
    configVersion: 1,
    wires: [['gate']],
  },
  {
    id: 'gate',
    z: 'tab',
    type: 'idempotency-gate',
    store: 'store',
    configVersion: 1,
    wires: [['work'], ['settle'], ['settle'], ['settle']],
  },
  { id: 'work', z: 'tab', type: 'function', func: check, outputs: 1, wires: [['settle']] },
  { id: 'settle', z: 'tab', type: 'settle', outcome: 'auto', configVersion: 1, wires: [['settled']] },
  { id: 'settled', z: 'tab', type: 'junction', wires: [[]] },
  { id: 'catch', z: 'tab', type: 'catch', scope: ['work', 'gate', 'publish'], wires: [['settle']] },
  {
    id: 'dead',
    z: 'tab',
    type: 'dead-letter',
    connection: 'amqp',
    store: 'store',
    queue: 'orders',
    configVersion: 1,
    wires: [['episode']],
  },
  { id: 'episode', z: 'tab', type: 'junction', wires: [[]] },
];

let red: EmbeddedNodeRed;
let token = 0;

before(async () => {
  red = await embedNodeRed({ settings: { healthflows: { allowUnauthenticatedOperations: true } } });
});
after(() => red?.stop());

async function get<T>(path: string): Promise<T> {
  const response = await fetch(`${red.url}/healthflows/console/api/${path}`);
  assert.equal(response.status, 200, path);
  return (await response.json()) as T;
}

async function post<T>(path: string, body: object, expected = 200): Promise<T> {
  const response = await fetch(`${red.url}/healthflows/console/api/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as T;
  assert.equal(response.status, expected, JSON.stringify(answer));
  return answer;
}

const act = (more: object = {}) => ({ token: `token-of-the-test-${++token}`, reason: 'unit corrected', ...more });

function order(number: string, unit: string): void {
  red.node('publish').receive({
    payload: { order: number, unit },
    event: {
      id: `msg-${number}`,
      source: '/acme',
      type: 'order.placed',
      subject: number,
      correlationid: `corr-${number}`,
    },
  });
}

const waiting = (count: number) =>
  waitUntil(
    `${count} letters wait`,
    async () => {
      const { letters } = await get<LetterPage>('letters?state=open,failed-again');
      return letters.length === count ? letters : undefined;
    },
    20_000,
  );

const engines = [
  { title: 'the embedded queue', engine: 'embedded', skip: false },
  { title: 'RabbitMQ', engine: 'rabbitmq', skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false },
] as const;

for (const { title, engine, skip } of engines) {
  describe(`Settling on ${title}`, { skip }, () => {
    const namespace = uniquePrefix();
    const queue = `${namespace}.orders`;
    before(() => red.setFlows(flows(engine, namespace)));
    after(async () => {
      if (engine !== 'rabbitmq') return;
      await red.setFlows([]);
      const steps = ['10s', '1m', '5m', '30m', '2h'].map((step) => `${queue}.retry.${step}`);
      await deleteFromBroker(amqpUrl!, [queue, `${queue}.dead`, ...steps], [`${namespace}.events`]);
    });

    test('failed documents wait in one group and are told as one episode', async () => {
      const episode = red.receive('episode', 1);
      for (const number of ['A-1', 'A-2', 'A-3']) order(number, 'bx');
      order('A-4', 'box');
      const letters = await waiting(3);
      assert.deepEqual(letters.map((letter) => letter.businessKey).sort(), ['A-1', 'A-2', 'A-3']);
      const [told] = await episode;
      const payload = told!.payload as Record<string, unknown>;
      assert.deepEqual([payload.episode, payload.class, payload.code], ['first', 'data-quality', 'UNKNOWN_UNIT']);
      const groups = await get<LetterGroup[]>('groups');
      assert.deepEqual(
        groups.map(({ cause, waiting: count }) => [cause, count]),
        [['Unit … of order # is not known.', 3]],
      );
    });

    test('the list and the letter show no value of the document', async () => {
      const { letters } = await get<LetterPage>('letters');
      const letter = await get<{ outline: unknown }>(`letters/${letters[0]!.id}`);
      assert.deepEqual(letter.outline, { order: 'text (3)', unit: 'text (2)' });
      assert.equal('body' in letter, false);
    });

    test('an edited document is replayed under its own id, passes the gate and is resolved', async () => {
      const [letter] = (await get<LetterPage>('letters?text=A-1')).letters;
      const payload = JSON.stringify({ order: 'A-1', unit: 'box' });
      await post(`letters/${letter!.id}/edit-replay`, act({ payload: '{"order":' }), 422);
      await post(`letters/${letter!.id}/edit-replay`, act({ payload }));
      await waitUntil(
        'it is resolved',
        async () => (await get<{ state: string }>(`letters/${letter!.id}`)).state === 'resolved',
        20_000,
      );
      const shown = await post<{ original: { text: string }; edited: { text: string } }>(
        `letters/${letter!.id}/reveal`,
        act(),
      );
      assert.equal(JSON.parse(shown.original.text).unit, 'bx');
      assert.equal(JSON.parse(shown.edited.text).unit, 'box');
    });

    test('a replay that fails again comes back to its letter', async () => {
      const [letter] = (await get<LetterPage>('letters?text=A-2')).letters;
      await post('replay', act({ filter: { ids: [letter!.id] }, expected: 1 }));
      const found = await waitUntil(
        'it failed again',
        async () => {
          const now = await get<{ state: string; generation: number; deaths: number }>(`letters/${letter!.id}`);
          return now.state === 'failed-again' ? now : undefined;
        },
        20_000,
      );
      assert.deepEqual([found.generation, found.deaths], [1, 2]);
      const [job] = await get<ReplayJob[]>('jobs');
      assert.deepEqual([job!.state, job!.total, job!.failedAgain], ['done', 1, 1]);
    });

    test('a selection that has grown is refused, and a repeated press acts once', async () => {
      await post('discard', act({ filter: { queue }, expected: 1 }), 409);
      const press = act({ filter: { queue }, expected: 2 });
      const [first, second] = await Promise.all([post('discard', press), post('discard', press)]);
      assert.deepEqual([first, second], [{ count: 2 }, { count: 2 }]);
      await waiting(0);
      const { records } = await get<{ records: { action: string }[] }>('audit?action=deadletter.discarded');
      assert.equal(records.length, 1);
    });

    test('the trail tells every act and every end, and its chain holds', async () => {
      const { records } = await get<{ records: { action: string; actor: string; reason?: string }[] }>('audit');
      const acts = records.filter(({ action }) => action.startsWith('deadletter.'));
      assert.deepEqual([...new Set(acts.map(({ action }) => action))].sort(), [
        'deadletter.discarded',
        'deadletter.edited-and-replayed',
        'deadletter.replay-finished',
        'deadletter.replayed',
        'deadletter.revealed',
      ]);
      assert.ok(records.some(({ action, reason }) => action === 'message.settled' && reason === 'UNKNOWN_UNIT'));
      const verdict = await post<{ kind: string }>('audit/verify', {});
      assert.equal(verdict.kind, 'intact');
    });

    test('a queue is paused and resumed by a person, and the first page shows it', async () => {
      await post(`queues/${queue}/pause`, act({ connection: 'amqp' }));
      order('B-1', 'box');
      type Now = { flows: { queues: { queue: string; paused: boolean; ready: number }[] }[] };
      const paused = await waitUntil(
        'the page shows it',
        async () => {
          const found = (await get<Now>('now')).flows
            .flatMap((flow) => flow.queues)
            .find((entry) => entry.queue === queue);
          return found?.paused === true && found.ready === 1 ? found : undefined;
        },
        20_000,
      );
      assert.equal(paused.paused, true);
      const settled = red.receive('settled', 1);
      await post(`queues/${queue}/resume`, act({ connection: 'amqp' }));
      assert.equal((await settled).length, 1);
    });

    test('everything is stopped by a person, holds over a deploy, and goes on when it is taken back', async () => {
      type Messaging = {
        connections: {
          stopped: { actor: string; reason: string } | null;
          durable: boolean;
          queues: { queue: string; halted: { kind: string } | null }[];
        }[];
      };
      const press = act({ reason: 'orders are booked twice' });
      const stopped = await post<Messaging>('messaging/stop', press);
      await post<Messaging>('messaging/stop', press);
      assert.equal(stopped.connections[0]!.stopped?.reason, 'orders are booked twice');
      await red.setFlows([]);
      await red.setFlows(flows(engine, namespace));
      order('C-1', 'box');
      const state = await waitUntil('it is known again', async () => {
        const [connection] = (await get<Messaging>('messaging')).connections;
        return connection?.stopped == null ? undefined : connection;
      });
      assert.equal(state.durable, true);
      assert.equal(state.queues.find((each) => each.queue === queue)?.halted?.kind, 'stopped');
      type Now = { parts: { kind: string; state: string }[] };
      await waitUntil('the page says so', async () =>
        /^stopped by/.test((await get<Now>('now')).parts.find(({ kind }) => kind === 'broker')!.state),
      );
      const settled = red.receive('settled', 1);
      await post('messaging/start', act({ reason: 'the mapping is mended' }));
      assert.equal((await settled).length, 1);
      const trail = async (action: string) =>
        (await get<{ records: { reason?: string }[] }>(`audit?action=${action}`)).records.map(({ reason }) => reason);
      // The engines share the store; the last one is this one's.
      assert.equal((await trail('messaging.stopped'))[0], 'orders are booked twice');
      assert.equal((await trail('messaging.started'))[0], 'the mapping is mended');
    });

    test('metrics are scraped in the Prometheus format', async () => {
      const response = await fetch(`${red.url}/healthflows/metrics`);
      assert.match(response.headers.get('content-type') ?? '', /^text\/plain;.* version=0\.0\.4/);
      const text = await response.text();
      const letters = text.split('\n').filter((line) => line.includes('dead_letters_total{') && line.includes(queue));
      // A class that nothing has met yet stands at 0: an increase from nothing would not be seen.
      assert.ok(
        letters.includes(`healthflows_dead_letters_total{queue="${queue}",class="defect"} 0`),
        letters.join('\n'),
      );
      const met = letters.filter((line) => !line.endsWith(' 0'));
      assert.deepEqual(met, [`healthflows_dead_letters_total{queue="${queue}",class="data-quality"} 4`]);
      assert.match(text, /healthflows_transactions_total\{flow="Settling",outcome="succeeded"\} \d+/);
      assert.match(text, /healthflows_operator_actions_total\{action="discard",outcome="refused"\} \d/);
    });
  });
}
