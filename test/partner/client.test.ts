/** A partner's client: how it proves itself, what each answer means, and when a document is sent again. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Failure } from '../../nodes/kernel/failure.ts';
import type { Credentials } from '../../nodes/partner/client/authentication.ts';
import { PartnerClient, type PartnerOptions, type PartnerRequest } from '../../nodes/partner/index.ts';
import { standardWebhooks } from '../../nodes/webhook/schemes/standard-webhooks.ts';
import { failure } from '../odoo/support.ts';
import { waitUntil } from '../support/processes.ts';
import { json, type Partner, partner } from './support.ts';

const clients: PartnerClient[] = [];
after(async () => {
  for (const client of clients) await client.close(0);
});

function clientOf(
  { url }: Pick<Partner, 'url'>,
  credentials: Credentials = { kind: 'none' },
  more: Partial<PartnerOptions> = {},
): PartnerClient {
  const client = new PartnerClient({
    name: 'Supplier ACME',
    url,
    credentials,
    breaker: { minimum: 1_000_000 },
    ...more,
  });
  clients.push(client);
  return client;
}

const order = (more: Partial<PartnerRequest> = {}): PartnerRequest => ({
  method: 'POST',
  path: '/orders',
  body: '{"number":"P1"}',
  id: 'P1',
  repeatable: true,
  ...more,
});

async function rejected(work: Promise<unknown>): Promise<Failure> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    return error;
  }
  throw new Error('it did not fail');
}

describe('proving itself', () => {
  const secret = `whsec_${Buffer.from('a secret of twenty-four bytes').toString('base64')}`;

  test('an API key goes in the header that the partner wants, a password as Basic, a token as Bearer', async () => {
    const acme = await partner();
    await clientOf(acme, { kind: 'api-key', header: 'X-Supplier-Key', key: 'k1' }).send(order());
    await clientOf(acme, { kind: 'basic', user: 'hospital', password: 'pa:ss' }).send(order());
    await clientOf(acme, { kind: 'bearer', token: 't1' }).send(order());
    assert.equal(acme.received[0]!.headers['x-supplier-key'], 'k1');
    assert.equal(acme.received[1]!.headers.authorization, `Basic ${Buffer.from('hospital:pa:ss').toString('base64')}`);
    assert.equal(acme.received[2]!.headers.authorization, 'Bearer t1');
  });

  test('a signed body is what a Standard Webhooks receiver verifies, anew for each try under one id', async () => {
    const acme = await partner(
      () => ({ status: 503 }),
      () => ({}),
    );
    await clientOf(acme, { kind: 'standard-webhooks', secret }).send(order({ id: 'urn:order:P.1' }));
    const verify = standardWebhooks.prepare([{ id: 'k', secret }], {});
    const ids = new Set<unknown>();
    for (const { headers, body } of acme.received) {
      const all = new Map(Object.entries(headers));
      const request = { headers: { one: (name: string) => all.get(name) }, body: Buffer.from(body) };
      const verdict = verify(request as never, Date.now());
      assert.equal(verdict.kind, 'verified');
      ids.add(headers['webhook-id']);
    }
    assert.equal(acme.received.length, 2);
    assert.equal(ids.size, 1);
  });

  test('OAuth 2.0: one token for many requests, a new one when it ends or is refused, once', async () => {
    let tokens = 0;
    const login = await partner(() => json({ access_token: `t${++tokens}`, token_type: 'Bearer', expires_in: 3600 }));
    const valid = new Set(['Bearer t1']);
    const acme = await partner(({ headers }) => ({ status: valid.has(headers.authorization ?? '') ? 200 : 401 }));
    const client = clientOf(acme, {
      kind: 'oauth2',
      tokenUrl: `${login.url}/token`,
      clientId: 'hos pital',
      clientSecret: 's',
      scope: 'orders.write',
      audience: '',
      clientAuthentication: 'header',
    });
    await Promise.all([client.send(order()), client.send(order()), client.send(order())]);
    assert.equal(login.received.length, 1);
    assert.equal(login.received[0]!.body, 'grant_type=client_credentials&scope=orders.write');
    assert.equal(login.received[0]!.headers.authorization, `Basic ${Buffer.from('hos%20pital:s').toString('base64')}`);
    valid.clear();
    valid.add('Bearer t2');
    await client.send(order());
    assert.equal(tokens, 2);
    valid.clear();
    const failed = await rejected(client.send(order()));
    assert.deepEqual([failed.class, failed.code, failed.outcome], ['policy-rejection', 'PARTNER_UNAUTHORIZED', 'none']);
    assert.equal(tokens, 3);
  });

  test('a token endpoint that refuses or is down fails before anything was sent, and tells no secret', async () => {
    for (const [status, expected] of [
      [400, 'policy-rejection'],
      [503, 'dependency-outage'],
    ] as const) {
      const login = await partner(() => json({ error: 'invalid_client' }, status));
      const acme = await partner();
      const client = clientOf(
        acme,
        {
          kind: 'oauth2',
          tokenUrl: login.url,
          clientId: 'c',
          clientSecret: 'very secret',
          scope: '',
          audience: 'orders',
          clientAuthentication: 'form',
        },
        { attempts: 1 },
      );
      const failed = await rejected(client.send(order()));
      assert.deepEqual([failed.class, failed.outcome], [expected, 'none']);
      assert.doesNotMatch(failed.message, /very secret/);
      assert.match(login.received[0]!.body, /client_secret=very\+secret/);
      assert.equal(acme.received.length, 0);
    }
  });

  test('a secret that is missing, or no secret of its kind, is refused at deploy and not repeated', async () => {
    const acme = await partner();
    for (const credentials of [
      { kind: 'bearer', token: '' },
      { kind: 'bearer', token: 'line\nbreak' },
      { kind: 'api-key', header: 'Host', key: 'k' },
      { kind: 'basic', user: 'a:b', password: 'p' },
      { kind: 'standard-webhooks', secret: 'whsec_short' },
    ] satisfies Credentials[]) {
      assert.throws(() => clientOf(acme, credentials), failure({ class: 'configuration', code: 'PARTNER_SETTING' }));
    }
  });
});

describe('what an answer means', () => {
  const cases: [number, string, string, string][] = [
    [301, 'configuration', 'PARTNER_REQUEST', 'none'],
    [400, 'data-quality', 'PARTNER_REFUSED', 'none'],
    [401, 'policy-rejection', 'PARTNER_UNAUTHORIZED', 'none'],
    [403, 'policy-rejection', 'PARTNER_FORBIDDEN', 'none'],
    [404, 'configuration', 'PARTNER_REQUEST', 'none'],
    [409, 'conflict', 'PARTNER_CONFLICT', 'none'],
    [413, 'data-quality', 'PARTNER_REFUSED', 'none'],
    [415, 'configuration', 'PARTNER_REQUEST', 'none'],
    [422, 'data-quality', 'PARTNER_REFUSED', 'none'],
    [429, 'saturation', 'PARTNER_SATURATED', 'none'],
    [500, 'dependency-outage', 'PARTNER_HTTP_500', 'unknown'],
    [503, 'dependency-outage', 'PARTNER_HTTP_503', 'unknown'],
  ];
  for (const [status, failureClass, code, outcome] of cases) {
    test(`${status} is ${failureClass}, outcome ${outcome}`, async () => {
      const acme = await partner(() => ({ status, headers: { location: 'http://127.0.0.1:9/elsewhere' } }));
      const failed = await rejected(clientOf(acme, { kind: 'none' }, { attempts: 1 }).send(order()));
      assert.deepEqual([failed.class, failed.code, failed.outcome], [failureClass, code, outcome]);
    });
  }

  test("the partner's words are evidence, bounded, and not in the message", async () => {
    const acme = await partner(() => json({ title: 'Unknown item', detail: 'x'.repeat(5_000), secret: 's' }, 422));
    const failed = await rejected(clientOf(acme).send(order({ answer: 'bytes' })));
    const detail = failed.detail as Record<string, string>;
    assert.equal(detail.title, 'Unknown item');
    assert.equal(detail.detail!.length, 1_000);
    assert.equal(detail.secret, undefined);
    assert.doesNotMatch(failed.message, /Unknown item/);
  });

  test('Retry-After is what the failure asks for, in seconds or as a date', async () => {
    const acme = await partner(() => ({ status: 429, headers: { 'retry-after': '120' } }));
    assert.equal((await rejected(clientOf(acme).send(order()))).retryAfter, 120_000);
    // Longer than a call may wait: the queue waits instead.
    assert.equal(acme.received.length, 1);
    const late = await partner(() => ({
      status: 503,
      headers: { 'retry-after': new Date(Date.now() + 90_000).toUTCString() },
    }));
    const { retryAfter } = await rejected(clientOf(late).send(order()));
    assert.ok(retryAfter !== undefined && retryAfter > 60_000 && retryAfter <= 90_000, String(retryAfter));
  });
});

describe('sending again', () => {
  test('a lost reply is tried again where the partner does it once, with the same key', async () => {
    const acme = await partner(
      () => ({ lost: true }),
      () => json({ ok: true }),
    );
    await clientOf(acme).send(order({ headers: { 'Idempotency-Key': 'P1' } }));
    assert.deepEqual(
      acme.received.map(({ headers }) => headers['idempotency-key']),
      ['P1', 'P1'],
    );
  });

  test('a lost reply without a key is not tried again, and nobody may do so blindly', async () => {
    const acme = await partner(() => ({ lost: true }));
    const failed = await rejected(clientOf(acme).send(order({ repeatable: false })));
    assert.equal(acme.received.length, 1);
    assert.deepEqual([failed.class, failed.outcome, failed.retryable], ['dependency-outage', 'unknown', false]);
  });

  test('a partner that is not there was sent nothing: that is tried again whatever the request', async () => {
    const gone = await partner();
    gone.close();
    const failed = await rejected(clientOf(gone, { kind: 'none' }, { attempts: 2 }).send(order({ repeatable: false })));
    assert.deepEqual([failed.class, failed.outcome, failed.retryable], ['dependency-outage', 'none', true]);
  });

  test('each try belongs to the trace of the message', async () => {
    const acme = await partner();
    const trace = '0af7651916cd43dd8448eb211c80319c';
    await clientOf(acme).send(order({ traceparent: `00-${trace}-b7ad6b7169203331-01` }));
    assert.equal(acme.received[0]!.headers.traceparent?.toString().slice(3, 35), trace);
  });
});

test('with nobody calling, a partner is found to be back, by its health path', async () => {
  let down = true;
  const acme = await partner(() => ({ status: down ? 503 : 404 }));
  const client = clientOf(
    acme,
    { kind: 'none' },
    {
      attempts: 1,
      healthPath: '/health',
      breaker: { minimum: 2, openFor: 5, openMost: 20 },
    },
  );
  const stop = client.keepProbing();
  for (let n = 0; n < 3; n++) await client.send(order()).catch(() => undefined);
  assert.notEqual(client.circuit.state.kind, 'closed');
  await waitUntil('it was probed in vain', () => acme.received.filter(({ url }) => url === '/health').length >= 2);
  down = false;
  await waitUntil('the breaker closed', () => client.circuit.state.kind === 'closed');
  stop();
});
