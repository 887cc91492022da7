import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addTelemetrySink } from '../../nodes/kernel/telemetry/telemetry.ts';
import { corsPolicy } from '../../nodes/webhook/ingress/cors.ts';
import { MediaTypes, parseMediaType } from '../../nodes/webhook/ingress/media-type.ts';
import { parseRoute, RouteTable } from '../../nodes/webhook/ingress/routes.ts';
import { parseNetworks, within } from '../../nodes/webhook/schemes/networks.ts';
import type { Verify } from '../../nodes/webhook/schemes/scheme.ts';
import { parseCaptured } from '../../nodes/webhook/verification/check.ts';
import { keyEntries } from '../../nodes/webhook/verification/configured-keys.ts';
import { endingKeys, watchKeys } from '../../nodes/webhook/verification/key-watch.ts';
import { Health } from '../../nodes/webhook/webhook-verifier/health.ts';
import { readContent } from '../../nodes/webhook/verification/content.ts';
import { requestView } from '../../nodes/webhook/verification/event.ts';
import { FailureRate, networkOf } from '../../nodes/webhook/verification/failure-rate.ts';
import { request } from './fixture.ts';

describe('routes', () => {
  const table = () => {
    const routes = new RouteTable<string>();
    for (const path of ['/a/b', '/a/:x', '/:x/b', '/:x/:y', '/a/:x/c'])
      routes.add(parseRoute('post', path), path, path);
    return routes;
  };

  test('the most literal route wins, whatever the order of registration', () => {
    const found = (path: string) => table().match('POST', path)?.route.endpoint;
    assert.deepEqual(['/a/b', '/a/z', '/z/b', '/z/z', '/a/z/c', '/a', '/a/b/c/d'].map(found), [
      '/a/b',
      '/a/:x',
      '/:x/b',
      '/:x/:y',
      '/a/:x/c',
      undefined,
      undefined,
    ]);
    assert.equal(table().match('PUT', '/a/b'), undefined);
  });

  test('parameters are decoded; what cannot be decoded, and empty ones, do not match', () => {
    const routes = new RouteTable<string>();
    routes.add(parseRoute('post', '/h/:who'), 'n', 'e');
    assert.deepEqual(routes.match('POST', '/h/a%20b%2Fc')?.parameters, { who: 'a b/c' });
    for (const path of ['/h/%zz', '/h/%ff', '/h/', '/h//', '//h/x', '/h/x/', '/H/x', '/%68/x']) {
      assert.equal(routes.match('POST', path)?.parameters.who, path === '/h/x/' ? 'x' : undefined, path);
    }
  });

  test('a route without its endpoint stays known until it is pruned', () => {
    const routes = table();
    routes.vacate('/a/b');
    assert.equal(routes.match('POST', '/a/b')?.route.endpoint, undefined);
    assert.notEqual(routes.match('POST', '/a/b'), undefined);
    routes.prune();
    assert.equal(routes.match('POST', '/a/b')?.route.endpoint, '/a/:x');
  });

  test('two live endpoints on the same requests are refused, under other parameter names too', () => {
    assert.throws(() => table().add(parseRoute('POST', '/a/:other/'), 'n2', 'e2'), { code: 'ROUTE_TAKEN' });
  });

  for (const path of ['', '/', '/a//b', '/a b', '/a?b', '/:x/:x', '/:__proto__', '/:', '/a/../b', '/ä', '/%zz']) {
    test(`the path ${JSON.stringify(path)} is refused at deploy`, () => {
      assert.throws(() => parseRoute('post', path), { code: 'ROUTE_INVALID' });
    });
  }
});

describe('content types', () => {
  const types = new MediaTypes('application/json, application/*+json, text/*');
  test('the list is exact but for its wildcards', () => {
    const taken = [
      'application/json',
      'APPLICATION/JSON; charset=UTF-8',
      'application/fhir+json',
      'text/csv;header=present',
      'application/json;charset="utf-8"',
    ];
    const refused = [
      undefined,
      '',
      'application/jsonx',
      'application/xml',
      'json',
      'application/json, text/xml',
      'application/json; charset=latin1',
      'a'.repeat(300),
      'application/+jso',
    ];
    for (const type of taken) assert.ok(types.accepts(type), type);
    for (const type of refused) assert.ok(!types.accepts(type), type);
  });
  test('a list that cannot be read is refused at deploy', () => {
    for (const list of ['', ' , ', 'json', '*/*', 'application/json;q=1']) {
      assert.throws(() => new MediaTypes(list), { code: 'MEDIA_TYPE_INVALID' }, list);
    }
  });
  test('parameters do not disturb the essence', () => {
    assert.deepEqual(parseMediaType(' Text/Plain ;charset=US-ASCII'), { essence: 'text/plain', charset: 'us-ascii' });
  });
});

describe('content', () => {
  const limits = { depth: 4, members: 3 };
  test('each type becomes what flows expect', () => {
    assert.deepEqual(readContent(Buffer.from('\ufeff{"a":235.40}'), 'application/json', limits), { a: '235.40' });
    assert.deepEqual(readContent(Buffer.from('a=1&b=x+y&a=2'), 'application/x-www-form-urlencoded', limits), {
      a: ['1', '2'],
      b: 'x y',
    });
    assert.equal(readContent(Buffer.from('é'), 'text/plain', limits), 'é');
    assert.ok(Buffer.isBuffer(readContent(Buffer.from('x'), 'application/pdf', limits)));
    assert.equal(readContent(Buffer.alloc(0), 'application/json', limits), '');
  });
  for (const [what, body, type] of [
    ['invalid UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'application/json'],
    ['an overlong NUL', Buffer.from([0x22, 0xc0, 0x80, 0x22]), 'text/plain'],
    ['too deep', Buffer.from('[[[[[]]]]]'), 'application/json'],
    ['too wide', Buffer.from('[1,2,3,4]'), 'application/json'],
    ['too many fields', Buffer.from('a=1&b=1&c=1&d=1'), 'application/x-www-form-urlencoded'],
    ['the field __proto__', Buffer.from('__proto__=1'), 'application/x-www-form-urlencoded'],
  ] as const) {
    test(`${what} is a data-quality failure that does not quote the document`, () => {
      assert.throws(() => readContent(body, type, limits), { class: 'data-quality' });
    });
  }
});

describe('networks', () => {
  test('addresses are inside or outside, IPv4 in IPv6 included', () => {
    const inside = parseNetworks('10.1.0.0/16, 2001:db8::/32 192.0.2.7')!;
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1', '192.0.2.7'])
      assert.ok(inside(address), address);
    for (const address of ['10.2.0.1', '::1', '192.0.2.8', '', 'unknown', '10.1.2.3, 1.1.1.1'])
      assert.ok(!inside(address), address);
  });
  test('a list that cannot be read is refused at deploy', () => {
    for (const list of ['10.1.0.0/33', 'example.org', '10.1.0.0/-1', '10.1/16', '::/129']) {
      assert.throws(() => parseNetworks(list), { code: 'NETWORK_INVALID' }, list);
    }
  });
  test('a request from elsewhere is refused before its proof is looked at', () => {
    let asked = 0;
    const verify: Verify = () => {
      asked++;
      return { kind: 'rejected', reason: 'invalid', step: 'x' };
    };
    const verdict = within('10.0.0.0/8', verify)(request({ client: '192.0.2.1' }), 0);
    assert.equal(verdict.kind === 'rejected' && verdict.reason, 'not-allowed');
    assert.equal(asked, 0);
    assert.equal(within(' ', verify), verify);
  });
});

describe('failures of one source', () => {
  test('beyond the limit they are suppressed until the minute is over, then told in one', () => {
    const bursts: unknown[] = [];
    const rate = new FailureRate(2, (burst) => bursts.push(burst));
    assert.deepEqual(
      [1, 2, 3, 4].map((at) => rate.failed('192.0.2.1', at)),
      [false, false, true, true],
    );
    assert.equal(rate.failed('192.0.2.2', 5), false);
    rate.sweep(30_000);
    assert.deepEqual(bursts, []);
    rate.sweep(60_005);
    assert.deepEqual(bursts, [{ suppressed: 2, source: '192.0.2.1' }]);
    assert.equal(rate.failed('192.0.2.1', 60_006), false);
  });
  test('a hundred thousand sources do not grow the memory without bound, and no burst is forgotten', () => {
    let suppressed = 0;
    const rate = new FailureRate(1, (burst) => (suppressed += burst.suppressed));
    for (let i = 0; i < 100_000; i++) {
      const source = `198.51.${i >> 8}.${i & 255}-${i}`;
      rate.failed(source, 0);
      rate.failed(source, 0);
    }
    rate.sweep(Number.POSITIVE_INFINITY);
    assert.equal(suppressed, 100_000);
  });
  test('an IPv6 site is one source', () => {
    assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), networkOf('2001:db8:1:2::9'));
    assert.notEqual(networkOf('2001:db8:1:2::9'), networkOf('2001:db8:1:3::9'));
    assert.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1');
  });
});

describe('keys as configured', () => {
  const at = Date.parse('2027-01-20T00:00:00Z');
  test('windows are read, names are unique, and ends before beginnings are refused', () => {
    const entries = keyEntries([{ id: '', slot: 1, notAfter: '2027-01-31T00:00:00Z' }], () => ' s ');
    assert.deepEqual(entries, [{ id: 'key-1', secret: 's', notAfter: Date.parse('2027-01-31T00:00:00Z') }]);
    const two = (first: object, second: object) => () =>
      keyEntries(
        [
          { id: 'a', slot: 1, ...first },
          { id: 'b', slot: 2, ...second },
        ],
        () => 's',
      );
    assert.throws(two({ id: 'b' }, {}), { code: 'KEY_ID_INVALID' });
    assert.throws(two({ notBefore: '2027-02-01', notAfter: '2027-01-01' }, {}), { code: 'KEY_WINDOW_INVALID' });
    assert.throws(two({ notAfter: 'soon' }, {}), { code: 'KEY_WINDOW_INVALID' });
  });

  const day = 86_400_000;
  const key = (id: string, days?: number) => ({
    id,
    secret: 's',
    ...(days === undefined ? {} : { notAfter: at + days * day }),
  });
  test('the last key to end is warned of thirty days before, not one with a successor', () => {
    assert.deepEqual(endingKeys([key('a', 3), key('b', 30)], false, at), [{ id: 'b', days: 30 }]);
    assert.deepEqual(endingKeys([key('a', 3), key('b', 31)], false, at), []);
    assert.deepEqual(endingKeys([key('a', 3), key('b')], false, at), []);
    assert.deepEqual(endingKeys([key('a', -1)], false, at), [{ id: 'a', days: -1 }]);
    assert.deepEqual(endingKeys([], false, at), []);
  });

  test("each of several senders' keys is warned of, the next to end first", () => {
    assert.deepEqual(endingKeys([key('a'), key('b', 20), key('c', 3), key('d', 90)], true, at), [
      { id: 'c', days: 3 },
      { id: 'b', days: 20 },
    ]);
  });

  test('a key is warned of once at 30, 7 and 1 days and at its end, in log, status and metrics', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    let now = at - 40 * day;
    const warned: string[] = [];
    const counted: string[] = [];
    const shown = new Set<string>();
    const unsubscribe = addTelemetrySink({
      count: (name, labels) => void (name === 'webhook_key_warnings_total' && counted.push(String(labels.left))),
    });
    const stop = watchKeys(
      [key('k', 0)],
      false,
      {
        warn: ({ id, days }) => void warned.push(`${id} ${days}`),
        next: (next) => void shown.add(next === undefined ? 'none' : next.days < 0 ? 'ended' : 'ending'),
      },
      () => now,
    );
    for (let hours = 0; hours < 42 * 24; hours++) {
      now += 3_600_000;
      t.mock.timers.tick(3_600_000);
    }
    stop();
    unsubscribe();
    assert.deepEqual(warned, ['k 30', 'k 7', 'k 1', 'k -1']);
    assert.deepEqual(counted, ['30 d', '7 d', '1 d', 'ended']);
    assert.deepEqual([...shown], ['none', 'ending', 'ended']);
  });
});

test('of several troubles the worst is shown, and what is left once it has gone', () => {
  const shown: string[] = [];
  const health = new Health((kind, text) => void shown.push(`${kind} ${text}`), 'POST /x');
  health.set('keys', { kind: 'degraded', text: 'key' });
  health.set('key-set', { kind: 'down', text: 'set' });
  health.set('rival', { kind: 'degraded', text: 'rival' });
  health.set('key-set', undefined);
  health.set('keys', undefined);
  health.set('rival', undefined);
  health.close();
  health.set('key-set', { kind: 'down', text: 'late' });
  assert.deepEqual(shown, [
    'working POST /x',
    'degraded key',
    'down set',
    'down set',
    'degraded key',
    'degraded rival',
    'working POST /x',
  ]);
});

describe('cross-origin requests', () => {
  for (const origin of [
    '*',
    'null',
    'portal.example.org',
    'https://portal.example.org/',
    'https://a.example/x',
    'HTTPS://A.example',
  ]) {
    test(`${JSON.stringify(origin)} is no origin to list`, () => {
      assert.throws(() => corsPolicy(origin), { code: 'ORIGIN_INVALID' });
    });
  }
  test('origins may be many', () => {
    assert.doesNotThrow(() => corsPolicy(' , https://portal.example.org, http://localhost:3000 '));
  });
});

test('a captured request is read as it stands, with curl marks and without', () => {
  const plain = parseCaptured('POST /h?x=1 HTTP/1.1\r\nHost: a\r\nX-Id:  7 \r\n\r\nline 1\n\nline 3', false);
  assert.deepEqual(plain, {
    method: 'POST',
    target: '/h?x=1',
    rawHeaders: ['Host', 'a', 'X-Id', '7'],
    body: Buffer.from('line 1\n\nline 3'),
  });
  assert.deepEqual(parseCaptured('> POST /h HTTP/1.1\n> Host: a\n>\n/wA=', true).body, Buffer.from([0xff, 0]));
  for (const text of ['', 'hello', 'POST /h HTTP/1.1\nno colon here\n\n']) {
    assert.throws(() => parseCaptured(text, false), { code: 'CAPTURE_INVALID' });
  }
});

test('a secret that travels in the request is nowhere in msg.req', () => {
  const secret = 'tok/en 0123456789abcdef';
  const encoded = encodeURIComponent(secret);
  const raw = {
    method: 'POST',
    url: `/hooks/${encoded}?token=${encoded}&a=1`,
    originalUrl: `/api/hooks/${encoded}?token=${encoded}&a=1`,
    path: `/hooks/${encoded}`,
    baseUrl: '/api',
    query: { token: secret, a: '1' },
    headers: { authorization: secret, host: 'x' },
  };
  const view = requestView(
    raw as never,
    { id: secret },
    { headers: ['Authorization'], parameters: ['id'], queries: ['token'] },
  );
  assert.ok(!JSON.stringify(view).includes('0123456789abcdef'), JSON.stringify(view));
  assert.deepEqual((view as { query: unknown }).query, { token: '***', a: '1' });
});

test('a secret in the address is hidden however the sender encodes it', () => {
  const secret = 'abc+def/ghi=jkl mno';
  const every = [...Buffer.from(secret)].map((byte) => `%${byte.toString(16)}`).join('');
  const usual = encodeURIComponent(secret);
  for (const written of [usual, usual.toLowerCase(), every, usual.replaceAll('%20', '+')]) {
    for (const [url, params, query] of [
      [`/hook?a=1&token=${written}&b=2`, {}, { a: '1', token: secret, b: '2' }],
      [`/hook/${written}/in?a=1`, { id: secret }, { a: '1' }],
    ] as const) {
      if (url.includes('+') && 'id' in params) continue;
      const raw = { method: 'POST', url, originalUrl: url, path: url.split('?')[0], query, headers: {} };
      const view = requestView(raw as never, params, { parameters: ['id'], queries: ['token'] });
      assert.equal(view.url, url.replace(written, '***'));
      assert.equal(view.path, url.split('?')[0]!.replace(written, '***'));
      assert.ok(!JSON.stringify(view).includes(written), JSON.stringify(view));
    }
  }
});
