/** `npm run sandbox:order`: a supplier that sends signed orders, to the running `npm start` or to any address. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { generateOrders, orderDocument } from './order.ts';
import { type Delivery, deliveryOf, type Flaw, send } from './supplier.ts';

const runtime = process.env.HEALTHFLOWS_RUNTIME ?? fileURLToPath(new URL('../../.runtime', import.meta.url));
const lastOrder = join(runtime, 'last-order.json');

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' },
    secret: { type: 'string' },
    number: { type: 'string' },
    again: { type: 'boolean', default: false },
    count: { type: 'string' },
    concurrency: { type: 'string', default: '4' },
    duplicates: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    prefix: { type: 'string' },
    tries: { type: 'string', default: '1' },
    'bad-signature': { type: 'boolean', default: false },
    stale: { type: 'boolean', default: false },
    malformed: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (options.help) {
  console.log(`Usage: npm run sandbox:order -- [options]

Sends one order, or with --count many different ones, signed by Standard Webhooks.

  --url <address>      the flow's webhook. Default: the one of the running npm start; also ORDERS_URL
  --secret <whsec_…>   Default: the one of the running npm start; also ORDERS_SECRET
  --number <text>      the order's number. Default one of this second
  --again              send the last order once more, under the same message id
  --count <n>          send n different orders
  --seed <n>           which orders --count makes. Default 1
  --prefix <text>      begins their numbers. Default one of this second
  --concurrency <n>    orders under way at once. Default 4
  --duplicates <n>     send the first n of them twice
  --tries <n>          tries of an order without answer, or with 409, 429, 5xx. Default 1
  --bad-signature      sign with another secret
  --stale              sign an hour ago
  --malformed          cut the document's end off`);
  process.exit(0);
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}

const startFile = join(runtime, 'start.json');
const needStart = (): void => {
  if (!existsSync(startFile)) {
    fail('npm start is not running. Start it in another terminal first, or give --url and --secret.');
  }
};

function address(): string {
  const given = options.url ?? process.env.ORDERS_URL;
  if (given !== undefined) return given;
  needStart();
  return (JSON.parse(readFileSync(startFile, 'utf8')) as { ordersUrl: string }).ordersUrl;
}

function secretText(): string {
  const given = options.secret ?? process.env.ORDERS_SECRET;
  if (given !== undefined) return given;
  needStart();
  return readFileSync(join(runtime, 'webhook-secret'), 'utf8').trim();
}

const flaw: Flaw | undefined = options['bad-signature']
  ? 'bad-signature'
  : options.stale
    ? 'stale'
    : options.malformed
      ? 'malformed'
      : undefined;

function deliveries(): Delivery[] {
  const stamp = new Date().toISOString().replace(/\D/g, '').slice(2, 14);
  if (options.again) {
    if (!existsSync(lastOrder)) fail('No order was sent yet. Run npm run sandbox:order first.');
    return [{ ...(JSON.parse(readFileSync(lastOrder, 'utf8')) as Delivery), ...(flaw ? { flaw } : {}) }];
  }
  if (options.count !== undefined) {
    const prefix = options.prefix ?? `PO-${stamp}`;
    const orders = [...generateOrders(Number(options.count), { seed: Number(options.seed), prefix, first: 1 })];
    const sent = orders.map((order) => deliveryOf(order, flaw));
    return [...sent, ...sent.slice(0, Number(options.duplicates))];
  }
  const number = options.number ?? `PO-${stamp}`;
  const body = orderDocument(number);
  const delivery: Delivery = {
    id: `msg_${number}`,
    body: flaw === 'malformed' ? body.slice(0, -2) : body,
    ...(flaw ? { flaw } : {}),
  };
  return [delivery, ...(Number(options.duplicates) > 0 ? [delivery] : [])];
}

const all = deliveries();
const replies = await send(all, {
  url: address(),
  secret: secretText(),
  concurrency: Number(options.concurrency),
  tries: Number(options.tries),
  onReply: (reply) => {
    if (all.length > 20) return;
    console.log(`${reply.status === 0 ? 'no answer' : reply.status}  (message ${reply.id})`);
    console.log(reply.body);
  },
});

const counts = new Map<number, number>();
for (const { status } of replies) counts.set(status, (counts.get(status) ?? 0) + 1);
if (all.length > 1) {
  for (const [status, count] of [...counts].sort(([a], [b]) => a - b)) {
    console.log(`${String(count).padStart(6)} x ${status === 0 ? 'no answer' : status}`);
  }
}
const accepted = replies.every(({ status }) => status >= 200 && status < 300);
if (accepted && !options.again && all.length === 1 && flaw === undefined && existsSync(runtime)) {
  writeFileSync(lastOrder, JSON.stringify({ id: all[0]!.id, body: all[0]!.body } satisfies Delivery));
}
process.exitCode = accepted || flaw !== undefined ? 0 : 1;
