/** The webhook route in real Node-RED as users start it, on both supported versions. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FlowNode, type NodeRed, nodeRedVersions, startNodeRed } from '../support/node-red.ts';
import { problemOf, type Reply, type SendOptions, send } from '../webhook/http.ts';
import { exampleSecret, signStandard } from '../webhook/sign.ts';

function verifier(id: string, settings: Record<string, unknown>, wires: string[][]): FlowNode {
  return {
    id,
    z: 'tab',
    type: 'webhook-verifier',
    configVersion: 1,
    keys: [{ id: 'k', slot: 1 }],
    credentials: { secret1: exampleSecret },
    ...settings,
    wires,
  };
}

function functionNode(id: string, func: string, next: string): FlowNode {
  return { id, z: 'tab', type: 'function', func, outputs: 1, initialize: '', finalize: '', libs: [], wires: [[next]] };
}

/** Echoes what the flow was given. */
const echo = `
  const bytes = Buffer.isBuffer(msg.payload) ? msg.payload.toString('base64') : undefined;
  msg.payload = { payload: bytes ?? msg.payload, event: msg.event, verification: msg.verification, req: msg.req };
  msg.statusCode = 202;
  return msg;`;

function flow(extra: readonly FlowNode[] = []): FlowNode[] {
  return [
    { id: 'tab', type: 'tab', label: 'webhooks' },
    verifier('open', { url: '/hooks/orders', bodyLimit: 64, bodyTimeout: 1 }, [['echo'], []]),
    verifier(
      'params',
      {
        url: '/hooks/:supplier/in',
        contentTypes: 'application/json, text/plain, application/octet-stream, application/x-www-form-urlencoded',
      },
      [['echo'], []],
    ),
    verifier('silent', { url: '/hooks/silent', replyTimeout: 1 }, [[], []]),
    verifier('own', { url: '/hooks/own', answer: false }, [['echo'], ['teapot']]),
    functionNode('echo', echo, 'reply'),
    functionNode('teapot', 'msg.statusCode = 418; return msg;', 'reply'),
    { id: 'reply', z: 'tab', type: 'http response', statusCode: '', headers: {}, wires: [] },
    // A core route beside ours: the body parsers must still serve it.
    {
      id: 'core',
      z: 'tab',
      type: 'http in',
      url: '/core',
      method: 'post',
      upload: false,
      swaggerDoc: '',
      wires: [['core-echo']],
    },
    functionNode('core-echo', 'msg.payload = { type: typeof msg.payload, payload: msg.payload }; return msg;', 'reply'),
    ...extra,
  ];
}

const json = { 'content-type': 'application/json' };

function post(url: string, body: Buffer | string, options: SendOptions = {}): Promise<Reply> {
  return send(url, { body, ...options, headers: { ...json, ...signStandard(body), ...(options.headers as object) } });
}

for (const version of nodeRedVersions) {
  for (const roots of [undefined, { admin: '/admin', node: '/api' }]) {
    const where = roots === undefined ? 'default roots' : `httpNodeRoot ${roots.node}`;
    describe(`webhook route, Node-RED ${version}, ${where}`, () => {
      let red: NodeRed;
      before(async () => {
        red = await startNodeRed({ version, flows: flow(), ...(roots === undefined ? {} : { roots }) });
      });
      after(() => red.stop());

      test('the exact bytes are verified and the document is handed on without loss', async () => {
        const body = '{"b": 1.0, "n":12345678901234567890,\r\n "a":"first","a":"\\u00e9"}';
        const reply = await post(`${red.url}/hooks/orders`, body);
        assert.equal(reply.status, 202, reply.body);
        const { payload, event, verification } = JSON.parse(reply.body);
        assert.deepEqual(payload, { b: '1.0', n: '12345678901234567890', a: 'é' });
        assert.equal(verification.keyId, 'k');
        assert.equal(event.id, verification.messageId);
        assert.equal(event.correlationid, event.id);
        assert.equal(reply.headers['x-correlation-id'], event.id);
      });

      test('bytes that are no text arrive as they were sent', async () => {
        const body = Buffer.from([0, 0xff, 0xfe, 0xef, 0xbb, 0xbf, 0x0d, 0x0a, 0x80]);
        const reply = await post(`${red.url}/hooks/acme/in`, body, {
          headers: { 'content-type': 'application/octet-stream' },
        });
        assert.equal(reply.status, 202, reply.body);
        const { payload, req } = JSON.parse(reply.body);
        assert.equal(payload, body.toString('base64'));
        assert.deepEqual(req.params, { supplier: 'acme' });
      });

      test('a chunked body is verified as a whole', async () => {
        const body = Buffer.from(JSON.stringify({ text: 'x'.repeat(10_000) }));
        const reply = await post(`${red.url}/hooks/orders`, body, {
          write: (request) => {
            for (let at = 0; at < body.length; at += 999) request.write(body.subarray(at, at + 999));
            request.end();
          },
        });
        assert.equal(reply.status, 202, reply.body.slice(0, 300));
      });

      test('a correlation id and a trace from outside go on', async () => {
        const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
        const reply = await post(`${red.url}/hooks/orders`, '{}', {
          headers: { 'x-correlation-id': 'order-4711', traceparent: trace },
        });
        const { event } = JSON.parse(reply.body);
        assert.equal(event.correlationid, 'order-4711');
        assert.equal(event.traceparent.slice(0, 36), trace.slice(0, 36));
        assert.notEqual(event.traceparent, trace);
      });

      test('what is refused says why, as problem+json with a correlation id', async () => {
        const body = '{"a":1}';
        const signed = { ...json, ...signStandard(body) };
        const cases: [string, SendOptions, number, string][] = [
          ['no signature', { body, headers: json }, 401, 'signature-missing'],
          ['another body', { body: '{"a":2}', headers: signed }, 401, 'signature-invalid'],
          [
            'an old time',
            { body, headers: { ...json, ...signStandard(body, { timestamp: 1614265330 }) } },
            401,
            'signature-stale',
          ],
          ['no JSON', { body: '{"a":', headers: { ...json, ...signStandard('{"a":') } }, 400, 'malformed'],
          [
            'a prototype key',
            { body: '{"__proto__":1}', headers: { ...json, ...signStandard('{"__proto__":1}') } },
            400,
            'malformed',
          ],
          [
            'too deep',
            { body: '['.repeat(65), headers: { ...json, ...signStandard('['.repeat(65)) } },
            400,
            'malformed',
          ],
          ['another type', { body, headers: { ...signed, 'content-type': 'text/xml' } }, 415, 'media-type'],
          ['no type', { body, headers: signStandard(body) as Record<string, string> }, 415, 'media-type'],
          [
            'another charset',
            { body, headers: { ...signed, 'content-type': 'application/json; charset=utf-16' } },
            415,
            'media-type',
          ],
          ['compressed', { body, headers: { ...signed, 'content-encoding': 'gzip' } }, 415, 'content-encoding'],
          ['too large', { body: ' '.repeat(70_000), headers: signed }, 413, 'body-too-large'],
          [
            'too large, chunked',
            { headers: signed, write: (r) => void r.write(' '.repeat(70_000)) },
            413,
            'body-too-large',
          ],
          [
            'too slow',
            { headers: { ...signed, 'content-length': '7' }, write: (r) => void r.write('{') },
            408,
            'body-timeout',
          ],
          [
            'many headers',
            {
              body,
              headers: { ...signed, ...Object.fromEntries(Array.from({ length: 110 }, (_, i) => [`x-${i}`, 'y'])) },
            },
            431,
            'headers-too-large',
          ],
        ];
        for (const [what, options, status, code] of cases) {
          const reply = await send(`${red.url}/hooks/orders`, options);
          assert.equal(reply.status, status, `${what}: ${reply.body}`);
          assert.equal(reply.headers['content-type'], 'application/problem+json', what);
          const problem = problemOf(reply);
          assert.equal(problem.code, code, what);
          assert.match(problem.type, new RegExp(`^urn:healthflows:problem:[a-z-]+:${code}$`), what);
          assert.ok(problem.correlationId.length > 8, what);
          assert.equal(reply.headers['x-correlation-id'], problem.correlationId, what);
          assert.ok(!reply.body.includes('MfKQ9r8G'), what);
        }
      });

      test('a repeated signature header is refused, though one of the two is right', async () => {
        const signed = signStandard('{}');
        const raw = Object.entries({ ...json, ...signed, 'content-length': '2', host: 'x' }).flat();
        const reply = await send(`${red.url}/hooks/orders`, {
          headers: [...raw, 'webhook-signature', 'v1,AAAA'] as never,
          body: '{}',
        });
        assert.equal(problemOf(reply).code, 'ambiguous-request', reply.body);
      });

      test('a path has one spelling: other letter case and methods are not ours', async () => {
        for (const path of ['/HOOKS/orders', '/hooks/orders/x', '/hooks']) {
          assert.equal((await post(`${red.url}${path}`, '{}')).status, 404, path);
        }
        assert.equal((await send(`${red.url}/hooks/orders`, { method: 'GET' })).status, 404);
        assert.equal((await post(`${red.url}/hooks/orders/?x=1`, '{}')).status, 202);
      });

      test("core's own routes and the admin API keep their parsed bodies", async () => {
        const reply = await send(`${red.url}/core`, { headers: json, body: '{"a": 1.0}' });
        assert.deepEqual(JSON.parse(reply.body), { type: 'object', payload: { a: 1 } });
      });

      test('without a reply from the flow the caller gets 503 and Retry-After', async () => {
        const reply = await post(`${red.url}/hooks/silent`, '{}');
        assert.equal(reply.status, 503);
        assert.equal(problemOf(reply).code, 'no-reply-in-time');
        assert.match(String(reply.headers['retry-after']), /^\d+$/);
      });

      test('with "Answer" off the flow answers what is rejected', async () => {
        const reply = await send(`${red.url}/hooks/own`, { headers: { ...json, ...signStandard('{}') }, body: '{ }' });
        assert.equal(reply.status, 418);
        assert.equal(problemOf(reply).code, 'signature-invalid');
      });

      test('a caller that goes away in the middle leaves nothing behind', async () => {
        const { hostname, port } = new URL(red.url);
        for (let i = 0; i < 20; i++) {
          const socket = connect(Number(port), hostname);
          await once(socket, 'connect');
          socket.write(
            'POST /hooks/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{',
          );
          socket.destroy();
        }
        assert.equal((await post(`${red.url}/hooks/orders`, '{}')).status, 202);
        assert.ok(!/uncaught|unhandled/i.test(red.logs()), red.logs());
      });

      for (const type of ['full', 'flows', 'nodes'] as const) {
        test(`a ${type} deploy under load: no 404, nothing hangs, 503 says when to come again`, async () => {
          const replies: Reply[] = [];
          let stop = false;
          const senders = Array.from({ length: 8 }, async () => {
            while (!stop) replies.push(await post(`${red.url}/hooks/orders`, '{"n":1}'));
          });
          for (let round = 0; round < 3; round++) {
            const before = replies.length;
            // What changes: the verifier itself, the node behind it, the reply node.
            const changed = flow().map((node) => {
              if (node.id === 'open') return { ...node, maxPending: 900 + round };
              if (node.id === 'echo' && round === 1) return { ...node, func: `${echo}\n// ${type} ${round}` };
              return node.id === 'reply' ? { ...node, name: `${type} ${round}` } : node;
            });
            await red.deploy(changed, type);
            while (replies.length < before + 20) await sleep(5);
          }
          stop = true;
          await Promise.all(senders);
          const statuses = new Map<number, number>();
          for (const { status } of replies) statuses.set(status, (statuses.get(status) ?? 0) + 1);
          assert.deepEqual(
            [...statuses.keys()].filter((status) => status !== 202 && status !== 503),
            [],
            JSON.stringify([...statuses]),
          );
          for (const reply of replies) {
            if (reply.status === 503) assert.match(String(reply.headers['retry-after']), /^\d+$/);
          }
          assert.ok((statuses.get(202) ?? 0) > 0);
        });
      }

      test('a route that is deleted is gone after the deploy, and one that moves is at its new place', async () => {
        const moved = flow()
          .filter(({ id }) => id !== 'silent')
          .map((node) => (node.id === 'own' ? { ...node, url: '/hooks/moved' } : node));
        await red.deploy(moved, 'nodes');
        assert.equal((await post(`${red.url}/hooks/silent`, '{}')).status, 404);
        assert.equal((await post(`${red.url}/hooks/own`, '{}')).status, 404);
        assert.equal((await post(`${red.url}/hooks/moved`, '{}')).status, 202);
        await red.deploy(flow());
        assert.equal((await post(`${red.url}/hooks/own`, '{}')).status, 202);
      });

      test('an http in on the same path comes and goes without taking our route with it', async () => {
        const rival: FlowNode = {
          id: 'rival',
          z: 'tab',
          type: 'http in',
          url: '/hooks/orders',
          method: 'post',
          upload: false,
          skipBodyParsing: true,
          swaggerDoc: '',
          wires: [['core-echo']],
        };
        const from = red.logs().length;
        await red.deploy(flow([rival]), 'nodes');
        await red.waitForLog(/raw http in on the same route/, { from });
        assert.equal((await post(`${red.url}/hooks/orders`, '{"a":1}')).status, 202);
        const large = await post(`${red.url}/hooks/orders`, ' '.repeat(70_000));
        assert.equal(large.status, 413, 'the limit holds though core has read the body');
        await red.deploy(flow(), 'nodes');
        assert.equal((await post(`${red.url}/hooks/orders`, '{"a":1}')).status, 202);
      });

      test('a route that would take every address leaves the editor its own', async () => {
        const greedy = verifier('greedy', { url: '/:partner', corsOrigins: 'https://portal.example.org' }, [
          ['echo'],
          [],
        ]);
        await red.deploy(flow([greedy]), 'nodes');
        assert.equal((await post(`${red.url}/acme`, '{}')).status, 202);
        const preflight = await send(`${red.adminUrl}/flows`, {
          method: 'OPTIONS',
          headers: { origin: 'https://portal.example.org', 'access-control-request-method': 'POST' },
        });
        assert.notEqual(preflight.headers['access-control-allow-origin'], 'https://portal.example.org');
        await red.deploy(flow());
        assert.equal((await post(`${red.url}/acme`, '{}')).status, 404);
      });

      test('two nodes on one route: the first works, the second says who has it', async () => {
        const from = red.logs().length;
        await red.deploy(flow([verifier('twin', { url: '/hooks/orders' }, [[], []])]), 'nodes');
        await red.waitForLog(/ROUTE_TAKEN/, { from });
        assert.equal((await post(`${red.url}/hooks/orders`, '{}')).status, 202);
        await red.deploy(flow());
      });

      test('after too many failures of one source the rest are answered 429, honest ones still 202', async () => {
        const limited = flow([verifier('limited', { url: '/hooks/limited', failureLimit: 5 }, [['echo'], []])]);
        await red.deploy(limited, 'nodes');
        const codes: string[] = [];
        for (let i = 0; i < 8; i++) {
          codes.push(
            problemOf(
              await send(`${red.url}/hooks/limited`, { headers: { ...json, ...signStandard('{}') }, body: '{ }' }),
            ).code,
          );
        }
        assert.deepEqual(codes, [
          ...Array<string>(5).fill('signature-invalid'),
          ...Array<string>(3).fill('too-many-failures'),
        ]);
        assert.equal((await post(`${red.url}/hooks/limited`, '{}')).status, 202);
      });

      test('beyond the set number of waiting requests callers get 503 at once', async () => {
        const narrow = flow([verifier('narrow', { url: '/hooks/narrow', maxPending: 2, replyTimeout: 5 }, [[], []])]);
        await red.deploy(narrow, 'nodes');
        const waiting = [post(`${red.url}/hooks/narrow`, '{}'), post(`${red.url}/hooks/narrow`, '{}')];
        const codes = new Set<string>();
        while (!codes.has('saturated')) codes.add(problemOf(await post(`${red.url}/hooks/narrow`, '{}')).code);
        for (const reply of await Promise.all(waiting)) assert.equal(reply.status, 503);
      });
    });
  }

  test(`httpNodeAuth is asked before a byte of the body is read, Node-RED ${version}`, async () => {
    const pass = createHash('md5').update('for tests only').digest('hex');
    const red = await startNodeRed({ version, flows: flow(), settings: { httpNodeAuth: { user: 'acme', pass } } });
    const basic = `Basic ${Buffer.from('acme:for tests only').toString('base64')}`;
    try {
      const refused = await post(`${red.url}/hooks/orders`, '{}');
      assert.equal(refused.status, 401);
      assert.match(String(refused.headers['www-authenticate']), /^Basic/);
      const endless = await send(`${red.url}/hooks/orders`, {
        headers: json,
        write: (request) => void request.write(' '.repeat(100_000)),
      });
      assert.equal(endless.status, 401);
      const taken = await post(`${red.url}/hooks/orders`, '{"a": 1.0}', { headers: { authorization: basic } });
      assert.equal(taken.status, 202, taken.body);
    } finally {
      await red.stop();
    }
  });

  test(`a restart after kill -9 answers 503 or nothing until the flows run, never 404, Node-RED ${version}`, async () => {
    const red = await startNodeRed({ version, flows: flow() });
    try {
      const statuses = new Set<number>();
      for (let round = 0; round < 2; round++) {
        await red.kill();
        let stop = false;
        const senders = Array.from({ length: 4 }, async () => {
          while (!stop) {
            // Nobody listens yet: that is no answer.
            const reply = await post(`${red.url}/hooks/orders`, '{}').catch(() => sleep(1));
            if (reply !== undefined) statuses.add(reply.status);
          }
        });
        await red.restart();
        while (!statuses.has(202)) await sleep(5);
        stop = true;
        await Promise.all(senders);
      }
      statuses.delete(202);
      statuses.delete(503);
      assert.deepEqual([...statuses], []);
      assert.equal((await post(`${red.url}/hooks/unknown`, '{}')).status, 404);
    } finally {
      await red.stop();
    }
  });

  test(`the dialog's check shows which step fails, with the saved secret, Node-RED ${version}`, async () => {
    const red = await startNodeRed({ version, flows: flow() });
    const signed = Object.entries({ ...json, ...signStandard('{"a":1}', { id: 'msg_1', timestamp: 1614265330 }) });
    const capture = (body: string) =>
      `POST /hooks/orders HTTP/1.1\n${signed.map(([name, value]) => `${name}: ${value}`).join('\n')}\n\n${body}`;
    const check = async (body: string, at: string, secret = '__PWRD__') => {
      const response = await red.admin('/healthflows/webhook-verifier/check', {
        method: 'POST',
        headers: json,
        body: JSON.stringify({
          id: 'open',
          config: { url: '/hooks/orders', keys: [{ id: 'k', slot: 1 }] },
          secrets: { secret1: secret },
          capture: capture(body),
          at,
        }),
      });
      return (await response.json()) as {
        verdict: string;
        reason?: string;
        steps: { step: string; passed: boolean }[];
      };
    };
    try {
      const good = await check('{"a":1}', '2021-02-25T15:02:10Z');
      assert.equal(good.verdict, 'verified', JSON.stringify(good));
      const changed = await check('{"a":2}', '2021-02-25T15:02:10Z');
      assert.equal(changed.steps.find(({ passed }) => !passed)?.step, 'signature');
      const late = await check('{"a":1}', '2021-02-25T16:02:10Z');
      assert.equal(late.steps.find(({ passed }) => !passed)?.step, 'time');
      const other = await check('{"a":1}', '2021-02-25T15:02:10Z', `whsec_${'A'.repeat(32)}`);
      assert.equal(other.verdict, 'rejected');
      const bad = await red.admin('/healthflows/webhook-verifier/check', { method: 'POST', headers: json, body: '{}' });
      assert.ok(bad.status >= 400 && bad.status < 500);
    } finally {
      await red.stop();
    }
  });
}
