import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { products, suppliers } from '../../sandbox/odoo/index.ts';
import { generateOrders } from '../../sandbox/supplier/order.ts';
import { deliveryOf, keyOf, send, signedHeaders } from '../../sandbox/supplier/supplier.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

describe('the sandbox supplier', () => {
  interface Got {
    headers: IncomingMessage['headers'];
    body: string;
  }
  const got: Got[] = [];
  let answers: number[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    got.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
    response.writeHead(answers.shift() ?? 202).end('{}');
  });
  let url: string;
  before(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`;
  });
  after(() => server.close());
  beforeEach(() => {
    got.length = 0;
    answers = [];
  });

  const signatureHolds = ({ headers, body }: Got): boolean => {
    const signed = `${headers['webhook-id'] as string}.${headers['webhook-timestamp'] as string}.${body}`;
    return headers['webhook-signature'] === `v1,${createHmac('sha256', keyOf(secret)).update(signed).digest('base64')}`;
  };

  it('signs as the vector of the Standard Webhooks reference libraries says', () => {
    const headers = signedHeaders(keyOf(secret), 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}');
    assert.equal(headers['webhook-signature'], 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  });

  it('makes as many different valid orders as asked, the same for the same seed', () => {
    const orders = [...generateOrders(300, { seed: 7 })];
    assert.equal(new Set(orders.map((order) => order.orderNumber)).size, 300);
    const skus = new Set<string>(products.map(({ sku }) => sku));
    const codes = new Set<string>(suppliers.map(({ ref }) => ref));
    for (const { lines, supplier } of orders) {
      assert.ok(codes.has(supplier.code));
      assert.ok(lines.length >= 1 && lines.length <= 5);
      assert.equal(new Set(lines.map(({ sku }) => sku)).size, lines.length);
      for (const line of lines) {
        assert.ok(skus.has(line.sku));
        assert.match(line.unitPrice, /^\d+\.\d\d$/);
        assert.match(line.qty, /^[1-9]\d*$/);
        assert.match(line.needBy, /^\d{4}-\d\d-\d\d$/);
      }
    }
    const day = { now: new Date('2026-11-23T00:00:00Z') };
    assert.deepEqual([...generateOrders(20, { seed: 7, ...day })], [...generateOrders(20, { seed: 7, ...day })]);
    assert.notDeepEqual([...generateOrders(20, { seed: 7, ...day })], [...generateOrders(20, { seed: 8, ...day })]);
  });

  it('sends what it signed, duplicates under the same id', async () => {
    const deliveries = [...generateOrders(5)].map((order) => deliveryOf(order));
    const replies = await send([...deliveries, deliveries[0]!], { url, secret, concurrency: 3 });
    assert.deepEqual(
      replies.map(({ status }) => status),
      Array(6).fill(202),
    );
    assert.ok(got.every(signatureHolds));
    assert.equal(new Set(got.map(({ headers }) => headers['webhook-id'])).size, 5);
  });

  it('spoils what it is asked to spoil, and only that', async () => {
    const [order] = generateOrders(1);
    await send([deliveryOf(order!, 'bad-signature'), deliveryOf(order!, 'stale'), deliveryOf(order!, 'malformed')], {
      url,
      secret,
      concurrency: 1,
    });
    const [bad, stale, malformed] = got;
    assert.equal(signatureHolds(bad!), false);
    assert.ok(signatureHolds(stale!));
    assert.ok(Date.now() / 1000 - Number(stale!.headers['webhook-timestamp']) >= 3600);
    assert.ok(signatureHolds(malformed!));
    assert.throws(() => JSON.parse(malformed!.body));
  });

  it('tries again under the same id after 503, not after 401', async () => {
    const [order] = generateOrders(1);
    answers = [503, 202];
    const [again] = await send([deliveryOf(order!)], { url, secret, tries: 3 });
    assert.deepEqual([again?.status, again?.tries], [202, 2]);
    assert.equal(got[0]!.headers['webhook-id'], got[1]!.headers['webhook-id']);
    answers = [401, 202];
    const [refused] = await send([deliveryOf(order!)], { url, secret, tries: 3 });
    assert.deepEqual([refused?.status, refused?.tries], [401, 1]);
  });

  it('says no answer where nobody listens', async () => {
    const [order] = generateOrders(1);
    const [reply] = await send([deliveryOf(order!)], { url: 'http://127.0.0.1:9/', secret });
    assert.equal(reply?.status, 0);
  });
});
