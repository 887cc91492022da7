import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import jsonwebtoken from 'jsonwebtoken';
import { schemeOf } from '../../nodes/webhook/schemes/index.ts';
import { cooldown, freshTime, KeySet, keySetUrl, parseKeySet, staleTime } from '../../nodes/webhook/schemes/key-set.ts';
import { largestKeySet, loadKeySet } from '../../nodes/webhook/schemes/key-set-load.ts';
import { within } from '../../nodes/webhook/schemes/networks.ts';
import type { SchemeHost, Verify } from '../../nodes/webhook/schemes/scheme.ts';
import { lowOrderKeys, request, rfc8037 } from './fixture.ts';

const url = new URL('https://login.example.org/keys');
const ec = (): { publicKey: KeyObject; privateKey: KeyObject } => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = (kid: string, key: KeyObject = ec().publicKey, more: object = {}): object => ({
  ...key.export({ format: 'jwk' }),
  kid,
  ...more,
});
const setOf = (...keys: unknown[]): Buffer => Buffer.from(JSON.stringify({ keys }));

/** A key set whose publisher and clock a test holds in its hands. */
function fixture() {
  const events: string[] = [];
  const state = { time: 1_000_000, loads: 0, answer: (): Promise<Buffer> => Promise.resolve(setOf(jwk('a'))) };
  const host: SchemeHost = {
    keySet: (event) => void events.push(event.kind === 'failed' ? `failed, usable ${event.usable}` : event.kind),
  };
  const set = new KeySet(url, host, {
    load: () => {
      state.loads++;
      return state.answer();
    },
    clock: () => state.time,
  });
  const names = () => set.keys?.map(({ id }) => id);
  return { set, state, events, names };
}

describe('a key set', () => {
  test('is fetched once for all who wait, and not again while it is fresh', async () => {
    const { set, state, names } = fixture();
    assert.equal(names(), undefined);
    await Promise.all(Array.from({ length: 50 }, async () => set.ready('a')));
    assert.equal(state.loads, 1);
    state.time += freshTime - 1;
    assert.equal(set.ready('a'), undefined);
    assert.equal(set.ready(undefined), undefined);
    assert.equal(state.loads, 1);
  });

  test('is fetched again, behind the back of its users, once it is no longer fresh', async () => {
    const { set, state, names } = fixture();
    await set.ready('a');
    state.time += freshTime;
    state.answer = () => Promise.resolve(setOf(jwk('a'), jwk('b')));
    assert.equal(set.ready('a'), undefined);
    await new Promise(setImmediate);
    assert.deepEqual(names(), ['a', 'b']);
    assert.equal(state.loads, 2);
  });

  test('an unknown kid fetches it once, then not before the cooldown is over', async () => {
    const { set, state, names } = fixture();
    await set.ready('a');
    state.time += cooldown;
    state.answer = () => Promise.resolve(setOf(jwk('b')));
    await set.ready('b');
    assert.deepEqual(names(), ['b']);
    for (let i = 0; i < 1000; i++) assert.equal(set.ready(`made up ${i}`), undefined);
    assert.equal(state.loads, 2);
    state.time += cooldown;
    await set.ready('made up');
    assert.equal(state.loads, 3);
    assert.deepEqual(names(), ['b']);
  });

  test('outlives a publisher that fails for a bounded time', async () => {
    const { set, state, events, names } = fixture();
    await set.ready('a');
    state.answer = () => Promise.reject(new Error('refused'));
    state.time += staleTime - 1;
    assert.equal(set.ready('a'), undefined);
    await new Promise(setImmediate);
    assert.deepEqual(names(), ['a']);
    state.time += 1;
    assert.equal(names(), undefined);
    state.time += cooldown;
    await set.ready('a');
    assert.deepEqual(events, ['fetched', 'failed, usable true', 'failed, usable false']);
    state.answer = () => Promise.resolve(setOf(jwk('a')));
    assert.equal(set.ready('a'), undefined, 'the cooldown holds after a failure, too');
    state.time += cooldown;
    await set.ready('a');
    assert.deepEqual(names(), ['a']);
  });

  test('one that is no key set changes nothing', async () => {
    const { set, state, names } = fixture();
    await set.ready('a');
    for (const answer of [
      '',
      '[]',
      '{}',
      '{"keys":{}}',
      '{"keys":[]}',
      '{"keys":[1,null,"x"]}',
      '{"keys":[],"keys":[]}',
      '<html>',
    ]) {
      state.time += cooldown;
      state.answer = () => Promise.resolve(Buffer.from(answer));
      await set.ready('b');
      assert.deepEqual(names(), ['a'], answer);
    }
  });

  test('keys that are weak, private, secret, for something else or without a name are passed over', () => {
    const rsa = (bits: number, exponent = 65_537) =>
      generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: exponent });
    const good = ec();
    const keys = parseKeySet(
      setOf(
        jwk('good', good.publicKey),
        jwk('rsa', rsa(2048).publicKey, { use: 'sig', alg: 'PS256', x5c: ['MII'], 'x5t#S256': 'x' }),
        jwk('short', rsa(1024).publicKey),
        jwk('exponent', rsa(2048, 3).publicKey),
        jwk('private', good.privateKey),
        { kty: 'oct', k: Buffer.alloc(64, 1).toString('base64url'), kid: 'secret' },
        jwk('enc', good.publicKey, { use: 'enc' }),
        jwk('ops', good.publicKey, { key_ops: ['sign'] }),
        jwk('other alg', good.publicKey, { alg: 'RS256' }),
        jwk('', good.publicKey),
        { ...jwk('x', good.publicKey), kid: 7 },
        jwk('curve', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
        jwk('ed', generateKeyPairSync('ed25519').publicKey, { use: 'sig', alg: 'EdDSA' }),
        { ...rfc8037.publicJwk, kid: 'ed, newer name', alg: 'Ed25519' },
        { ...rfc8037.privateJwk, kid: 'ed private' },
        { ...rfc8037.publicJwk, kid: 'ed other alg', alg: 'ES256' },
        { ...rfc8037.publicJwk, kid: 'ed other curve', crv: 'X25519' },
        jwk('ed448', generateKeyPairSync('ed448').publicKey),
        jwk('x25519', generateKeyPairSync('x25519').publicKey),
        ...lowOrderKeys.map((x, i) => ({ kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url'), kid: `small ${i}` })),
        { kty: 'RSA', kid: 'empty' },
      ),
    );
    assert.deepEqual(
      keys.map(({ id, material }) => [id, material.algorithms]),
      [
        ['good', ['ES256']],
        ['rsa', ['PS256']],
        ['ed', ['EdDSA', 'Ed25519']],
        ['ed, newer name', ['EdDSA', 'Ed25519']],
      ],
    );
    assert.throws(() => parseKeySet(setOf(...Array.from({ length: 65 }, (_, i) => jwk(`k${i}`, good.publicKey)))), {
      code: 'KEY_SET_INVALID',
    });
  });

  for (const [what, options, allowed] of [
    ['the issuer host', { jwksUrl: 'https://login.example.org/keys' }, true],
    [
      'a named host',
      { jwksUrl: 'https://keys.example.net:8443/a', jwksHosts: 'a.example, keys.example.net:8443' },
      true,
    ],
    ['another host', { jwksUrl: 'https://evil.example.net/keys' }, false],
    ['a named host on another port', { jwksUrl: 'https://login.example.org:8443/keys' }, false],
    ['plain http', { jwksUrl: 'http://login.example.org/keys' }, false],
    ['loopback http', { jwksUrl: 'http://127.0.0.1:8080/keys' }, false],
    ['loopback http, allowed', { jwksUrl: 'http://127.0.0.1:8080/keys', loopbackHttp: true }, true],
    ['http elsewhere, loopback allowed', { jwksUrl: 'http://169.254.169.254/keys', loopbackHttp: true }, false],
    ['a user in the address', { jwksUrl: 'https://login.example.org:x@evil.example.net/' }, false],
    ['a file', { jwksUrl: 'file:///etc/passwd' }, false],
    ['no address', { jwksUrl: 'keys' }, false],
  ] as const) {
    test(`${what}: ${allowed ? 'taken' : 'refused at deploy'}`, () => {
      const read = () => keySetUrl(options, 'https://login.example.org/');
      if (allowed) assert.equal(read()?.href, options.jwksUrl);
      else assert.throws(read, { code: 'KEY_SET_URL_INVALID' });
    });
  }
});

/** A publisher on loopback. */
async function publisher(answer: RequestListener) {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    address,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('fetching a key set', () => {
  test('a redirect, an error status, too many bytes, a broken answer and no server fail without a body', async () => {
    let followed = false;
    await using server = await publisher((incoming, response) => {
      if (incoming.url === '/redirect') response.writeHead(302, { location: '/elsewhere' }).end();
      else if (incoming.url === '/error') response.writeHead(500).end('{}');
      else if (incoming.url === '/large') response.end(Buffer.alloc(largestKeySet + 1, 0x20));
      else if (incoming.url === '/broken') {
        response.writeHead(200, { 'content-length': '100' }).write('{');
        setImmediate(() => response.destroy());
      } else {
        followed ||= incoming.url === '/elsewhere';
        response.end('{}');
      }
    });
    for (const path of ['/redirect', '/error', '/large', '/broken']) {
      await assert.rejects(loadKeySet(new URL(server.address + path)), { code: 'KEY_SET_NOT_FETCHED' }, path);
    }
    assert.equal(followed, false);
    await assert.rejects(loadKeySet(new URL('http://127.0.0.1:1/')), { code: 'KEY_SET_NOT_FETCHED' });
    assert.equal((await loadKeySet(new URL(`${server.address}/fine`))).toString(), '{}');
  });

  const issuer = 'https://login.example.org/';
  const token = (key: KeyObject, kid?: string) =>
    jsonwebtoken.sign({ iss: issuer, aud: 'a', exp: Math.floor(Date.now() / 1000) + 60 }, key, {
      algorithm: 'ES256',
      ...(kid === undefined ? {} : { keyid: kid }),
    });

  async function sent(verify: Verify, bearer: string, client = '192.0.2.7') {
    const signed = request({ headers: { authorization: `Bearer ${bearer}` }, client });
    await verify.ready?.(signed);
    const verdict = verify(signed, Date.now());
    return verdict.kind === 'verified' ? verdict.verification.keyId : verdict.reason;
  }

  test('tokens verify by published keys, those of a foreign key under a published kid do not', async () => {
    const [a, b, foreign] = [ec(), ec(), ec()];
    let fetches = 0;
    await using server = await publisher((_, response) => {
      fetches++;
      response.end(setOf(jwk('a', a.publicKey), jwk('b', b.publicKey)));
    });
    const verify = schemeOf('jwt').prepare([], {
      issuer,
      audience: 'a',
      jwksUrl: `${server.address}/keys`,
      loopbackHttp: true,
    });
    assert.equal(await sent(verify, token(a.privateKey, 'a')), 'a');
    assert.equal(await sent(verify, token(b.privateKey, 'b')), 'b');
    assert.equal(await sent(verify, token(b.privateKey)), 'b');
    assert.equal(await sent(verify, token(foreign.privateKey, 'a')), 'invalid');
    assert.equal(await sent(verify, token(foreign.privateKey)), 'invalid');
    assert.equal(await sent(verify, token(foreign.privateKey, '../a')), 'invalid');
    assert.equal(fetches, 1);
  });

  test('an Ed25519 key that a partner publishes verifies its tokens, and no other', async () => {
    const [published, foreign] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
    await using server = await publisher((_, response) => response.end(setOf(jwk('ed', published.publicKey))));
    const verify = schemeOf('jwt').prepare([], {
      issuer,
      audience: 'a',
      jwksUrl: `${server.address}/keys`,
      loopbackHttp: true,
    });
    const edToken = (key: KeyObject): string => {
      const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
      const exp = Math.floor(Date.now() / 1000) + 60;
      const input = `${part({ alg: 'EdDSA', kid: 'ed' })}.${part({ iss: issuer, aud: 'a', exp })}`;
      return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`;
    };
    assert.equal(await sent(verify, edToken(published.privateKey)), 'ed');
    assert.equal(await sent(verify, edToken(foreign.privateKey)), 'invalid');
    assert.equal(await sent(verify, token(ec().privateKey, 'ed')), 'invalid');
  });

  test('keys in the node and published ones serve side by side; without any the request may come again', async () => {
    const own = ec();
    const pem = own.publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const options = { issuer, audience: 'a', jwksUrl: 'http://127.0.0.1:1/keys', loopbackHttp: true };
    const verify = schemeOf('jwt').prepare([{ id: 'own', secret: pem }], options);
    assert.equal(await sent(verify, token(own.privateKey, 'own')), 'own');
    assert.equal(await sent(verify, token(own.privateKey, 'published')), 'unavailable');
    assert.equal(await sent(schemeOf('jws-detached').prepare([], options), 'x'), 'missing');
  });

  test('what is refused unseen, or comes from elsewhere, fetches nothing', async () => {
    let fetches = 0;
    await using server = await publisher((_, response) => {
      fetches++;
      response.end(setOf(jwk('a')));
    });
    const verify = within(
      '192.0.2.0/24',
      schemeOf('jwt').prepare([], {
        issuer,
        audience: 'a',
        jwksUrl: `${server.address}/keys`,
        loopbackHttp: true,
      }),
    );
    const good = token(ec().privateKey, 'a');
    const [, payload, signature] = good.split('.') as [string, string, string];
    const jku = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'a', jku: 'https://evil.example.net' }));
    await sent(verify, 'nonsense');
    await sent(verify, `${jku.toString('base64url')}.${payload}.${signature}`);
    assert.equal(await sent(verify, good, '198.51.100.1'), 'not-allowed');
    assert.equal(fetches, 0);
    assert.equal(await sent(verify, good), 'invalid');
    assert.equal(fetches, 1);
  });
});
