/**
 * Hostile requests: none is taken, none breaks anything. A small draw; `FUZZ_REQUESTS` and `FUZZ_SEED` change count and
 * draw, and `npm run campaign -- fuzz` takes a million.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { schemeOf } from '../../../nodes/webhook/schemes/index.ts';
import { decide } from '../../../nodes/webhook/verification/verifier.ts';
import { startNodeRed } from '../../support/node-red.ts';
import { request } from '../../webhook/fixture.ts';
import { exampleSecret, signStandard } from '../../webhook/sign.ts';
import { send } from '../../webhook/http.ts';
import { distort, type HostileRequest, oddBodies, pick, type Random, seeded, targets } from './hostile.ts';

const count = Number(process.env.FUZZ_REQUESTS ?? 20_000);
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);
const seconds = 1_700_000_000;
const limits = { depth: 64, members: 10_000 };

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

/** A request that must not be taken: signed with a secret that the endpoint does not have, then distorted. */
function draw(random: Random, target: (typeof targets)[number]): HostileRequest {
  const body = pick(random, [Buffer.from('{"order":1}'), ...oddBodies]);
  const hostile: HostileRequest = {
    headers: {},
    body,
    url: 'https://hooks.example.org/orders',
    method: 'POST',
    parameters: {},
    peer: '192.0.2.1',
    ...target.build(target.wrong, body, seconds),
  };
  if (hostile.headers['content-type'] === undefined) hostile.headers['content-type'] = 'application/json';
  distort(random, hostile);
  return hostile;
}

test(`${count} hostile requests through every scheme: no accept, no throw, memory flat (seed ${seed})`, (t) => {
  const random = seeded(seed);
  const verifiers = targets.map((target) => ({
    target,
    verify: schemeOf(target.scheme).prepare([{ id: 'k1', secret: target.secret }], target.options),
  }));
  for (const { target, verify } of verifiers) {
    const honest = request({
      body: '{"order":1}',
      headers: { 'content-type': 'application/json' },
      ...target.build(target.secret, Buffer.from('{"order":1}'), seconds),
    });
    assert.equal(verify(honest, (target.at ?? seconds) * 1000).kind, 'verified', `the honest ${target.scheme} request`);
  }
  let heap = 0;
  const warm = Math.floor(count / 5);
  for (let i = 0; i < count; i++) {
    const { target, verify } = verifiers[i % verifiers.length]!;
    const hostile = draw(random, target);
    const decision = decide(verify, request(hostile), limits, (target.at ?? seconds) * 1000);
    assert.equal(decision.kind, 'refused', `request ${i}, ${target.scheme}: ${JSON.stringify(hostile)}`);
    if (i === warm) heap = heapAfterCollection();
  }
  const growth = heapAfterCollection() - heap;
  assert.ok(growth < 16 * 1024 * 1024, `the heap grew by ${Math.round(growth / 1024)} KiB`);
  t.diagnostic(`campaign: ${count} requests, none taken, heap ${Math.round(growth / 1024)} KiB larger, seed ${seed}`);
});

test(`authentic bytes of every odd kind: parsed or refused, no throw (seed ${seed})`, () => {
  const random = seeded(seed + 1);
  const github = targets.find(({ scheme }) => scheme === 'github')!;
  const verify = schemeOf('github').prepare([{ id: 'k1', secret: github.secret }], {});
  for (let i = 0; i < Math.ceil(count / 10); i++) {
    const body = Buffer.concat([
      pick(random, oddBodies),
      Buffer.from([Math.floor(random() * 256)]),
      pick(random, oddBodies),
    ]);
    const type = pick(random, ['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'x', '']);
    const parts = github.build(github.secret, body, seconds);
    const signed = request({ body, headers: { ...parts.headers, 'content-type': type } });
    const decision = decide(verify, signed, limits, seconds * 1000);
    assert.ok(decision.kind === 'accepted' || decision.code === 'malformed');
    assert.equal(({} as { a?: unknown }).a, undefined);
  }
});

/** What HTTP can carry of a hostile request, and some things it cannot. */
function rawRequest(random: Random): Buffer {
  const body = pick(random, oddBodies);
  const signed = signStandard(body, { secret: `whsec_${Buffer.alloc(24, 9).toString('base64')}` });
  const clean = (text: string) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');
  const headers: string[] = [];
  for (const [name, value] of Object.entries(signed)) {
    const how = random();
    if (how < 0.1) continue;
    headers.push(`${name}: ${clean(how < 0.3 ? `${value}${String.fromCharCode(32 + random() * 90)}` : value)}`);
    if (how > 0.9) headers.push(`${name}: ${value}`);
  }
  headers.push(
    `Content-Type: ${pick(random, ['application/json', 'application/json', 'text/plain', ';;', 'application/json; charset=x'])}`,
  );
  if (random() < 0.05) headers.push('Content-Encoding: gzip');
  if (random() < 0.05) for (let i = 0; i < 120; i++) headers.push(`X-${i}: ${i}`);
  if (random() < 0.03) headers.push(`X-Long: ${'a'.repeat(20_000)}`);
  const path = pick(random, [
    '/hooks/orders',
    '/hooks/orders',
    '/hooks/orders?x=%00',
    '/hooks/%zz/in',
    '/hooks/x%2fy/in',
    'http://x/hooks/orders',
    '/hooks//orders',
    '/hooks/orders/',
  ]);
  const start = pick(random, ['POST', 'POST', 'POST', 'POST', 'PUT', 'GET']);
  const framing = random();
  if (framing < 0.6) headers.push(`Content-Length: ${body.length}`);
  else if (framing < 0.7) headers.push(`Content-Length: ${body.length + 10}`);
  else if (framing < 0.75) headers.push('Content-Length: 99999999999');
  else if (framing < 0.9) headers.push('Transfer-Encoding: chunked');
  else if (framing < 0.95) headers.push('Transfer-Encoding: chunked', `Content-Length: ${body.length}`);
  const chunked = framing >= 0.75 && framing < 0.95;
  const content = chunked
    ? Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n0\r\n\r\n')])
    : body;
  const bytes = Buffer.concat([
    Buffer.from(
      `${start} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.join('\r\n')}\r\n\r\n`,
      'latin1',
    ),
    content,
  ]);
  return random() < 0.1 ? bytes.subarray(0, Math.floor(bytes.length * random())) : bytes;
}

/** Sends bytes and resolves with the status line's code; undefined when the server hung up without one. */
async function exchange(port: number, bytes: Buffer): Promise<number | undefined> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.end(bytes);
  await once(socket, 'close');
  const status = /^HTTP\/1\.1 (\d{3})/.exec(Buffer.concat(chunks).toString('latin1'));
  return status === null ? undefined : Number(status[1]);
}

const overHttp = Math.max(1000, Math.min(Math.ceil(count / 25), 20_000));

test(`${overHttp} hostile requests over HTTP: no 2xx, no 5xx but 503, Node-RED lives on (seed ${seed})`, async (t) => {
  const random = seeded(seed + 2);
  const red = await startNodeRed({
    flows: [
      { id: 'tab', type: 'tab', label: 'webhooks' },
      ...['/hooks/orders', '/hooks/:supplier/in'].map((url, index) => ({
        id: `in${index}`,
        z: 'tab',
        type: 'webhook-verifier',
        configVersion: 1,
        url,
        bodyLimit: 64,
        bodyTimeout: 1,
        keys: [{ id: 'k', slot: 1 }],
        credentials: { secret1: exampleSecret },
        wires: [['reply'], []],
      })),
      { id: 'reply', z: 'tab', type: 'http response', statusCode: '202', headers: {}, wires: [] },
    ],
  });
  try {
    const statuses = new Map<number | undefined, number>();
    let left = overHttp;
    const worker = async () => {
      while (left-- > 0) {
        const bytes = rawRequest(random);
        const status = await exchange(red.port, bytes);
        const allowed = status === undefined || (status >= 400 && status < 500) || status === 503;
        // A GET of an unknown path is answered by the editor's router.
        assert.ok(allowed, `${status} to ${JSON.stringify(bytes.toString('latin1').slice(0, 2000))}`);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    for (const status of [400, 401, 413, 415, 429])
      assert.ok(statuses.has(status), `${status} among ${JSON.stringify([...statuses])}`);
    const honest = await send(`${red.url}/hooks/orders`, {
      body: '{}',
      headers: { 'content-type': 'application/json', ...signStandard('{}') },
    });
    assert.equal(honest.status, 202, honest.body);
    assert.equal(red.exit(), undefined);
    assert.ok(red.rss() < 300 * 1024 * 1024, `RSS ${red.rss()}`);
    t.diagnostic(`campaign: ${overHttp} over HTTP: ${JSON.stringify(Object.fromEntries(statuses))}`);
  } finally {
    await red.stop();
  }
});
