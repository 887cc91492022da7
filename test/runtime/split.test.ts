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
