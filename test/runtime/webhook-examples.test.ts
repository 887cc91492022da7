/** The ingress examples work as they are imported, with their secrets in the environment. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type FlowNode, type NodeRed, packageRoot, startNodeRed } from '../support/node-red.ts';
import { send } from '../webhook/http.ts';
import { exampleSecret, signStandard } from '../webhook/sign.ts';

const folder = join(packageRoot, 'examples/01 Ingress');
const json = { 'content-type': 'application/json' };

describe('ingress examples', () => {
  let red: NodeRed;
  const stripe = 'whsec_of the Stripe example';
  const token = 'token-of-the-odoo-example';
  before(async () => {
    const flows = readdirSync(folder).flatMap(
      (file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as FlowNode[],
    );
    red = await startNodeRed({
      flows,
      env: { PARTNER_WEBHOOK_SECRET: exampleSecret, STRIPE_WEBHOOK_SECRET: stripe, ODOO_WEBHOOK_TOKEN: token },
    });
  });
  after(() => red.stop());

  test('a signed order is answered 202, an unsigned one 401', async () => {
    const body = '{"order":"1001"}';
    const taken = await send(`${red.url}/hooks/orders`, { body, headers: { ...json, ...signStandard(body) } });
    assert.deepEqual([taken.status, taken.body], [202, '{"accepted":true}']);
    assert.equal((await send(`${red.url}/hooks/orders`, { body, headers: json })).status, 401);
  });

  test('a Stripe event behind http in is verified by its raw bytes', async () => {
    const body = '{"type":"charge.succeeded", "amount":10.50}';
    const at = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', stripe).update(`${at}.${body}`).digest('hex');
    const headers = { ...json, 'stripe-signature': `t=${at},v1=${signature}` };
    assert.equal((await send(`${red.url}/payments/events`, { body, headers })).status, 200);
    const refused = await send(`${red.url}/payments/events`, { body: `${body} `, headers });
    assert.equal(refused.status, 401);
    assert.match(String(refused.headers['content-type']), /^application\/problem\+json/);
  });

  test('a notification from Odoo needs its token, which is in no log', async () => {
    const body = '{"_id":7,"_model":"purchase.order"}';
    assert.equal((await send(`${red.url}/hooks/odoo/${token}`, { body, headers: json })).status, 202);
    assert.equal((await send(`${red.url}/hooks/odoo/another-token`, { body, headers: json })).status, 401);
    assert.ok(!red.logs().includes(token));
  });
});
