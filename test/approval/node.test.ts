/** The approval node in a real Node-RED with a login: people decide in the inbox, the flow goes on. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

type Message = Record<string, unknown> & {
  payload: Record<string, unknown>;
  approval: Record<string, unknown> & { people: { person: string; link: string }[] };
};

let red: EmbeddedNodeRed;
let number = 0;
let presses = 0;

const flows = (more: Record<string, unknown> = {}): FlowNode[] => [
  { id: 'tab', type: 'tab', label: 'Approvals' },
  { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'approval.sqlite', configVersion: 1 },
  {
    id: 'amqp',
    type: 'amqp-connection',
    engine: 'embedded',
    namespace: 'approval',
    store: 'store',
    configVersion: 1,
  },
  { id: 'publish', z: 'tab', type: 'amqp-publish', connection: 'amqp', configVersion: 1, wires: [[]] },
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
    wires: [['approval'], ['end'], ['end'], ['end']],
  },
  {
    id: 'approval',
    z: 'tab',
    type: 'approval',
    store: 'store',
    process: 'purchases',
    rules: [
      { name: 'small', upTo: '250', currency: 'EUR', category: '', costCentre: '', approvers: 'auto' },
      { name: 'rest', upTo: '', currency: '', category: '', costCentre: '', approvers: 'buyers; finance' },
    ],
    groups: [
      { name: 'buyers', people: 'Anna, bo' },
      { name: 'finance', people: 'cy' },
    ],
    emergencyPeople: 'eve',
    editable: 'lines.*.quantity',
    show: 'order = Order\nlines.*.sku',
    subject: 'payload.order',
    address: 'https://red.example',
    configVersion: 1,
    credentials: { linkKey: 'a key for links of the tests, long enough' },
    wires: [['approved'], ['rejected'], ['expired'], ['changed'], ['notice']],
    ...more,
  },
  ...['approved', 'rejected', 'expired', 'changed'].map((id) => ({
    id,
    z: 'tab',
    type: 'junction',
    wires: [['work']],
  })),
  { id: 'notice', z: 'tab', type: 'junction', wires: [[]] },
  {
    id: 'work',
    z: 'tab',
    type: 'function',
    // What it is asked to do, so that a test can make a flow fail, or swallow a message.
    func: `const how = flow.get('how') || 'pass'; flow.set('runs', (flow.get('runs') || 0) + 1);
if (how === 'swallow') return null;
if (how !== 'pass') { msg.failure = {class: how, code: 'TEST', retryable: how !== 'data-quality', message: 'A test.'}; node.error('x', msg); return null; }
return msg;`,
    outputs: 1,
    wires: [['end']],
  },
  { id: 'end', z: 'tab', type: 'settle', outcome: 'auto', configVersion: 1, wires: [['ended']] },
  { id: 'ended', z: 'tab', type: 'junction', wires: [[]] },
  { id: 'catch', z: 'tab', type: 'catch', scope: ['work', 'approval', 'gate'], wires: [['end']] },
];

before(async () => {
  const permissions: Record<string, string[]> = {
    anna: ['healthflows.approve'],
    bo: ['healthflows.approve'],
    cy: ['healthflows.approve'],
    eve: ['healthflows.approve'],
    rita: ['healthflows.approve'],
    mallory: ['healthflows.approve'],
    vic: ['healthflows.view'],
    ops: ['healthflows.operate', 'healthflows.approve', 'healthflows.reveal'],
  };
  const known = (name: string) =>
    Promise.resolve(permissions[name] === undefined ? null : { username: name, permissions: permissions[name] });
  red = await embedNodeRed({
    settings: {
      adminAuth: { type: 'credentials', users: known, tokens: (bearer: string) => known(bearer) },
    } as never,
  });
  await red.setFlows(flows());
});
after(() => red?.stop());

async function api<T>(person: string, path: string, body?: object): Promise<{ status: number; body: T }> {
  const response = await fetch(`${red.url}/healthflows/console/api/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      'content-type': 'application/json',
      ...(person === '' ? {} : { authorization: `Bearer ${person}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json().catch(() => undefined)) as T };
}

const act = (more: object = {}) => ({
  token: `press-of-the-test-${++presses}`,
  reason: 'needed for the ward',
  ...more,
});
const vote = (person: string, id: string, more: object = {}) =>
  api<{ state?: string; waiting?: number; error?: { code: string } }>(person, `approvals/requests/${id}/vote`, {
    ...act(),
    verdict: 'approve',
    revision: 1,
    ...more,
  });

const one = async (id: string) => (await red.receive(id))[0] as Message;

function ask(more: object = {}): Record<string, unknown> {
  const order = `PO-${++number}`;
  const payload = {
    order,
    amount: '1200.00',
    currency: 'EUR',
    requester: 'Rita',
    patient: 'Marked Value',
    lines: [{ sku: 'GLOVE', quantity: '10' }],
    ...more,
  };
  return {
    payload,
    event: {
      id: `msg-${order}`,
      source: '/acme',
      type: 'order.placed',
      subject: order,
      correlationid: `corr-${order}`,
    },
  };
}

/** A message through the queue, the gate and the node; resolves with its request's notice. */
async function requested(more: object = {}): Promise<Message> {
  const notice = one('notice');
  red.node('publish').receive({ ...ask(more), topic: 'order.placed' });
  return await notice;
}

const flowContext = (key: string, value?: unknown): unknown => {
  const context = (
    red.RED.nodes.getNode('work') as unknown as {
      context(): { flow: { get(k: string): unknown; set(k: string, v: unknown): void } };
    }
  ).context().flow;
  if (value !== undefined) context.set(key, value);
  return context.get(key);
};

const stateOf = async (id: string) =>
  (await api<{ state: string; failureCode: string | null }>('ops', `approvals/requests/${id}`)).body;
const waitForState = (id: string, state: string) =>
  waitUntil(`request ${id} is ${state}`, async () => ((await stateOf(id)).state === state ? true : undefined));

async function audit(filter: string): Promise<string[]> {
  const { body } = await api<{ records: { action: string; actor: string; reason?: string }[] }>(
    'ops',
    `audit?${filter}`,
  );
  return body.records.map(({ action, actor }) => `${action} ${actor}`);
}

test('two people approve; the message goes on as it was, with who decided, and ends when the flow settles it', async () => {
  const notice = await requested();
  const { id, people, inbox } = notice.approval;
  assert.equal(notice.topic, 'Approval wanted: PO-1, 1200.00 EUR');
  assert.deepEqual(
    people.map(({ person }) => person),
    ['anna', 'bo', 'cy'],
  );
  assert.equal(inbox, 'https://red.example/healthflows/console#approvals');
  assert.ok(!JSON.stringify(notice).includes('Marked Value'), 'a notice carries no document');
  assert.equal((await vote('anna', String(id))).body.waiting, 1);
  const going = one('approved');
  const ended = one('ended');
  assert.equal((await vote('cy', String(id))).body.state, 'decided');
  const message = await going;
  const { at, ...approval } = message.approval;
  assert.ok(Math.abs(Date.parse(String(at)) - Date.now()) < 60_000);
  assert.deepEqual(approval, { id, decision: 'approved', by: 'cy', reason: 'needed for the ward', edits: [] });
  assert.equal((message.event as { id: string }).id, 'msg-PO-1');
  assert.equal(message.payload.patient, 'Marked Value');
  await ended;
  await waitForState(String(id), 'resumed');
  assert.deepEqual(
    (await audit('correlationId=corr-PO-1')).filter((line) => line.startsWith('approval')).toReversed(),
    [
      'approval.requested rita',
      'approval.voted anna',
      'approval.voted cy',
      'approval.approved cy',
      'approval.resumed flow',
    ],
  );
});

test('nobody decides their own request, in whatever spelling, nor one that is not theirs, nor without a login', async () => {
  const { id } = (await requested()).approval;
  assert.equal((await vote('rita', String(id))).body.error?.code, 'APPROVAL_SELF');
  assert.equal((await vote('mallory', String(id))).body.error?.code, 'APPROVAL_NOT_ASKED');
  assert.equal((await vote('vic', String(id))).status, 403);
  assert.equal((await vote('', String(id))).status, 401);
  assert.equal((await api('mallory', `approvals/requests/${id}`)).status, 403);
  assert.equal((await api('anna', 'approvals/list?list=open')).status, 403);
  // Nobody becomes somebody else by saying so.
  assert.equal((await vote('rita', String(id), { as: 'anna' })).body.error?.code, 'APPROVAL_SELF');
});

test('a forwarded link helps nobody else, and is in the trail; the person it was made for uses it once', async () => {
  const { id, people } = (await requested()).approval;
  const link = people.find(({ person }) => person === 'anna')!.link;
  const ticket = new URLSearchParams(new URL(link).hash.split('?')[1]).get('ticket')!;
  const forwarded = await vote('bo', String(id), { ticket });
  assert.equal(forwarded.body.error?.code, 'APPROVAL_LINK_FORWARDED');
  assert.equal(
    (await api<{ error: { code: string } }>('bo', 'approvals/ticket', { id, ticket })).body.error.code,
    'APPROVAL_LINK_FORWARDED',
  );
  assert.equal((await vote('anna', String(id), { ticket: `${ticket}x` })).body.error?.code, 'APPROVAL_LINK_INVALID');
  assert.equal((await vote('anna', String(id), { ticket })).status, 200);
  const other = (await requested()).approval;
  assert.equal((await vote('anna', String(other.id), { ticket })).body.error?.code, 'APPROVAL_LINK_INVALID');
  assert.deepEqual((await audit('action=approval.link-refused')).toReversed().slice(0, 2), [
    'approval.link-refused bo',
    'approval.link-refused bo',
  ]);
});

test('an approver alone opens the inbox and no other page, and sees what the policy shows', async () => {
  const { id } = (await requested()).approval;
  const { body: session } = await api<{ pages: { id: string }[] }>('anna', 'session');
  assert.deepEqual(
    session.pages.map((page) => page.id),
    ['approvals'],
  );
  const { body } = await api<{ view: { fields: { label: string; value: string }[]; hidden: number } }>(
    'anna',
    `approvals/requests/${id}`,
  );
  assert.deepEqual(
    body.view.fields.map(({ label, value }) => [label, value]),
    [
      ['Order', `PO-${number}`],
      ['Sku', 'GLOVE'],
      ['Quantity', '10'],
    ],
  );
  assert.ok(!JSON.stringify(body).includes('Marked Value'));
  assert.equal((await api('anna', `approvals/requests/${id}/reveal`, act())).status, 403);
  const revealed = await api<{ document: { patient: string } }>('ops', `approvals/requests/${id}/reveal`, act());
  assert.equal(revealed.body.document.patient, 'Marked Value');
});

test('what an approver changes leaves by its own output, after the others have agreed to the change', async () => {
  const { id } = (await requested()).approval;
  await vote('cy', String(id));
  assert.equal(
    (await vote('anna', String(id), { edits: [{ path: 'order', value: 'x' }] })).body.error?.code,
    'EDIT_NOT_ALLOWED',
  );
  assert.equal(
    (await vote('anna', String(id), { edits: [{ path: 'lines.0.quantity', value: '11' }] })).body.error?.code,
    'EDIT_RAISES',
  );
  assert.equal((await vote('anna', String(id), { edits: [{ path: 'lines.0.quantity', value: '6' }] })).body.waiting, 1);
  const going = one('changed');
  assert.equal((await vote('cy', String(id), { revision: 2 })).body.state, 'decided');
  const message = await going;
  assert.deepEqual(message.payload.lines, [{ sku: 'GLOVE', quantity: '6' }]);
  assert.deepEqual(message.approval.edits, [{ path: 'lines.0.quantity', from: '10', to: '6', by: 'anna' }]);
});

test('a small one needs nobody, a rejected one leaves with the reason, and the same message asks once', async () => {
  const small = one('approved');
  await requested({ amount: '120.00' });
  assert.equal((await small).approval.by, 'policy');
  const message = ask();
  const notice = one('notice');
  red.node('approval').receive(structuredClone(message));
  const { id } = (await notice).approval;
  red.node('approval').receive(structuredClone(message));
  const rejected = one('rejected');
  await vote('anna', String(id), { verdict: 'reject' });
  assert.equal((await rejected).approval.reason, 'needed for the ward');
  const { body } = await api<{ requests: { title: string }[] }>('ops', 'approvals/list?list=closed');
  assert.equal(body.requests.filter(({ title }) => title === (message.payload as { order: string }).order).length, 1);
});

test('the console says that a message waits until it is decided, and not when it comes again after its end', async () => {
  const message = ask();
  const notice = one('notice');
  red.node('publish').receive({ ...structuredClone(message), topic: 'order.placed' });
  const id = String((await notice).approval.id);
  const { id: event } = message.event as { id: string };
  const journal = async () =>
    (await api<{ messages: { outcome: string; hops: number }[] }>('ops', `messages?text=${event}`)).body.messages[0];
  const outcome = (wanted: string) =>
    waitUntil(`the message is ${wanted}`, async () => (await journal())?.outcome === wanted);
  await outcome('waiting');
  await vote('anna', id);
  await vote('cy', id);
  await outcome('done');
  const { hops } = (await journal())!;
  red.node('approval').receive(structuredClone(message));
  await waitUntil('that it came again is written', async () => (await journal())!.hops > hops);
  assert.equal((await journal())!.outcome, 'done');
});

test('a notice counts as told once it was in the flow for a moment, and not when it met a deploy', async (context) => {
  const dist = (path: string) => import(new URL(`../../dist/${path}`, import.meta.url).href);
  const { serviceOf } = (await dist('node/index.js')) as typeof import('../../nodes/node/index.ts');
  const { integrationStore } = (await dist(
    'idempotency/index.js',
  )) as typeof import('../../nodes/idempotency/index.ts');
  const { store } = serviceOf(red.RED as never, integrationStore, 'store')!;
  const { mock } = context.mock.method(store, 'run');
  // As a deploy does that leaves this node in place.
  red.RED.events.emit('flows:stopping');
  const lost = one('notice');
  red.node('approval').receive(ask());
  const { id } = (await lost).approval;
  red.RED.events.emit('flows:started');
  const { id: next } = (await requested()).approval;
  const told = () =>
    mock.calls.flatMap(({ arguments: [, args] }) => (args as { told?: { id: string }[] } | undefined)?.told ?? []);
  const counts = (request: unknown) => told().some((notice) => notice.id === request);
  await waitUntil('the next one counts as told', () => counts(next));
  assert.ok(!counts(id), 'what met the deploy is still owed');
});

test('an emergency passes at once, and somebody else confirms it', async () => {
  const { id } = (await requested()).approval;
  const going = one('approved');
  assert.equal((await vote('anna', String(id), { verdict: 'emergency' })).body.error?.code, 'APPROVAL_NO_EMERGENCY');
  const told = one('notice');
  assert.equal((await vote('eve', String(id), { verdict: 'emergency' })).body.state, 'decided');
  assert.equal((await told).approval.notice, 'review');
  assert.equal((await going).approval.emergency, true);
  const review = (person: string) =>
    api<{ state?: string }>(person, `approvals/requests/${id}/review`, { ...act(), verdict: 'confirmed' });
  assert.equal((await review('eve')).status, 403);
  assert.equal((await review('cy')).body.state, 'confirmed');
});

test('a request that waits is decided after a full deploy, and one on its way in a deploy goes on', async () => {
  const { id } = (await requested()).approval;
  await red.setFlows(flows());
  flowContext('how', 'swallow');
  const swallowed = one('approved');
  await vote('anna', String(id));
  await vote('cy', String(id));
  await swallowed;
  // The flow holds the message and loses it with the deploy.
  const again = red.setFlows(flows());
  await again;
  flowContext('how', 'pass');
  await waitForState(String(id), 'resumed');
});

test('a failure that passes is tried again; one for good waits for a person, who lets it go on', async () => {
  flowContext('how', 'data-quality');
  const { id } = (await requested()).approval;
  await vote('anna', String(id));
  const failed = one('notice');
  await vote('cy', String(id));
  assert.equal((await failed).approval.notice, 'failed');
  await waitForState(String(id), 'failed');
  flowContext('how', 'pass');
  assert.equal((await api('anna', `approvals/requests/${id}/continue`, act())).status, 403);
  assert.equal((await api('ops', `approvals/requests/${id}/continue`, act())).status, 200);
  await waitForState(String(id), 'resumed');
  const second = String((await requested()).approval.id);
  flowContext('how', 'conflict');
  const runs = Number(flowContext('runs'));
  await vote('bo', second);
  await vote('cy', second);
  await waitUntil('the flow has failed once', () => (Number(flowContext('runs')) > runs ? true : undefined));
  flowContext('how', 'pass');
  await waitForState(second, 'resumed');
});

test('a stand-in is arranged in the inbox and decides for who is away', async () => {
  const day = 86_400_000;
  const period = { startsAt: Date.now() - 1_000, endsAt: Date.now() + day };
  const hand = (person: string, more: object) =>
    api<{ id: string; error?: { code: string } }>(person, 'approvals/delegations', { ...act(), ...period, ...more });
  assert.equal((await hand('anna', { to: 'mallory', from: 'cy' })).body.error?.code, 'DELEGATION_FOR_OTHERS');
  const made = await hand('cy', { to: 'mallory' });
  assert.equal((await hand('mallory', { to: 'cy' })).body.error?.code, 'DELEGATION_CIRCLE');
  const { id } = (await requested()).approval;
  const mine = await api<{ requests: { id: string }[] }>('mallory', 'approvals/list?list=mine');
  assert.ok(mine.body.requests.some((request) => request.id === id));
  await vote('mallory', String(id));
  const going = one('approved');
  await vote('anna', String(id));
  await going;
  assert.equal((await api('anna', `approvals/delegations/${made.body.id}/end`, act())).status, 409);
  assert.equal((await api('cy', `approvals/delegations/${made.body.id}/end`, act())).status, 200);
});

test('documents that cannot be decided are refused with what to correct', async () => {
  for (const [more, code] of [
    [{ amount: 12.5 }, 'APPROVAL_FACT'],
    [{ requester: undefined }, 'APPROVAL_FACT'],
    [{ currency: undefined }, 'APPROVAL_FACT'],
  ] as const) {
    const ended = one('ended');
    red.node('approval').receive(ask(more));
    assert.equal(((await ended).failure as { code: string }).code, code);
  }
});
