/** A flow that divides an order into its lines with Node-RED's own `split`: no line is lost or doubled. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { LetterPage } from '../../nodes/settlement/index.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

const common = { z: 'tab', configVersion: 1 };
const consume = { ...common, type: 'amqp-consume', connection: 'amqp' };
const gate = { ...common, type: 'idempotency-gate', store: 'store', fingerprint: 'none' };
const settle = { ...common, type: 'settle', outcome: 'auto' };

const flows: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'Lines' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'split.sqlite', configVersion: 1 },
  { id: 'amqp', type: 'amqp-connection', engine: 'embedded', namespace: 'split', store: 'store', configVersion: 1 },
  { ...common, id: 'publish', type: 'amqp-publish', connection: 'amqp', wires: [[]] },
  { ...consume, id: 'orders', queue: 'orders', bindings: 'order', wires: [['gate']] },
  { ...gate, id: 'gate', scope: 'orders', wires: [['split'], ['settle'], ['settle'], ['settle']] },
  {
    id: 'split',
    z: 'tab',
    type: 'split',
    splt: '\\n',
    spltType: 'str',
    arraySplt: 1,
    arraySpltType: 'len',
    stream: false,
    addname: '',
    property: 'payload',
    wires: [['check']],
  },
  {
    id: 'check',
    z: 'tab',
    type: 'function',
    func: "if (msg.payload.line === 'bad') throw new Error('a bad line'); msg.topic = 'line'; return msg;",
    outputs: 1,
    wires: [['line']],
  },
  {
    ...common,
    id: 'line',
    type: 'amqp-publish',
    connection: 'amqp',
    routingKey: 'topic',
    routingKeyType: 'msg',
    wires: [['settle']],
  },
  { ...settle, id: 'settle', wires: [['settled']] },
  { id: 'settled', z: 'tab', type: 'junction', wires: [[]] },
  { id: 'catch', z: 'tab', type: 'catch', scope: ['gate', 'check', 'line'], wires: [['settle']] },
  { ...common, id: 'dead', type: 'dead-letter', connection: 'amqp', store: 'store', queue: 'orders', wires: [[]] },
  { ...consume, id: 'lines', queue: 'lines', bindings: 'line', wires: [['gate-line']] },
  { ...gate, id: 'gate-line', scope: 'lines', wires: [['place'], ['done'], ['done'], ['done']] },
  { id: 'place', z: 'tab', type: 'junction', wires: [['done']] },
  { ...settle, id: 'done', wires: [[]] },
];

const divided: FlowNode[] = [
  { id: 'http', z: 'tab', type: 'http in', url: '/orders', method: 'post', upload: false, wires: [['divide']] },
  { ...flows.find(({ id }) => id === 'split')!, id: 'divide', wires: [['each']] },
  {
    ...common,
    id: 'each',
    type: 'amqp-publish',
    connection: 'amqp',
    routingKey: 'payload.key',
    routingKeyType: 'msg',
    guarantee: 'confirmed',
    wires: [['answers']],
  },
  {
    id: 'answers',
    z: 'tab',
    type: 'switch',
    property: 'res',
    propertyType: 'msg',
    rules: [{ t: 'nnull' }],
    checkall: 'true',
    repair: false,
    outputs: 1,
    wires: [['response']],
  },
  { id: 'response', z: 'tab', type: 'http response', wires: [] },
  { id: 'refused', z: 'tab', type: 'catch', scope: ['each'], wires: [['answer']] },
  { ...settle, id: 'answer', wires: [['answers']] },
];
flows.push(...divided);

let red: EmbeddedNodeRed;
const placed: string[] = [];
const settlements: unknown[] = [];

before(async () => {
  red = await embedNodeRed({ settings: { healthflows: { allowUnauthenticatedOperations: true } } });
  await red.setFlows(flows);
  red.node('place').on('input', (message) => void placed.push((message as { payload: { line: string } }).payload.line));
  red
    .node('settled')
    .on(
      'input',
      (message) => void settlements.push((message as { settlement?: { disposition: string } }).settlement?.disposition),
    );
});
after(() => red?.stop());
function order(id: string, lines: string[]): void {
  red
    .node('publish')
    .receive({ payload: lines.map((line) => ({ line })), event: { id, source: '/acme', type: 'order' } });
}

test('each line passes its gate once, and the order is done with its last line', async () => {
  order('1001', ['a', 'b', 'c']);
  await waitUntil('all lines are placed', () => placed.length === 3);
  assert.deepEqual(placed.toSorted(), ['a', 'b', 'c']);
  await waitUntil('the order is settled', () => settlements.length === 3);
  assert.deepEqual(settlements, ['part', 'part', 'done']);
});

test('an order with a line that fails is a dead letter, whatever became of its other lines', async () => {
  order('1002', ['d', 'bad', 'e']);
  const letter = await waitUntil('the letter waits', async () => {
    const response = await fetch(`${red.url}/healthflows/console/api/letters?state=open`);
    return ((await response.json()) as LetterPage).letters[0];
  });
  assert.equal(letter.messageId, '1002');
});

test('the sender of a divided document is answered when its last part is accepted, not before', async () => {
  const send = async (keys: string[]) => {
    const response = await fetch(`${red.url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(keys.map((key) => ({ key, line: key }))),
    });
    return { status: response.status, body: await response.text() };
  };
  const before = placed.length;
  const good = await send(['line', 'line', 'line']);
  assert.equal(good.status, 202, good.body);
  assert.equal((JSON.parse(good.body) as { status: string }).status, 'accepted');
  // All three are in the queue already.
  await waitUntil('they are placed', () => placed.length === before + 3);
  // The part that no queue takes is the second: with the first one's 202 its sender would never know.
  const bad = await send(['line', 'nowhere', 'line']);
  assert.notEqual(bad.status, 202, bad.body);
});
