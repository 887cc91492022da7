/** The webhook route inside applications that are not Node-RED's own `red.js`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embedNodeRed, type FlowNode, nodeRedVersions } from '../support/node-red.ts';
import { problemOf, send } from '../webhook/http.ts';
import { exampleSecret, signStandard } from '../webhook/sign.ts';

const flow: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'webhooks' },
  {
    id: 'in',
    z: 'tab',
    type: 'webhook-verifier',
    configVersion: 1,
    url: '/hooks/orders',
    keys: [{ id: 'k', slot: 1 }],
    credentials: { secret1: exampleSecret },
    wires: [['reply'], []],
  },
  { id: 'reply', z: 'tab', type: 'http response', statusCode: '202', headers: {}, wires: [] },
];

type Handler = (request: Record<string, unknown>, response: unknown, next: (error?: unknown) => void) => void;

const post = (url: string, body = '{"a": 1.0}') =>
  send(`${url}/hooks/orders`, { body, headers: { 'content-type': 'application/json', ...signStandard(body) } });

for (const version of nodeRedVersions) {
  test(`httpNodeMiddleware runs before our route, with the body unread, Node-RED ${version}`, async () => {
    const seen: unknown[] = [];
    const middleware: Handler = (request, _response, next) => {
      seen.push(request.path, (request as { readableDidRead?: boolean }).readableDidRead);
      setTimeout(next, 5);
    };
    const red = await embedNodeRed({ version, settings: { httpNodeMiddleware: [middleware] } });
    try {
      await red.setFlows(flow);
      assert.equal((await post(red.url)).status, 202);
      assert.deepEqual(seen, ['/hooks/orders', false]);
    } finally {
      await red.stop();
    }
  });

  test(`a body that was parsed before us fails closed, one kept as bytes verifies, Node-RED ${version}`, async () => {
    let keep = false;
    const parser: Handler = (request, _response, next) => {
      const stream = request as unknown as NodeJS.ReadableStream;
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const bytes = Buffer.concat(chunks);
        request.body = JSON.parse(bytes.toString());
        if (keep) request.rawBody = bytes;
        next();
      });
    };
    const red = await embedNodeRed({ version, settings: { httpNodeMiddleware: parser } });
    try {
      await red.setFlows(flow);
      const refused = await post(red.url);
      assert.equal(refused.status, 500);
      assert.equal(problemOf(refused).code, 'body-consumed-upstream');
      assert.ok(red.log.some(({ msg }) => String(msg).includes('body-consumed-upstream')));
      keep = true;
      assert.equal((await post(red.url)).status, 202);
    } finally {
      await red.stop();
    }
  });

  test(`a request by wire verifies from its raw bytes and is refused with a parsed body, Node-RED ${version}`, async () => {
    const red = await embedNodeRed({ version });
    const wired = flow.map((node) => (node.id === 'in' ? { ...node, url: '', wires: [['ok'], ['bad']] } : node));
    try {
      await red.setFlows([
        ...wired,
        { id: 'ok', z: 'tab', type: 'junction', wires: [[]] },
        { id: 'bad', z: 'tab', type: 'junction', wires: [[]] },
        { id: 'catch', z: 'tab', type: 'catch', scope: ['in'], wires: [['caught']] },
        { id: 'caught', z: 'tab', type: 'junction', wires: [[]] },
      ]);
      const body = '{"a": 1.0}';
      const headers = { 'content-type': 'application/json', ...signStandard(body) };
      const verified = red.receive('ok');
      red.node('in').receive({ payload: Buffer.from(body), req: { headers, method: 'POST', originalUrl: '/x' } });
      assert.deepEqual((await verified)[0]?.payload, { a: '1.0' });

      const rejected = red.receive('bad');
      red.node('in').receive({ payload: Buffer.from('{"a": 1.1}'), headers });
      assert.equal(((await rejected)[0]!.failure as { code: string }).code, 'SIGNATURE_INVALID');

      const caught = red.receive('caught');
      red.node('in').receive({ payload: { a: 1 }, req: { headers } });
      assert.equal(((await caught)[0]!.failure as { code: string }).code, 'BODY_ALREADY_PARSED');
    } finally {
      await red.stop();
    }
  });
}
