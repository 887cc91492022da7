/**
 * `npm run sandbox:order`: a supplier that sends one order to the running `npm start`, signed as Standard Webhooks
 * describes (https://www.standardwebhooks.com).
 */
import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { orderDocument } from './order.ts';

const runtime = fileURLToPath(new URL('../../.runtime', import.meta.url));
const lastOrder = join(runtime, 'last-order.json');

const { values: options } = parseArgs({
  options: {
    again: { type: 'boolean', default: false },
    'bad-signature': { type: 'boolean', default: false },
    number: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (options.help) {
  console.log(`Usage: npm run sandbox:order -- [options]

  --again            send the last order once more, under the same message id
  --bad-signature    sign with another secret
  --number <text>    the order's number. Default one of this second`);
  process.exit(0);
}

interface Sent {
  id: string;
  body: string;
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}

function toSend(): Sent {
  if (options.again) {
    if (!existsSync(lastOrder)) fail('No order was sent yet. Run npm run sandbox:order first.');
    return JSON.parse(readFileSync(lastOrder, 'utf8')) as Sent;
  }
  const number = options.number ?? `PO-${new Date().toISOString().replace(/\D/g, '').slice(2, 14)}`;
  return { id: `msg_${number}`, body: orderDocument(number) };
}

const startFile = join(runtime, 'start.json');
if (!existsSync(startFile)) fail('npm start is not running. Start it in another terminal first.');
const { ordersUrl } = JSON.parse(readFileSync(startFile, 'utf8')) as { ordersUrl: string };
const secret = options['bad-signature']
  ? randomBytes(24)
  : Buffer.from(readFileSync(join(runtime, 'webhook-secret'), 'utf8').slice('whsec_'.length), 'base64');

const { id, body } = toSend();
const timestamp = Math.floor(Date.now() / 1000);
const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
const response = await fetch(ordersUrl, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
  },
  body,
}).catch((error: Error) => fail(`No answer from ${ordersUrl}: ${error.message}`));

console.log(`${response.status} ${response.statusText}  (message ${id})`);
console.log(await response.text());
if (response.ok && !options.again) writeFileSync(lastOrder, JSON.stringify({ id, body } satisfies Sent));
process.exitCode = response.ok || options['bad-signature'] ? 0 : 1;
