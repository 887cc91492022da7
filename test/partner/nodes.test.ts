/** partner-endpoint and partner-send in Node-RED: what leaves, what comes back, and what a flow sees of failures. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { json, type Partner, partner } from './support.ts';

type Message = Record<string, unknown> & {
  partner?: Record<string, unknown>;
  failure?: { class: string; code: string; retryable: boolean; outcome?: string; retryAfter?: number };
};

let nodeRed: EmbeddedNodeRed;
/** Of the build that Node-RED runs, which has a registry of its own. */
let dependency: typeof import('../../nodes/kernel/resilience/dependencies.ts').dependency;
before(async () => {
  nodeRed = await embedNodeRed();
  ({ dependency } = (await import(
    '../../dist/kernel/resilience/dependencies.js' as string
  )) as typeof import('../../nodes/kernel/resilience/dependencies.ts'));
});
after(() => nodeRed.stop());

function flow({ url }: Partner, send: Record<string, unknown>, endpoint: Record<string, unknown> = {}): FlowNode[] {
  return [
    { id: 'tab', type: 'tab', label: 'Partner', env: endpoint.env ?? [] } as unknown as FlowNode,
    { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['failed']] } as unknown as FlowNode,
    { id: 'failed', type: 'junction', z: 'tab', wires: [[]] },
    { id: 'end', type: 'junction', z: 'tab', wires: [[]] },
    { id: 'acme', type: 'partner-endpoint', name: 'ACME', url, attempts: 1, ...endpoint },
    { id: 'send', type: 'partner-send', z: 'tab', endpoint: 'acme', most: 'any', wires: [['end']], ...send },
  ];
}

async function run(message: Record<string, unknown>, at = 'end'): Promise<Message> {
  const arrived = nodeRed.receive(at);
  nodeRed.node('send').receive(message);
  return (await arrived)[0]!;
}

const event = { id: 'e-1', source: 'urn:test', type: 'order' };

describe('partner-send', () => {
  test('sends a text with its key and headers, keeps the document, and puts the answer beside it', async () => {
    const acme = await partner(() => ({
      ...json({ accepted: true }, 202),
      headers: { 'content-type': 'application/json', etag: '"1"', 'set-cookie': 's=1' },
    }));
    await nodeRed.setFlows(
      flow(acme, { path: '/orders/{topic}', headers: [{ name: 'X-Hospital', value: '{event.source}' }] }),
    );
    const message = await run({ payload: '<Order/>', topic: '8', event });
    const [sent] = acme.received;
    assert.equal(sent!.body, '<Order/>');
    assert.equal(sent!.url, '/orders/8');
    assert.equal(sent!.headers['content-type'], 'application/xml');
    assert.equal(sent!.headers['idempotency-key'], 'e-1');
    assert.equal(sent!.headers['x-hospital'], 'urn:test');
    assert.equal(message.payload, '<Order/>');
    const { status, answer, headers, key, name } = message.partner!;
    assert.deepEqual(
      { status, answer, headers, key, name },
      {
        status: 202,
        answer: { accepted: true },
        headers: { etag: '"1"' },
        key: 'e-1',
        name: 'ACME',
      },
    );
  });

  test('reading (GET) has no body and replaces the payload', async () => {
    const acme = await partner(() => json({ price: '4.20' }));
    await nodeRed.setFlows(flow(acme, { method: 'GET', path: '/prices', keyHeader: '' }));
    const message = await run({ payload: 'anything', event });
    assert.deepEqual(message.payload, { price: '4.20' });
    assert.equal(acme.received[0]!.body, '');
  });

  test('a failure reaches Catch with its class, what was asked for and whether it may have arrived', async () => {
    const acme = await partner(
      () => ({ status: 429, headers: { 'retry-after': '60' } }),
      () => ({ lost: true }),
    );
    await nodeRed.setFlows(flow(acme, {}));
    const busy = await run({ payload: 'x', event }, 'failed');
    assert.deepEqual(
      [busy.failure!.class, busy.failure!.retryAfter, busy.failure!.outcome],
      ['saturation', 60_000, 'none'],
    );
    const lost = await run({ payload: 'x', event }, 'failed');
    assert.deepEqual(
      [lost.failure!.class, lost.failure!.retryable, lost.failure!.outcome],
      ['dependency-outage', true, 'unknown'],
    );
  });

  test('409 is another try, or that the partner has the document, as the dialog says', async () => {
    const acme = await partner(() => ({ status: 409 }));
    await nodeRed.setFlows(flow(acme, {}));
    assert.equal((await run({ payload: 'x', event }, 'failed')).failure!.class, 'conflict');
    await nodeRed.setFlows(flow(acme, { conflict: 'done' }));
    assert.equal((await run({ payload: 'x', event })).partner!.duplicate, true);
  });

  test('an answer that cannot be read does not undo what arrived; it fails only where the flow goes on with it', async () => {
    const acme = await partner(() => ({ headers: { 'content-type': 'application/json' }, body: '{"cut' }));
    await nodeRed.setFlows(flow(acme, {}));
    assert.equal((await run({ payload: 'x', event })).partner!.answer, '{"cut');
    await nodeRed.setFlows(flow(acme, { output: 'answer' }));
    assert.equal((await run({ payload: 'x', event }, 'failed')).failure!.code, 'PARTNER_ANSWER_UNREADABLE');
  });

  test('a document above the class of the edge, without a key or without content is not sent', async () => {
    const acme = await partner();
    await nodeRed.setFlows(flow(acme, { most: 'C' }));
    const secret = await run({ payload: '<Order/>', event: { ...event, sensitivity: 'H' } }, 'failed');
    assert.equal(secret.failure!.code, 'PARTNER_SENSITIVITY');
    const keyless = await run({ payload: '<Order/>', event: { ...event, sensitivity: 'I', id: '' } }, 'failed');
    assert.equal(keyless.failure!.code, 'PARTNER_KEY_MISSING');
    assert.equal((await run({ event: { ...event, sensitivity: 'I' } }, 'failed')).failure!.code, 'PARTNER_NO_DOCUMENT');
    assert.equal(acme.received.length, 0);
  });

  test('a flow marked sandbox sends nothing to a production partner', async () => {
    const acme = await partner();
    const env = [{ name: 'HEALTHFLOWS_ENVIRONMENT', value: 'sandbox', type: 'str' }];
    await nodeRed.setFlows(flow(acme, {}, { environment: 'production', env }));
    assert.equal((await run({ payload: 'x', event }, 'failed')).failure!.code, 'PARTNER_STAGE');
    assert.equal(acme.received.length, 0);
  });
});

describe('partner-endpoint', () => {
  test('a partner that is down is unavailable to consumers until it is back', async () => {
    let down = true;
    const acme = await partner(() => ({ status: down ? 503 : 200 }));
    await nodeRed.setFlows(flow(acme, {}, { breakerPause: 0.05 }));
    for (let n = 0; n < 6; n++) await run({ payload: 'x', event }, 'failed');
    assert.equal(dependency('acme')?.availability.kind, 'unavailable');
    assert.equal((await run({ payload: 'x', event }, 'failed')).failure!.code, 'BREAKER_OPEN');
    down = false;
    await waitUntil('the partner is available', () => dependency('acme')?.availability.kind === 'available');
    assert.equal((await run({ payload: 'x', event })).partner!.status, 200);
  });

  test('its test uses what the dialog shows, and carries no saved secret elsewhere', async () => {
    const acme = await partner(({ headers }) => ({ status: headers.authorization === 'Bearer saved' ? 200 : 401 }));
    const other = await partner();
    const credentials = { secret: 'saved' };
    await nodeRed.setFlows(flow(acme, {}, { authentication: 'bearer', credentials }));
    const ask = async (form: Record<string, unknown>) => {
      const response = await fetch(`${nodeRed.url}/healthflows/partner-endpoint/test`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id: 'acme', authentication: 'bearer', secret: '__PWRD__', ...form }),
      });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    };
    assert.equal((await ask({ url: acme.url })).body.status, 200);
    assert.equal((await ask({ url: acme.url, secret: 'typed' })).body.status, 401);
    const refused = await ask({ url: other.url });
    assert.equal((refused.body.error as { code: string }).code, 'SECRET_NOT_SENT');
    assert.equal(other.received.length, 0);
  });

  test('a variable that is not set is named, and its nodes say so', async () => {
    const acme = await partner();
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Node-RED's own notation for an environment variable.
    await nodeRed.setFlows(flow(acme, {}, { url: '${NO_SUCH_SUPPLIER_URL}' }));
    const message = await run({ payload: 'x', event }, 'failed');
    assert.equal(message.failure!.class, 'configuration');
  });
});

test('the example sends an order as UBL, once however often the button is pressed', async () => {
  const acme = await partner(() => json({ status: 'received' }, 202));
  process.env.SUPPLIER_URL = acme.url;
  process.env.SUPPLIER_API_KEY = 'example';
  const file = join(packageRoot, 'examples/07 Partners/01 - send an order to a supplier.json');
  const nodes = JSON.parse(readFileSync(file, 'utf8')) as FlowNode[];
  await nodeRed.setFlows(nodes);
  const sender = nodes.find(({ type }) => type === 'partner-send')!;
  const shown = sender.wires![0]![0]!;
  for (let n = 0; n < 2; n++) {
    const arrived = nodeRed.receive(shown);
    nodeRed.node(nodes.find(({ type }) => type === 'inject')!.id).receive({});
    await arrived;
  }
  assert.match(acme.received[0]!.body, /^<\?xml[\s\S]*<Order /);
  assert.equal(new Set(acme.received.map(({ headers }) => headers['idempotency-key'])).size, 1);
});
