import assert from 'node:assert/strict';
import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSign,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { describe, test } from 'node:test';
import jsonwebtoken from 'jsonwebtoken';
import { readJwtHead } from '../../nodes/webhook/schemes/jwt.ts';
import { schemeOf } from '../../nodes/webhook/schemes/index.ts';
import type { SchemeOptions } from '../../nodes/webhook/schemes/scheme.ts';
import { lowOrderKeys, mutations, request, rfc8037 } from './fixture.ts';

const now = 1_700_000_000;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pem = (key: KeyObject): string => key.export({ format: 'pem', type: 'spki' }).toString();
const secret = 'a shared secret of more than thirty-two bytes';
const issuer = 'https://login.example.org/';
const audience = 'node-red';
const claims = { iss: issuer, aud: audience, sub: 'clinic', jti: 'id-1', iat: now - 10, exp: now + 600 };

type Keys = Record<string, string>;

function check(token: string, keys: Keys, options: SchemeOptions = {}, body = '', at = now) {
  const entries = Object.entries(keys).map(([id, value]) => ({ id, secret: value }));
  const verify = schemeOf('jwt').prepare(entries, { issuer, audience, ...options });
  return verify(request({ headers: { authorization: `Bearer ${token}` }, body }), at * 1000);
}

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A token made by hand, so that no library tidies it. */
function forge(header: unknown, payload: unknown, signer: (input: string) => string): string {
  const input = `${part(header)}.${part(payload)}`;
  return `${input}.${signer(input)}`;
}
const hs256 = (key: string | Buffer) => (input: string) => createHmac('sha256', key).update(input).digest('base64url');
const rs256 = (input: string) => createSign('sha256').update(input).sign(rsa.privateKey, 'base64url');

const good = forge({ alg: 'RS256', typ: 'JWT', kid: 'k1' }, claims, rs256);
const keys = { k1: pem(rsa.publicKey) };

describe('JWT bearer tokens', () => {
  test('tokens of each key type verify and say who sent them', () => {
    const verdict = check(good, keys);
    assert.ok(verdict.kind === 'verified', JSON.stringify(verdict));
    assert.equal(verdict.verification.client, 'clinic');
    assert.equal(verdict.verification.messageId, 'id-1');
    const es256 = jsonwebtoken.sign(claims, ec.privateKey, { algorithm: 'ES256', keyid: 'e' });
    assert.equal(check(es256, { ...keys, e: pem(ec.publicKey) }).kind, 'verified');
    const ps256 = jsonwebtoken.sign(claims, rsa.privateKey, { algorithm: 'PS256' });
    assert.equal(check(ps256, keys).kind, 'verified');
    assert.equal(check(forge({ alg: 'HS256' }, claims, hs256(secret)), { s: secret }).kind, 'verified');
    const jwk = JSON.stringify({ ...rsa.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' });
    assert.equal(check(good, { k1: jwk }).kind, 'verified');
  });

  test('a PEM that lost its line breaks in a one-line field still verifies', () => {
    assert.equal(check(good, { k1: pem(rsa.publicKey).replaceAll('\n', ' ') }).kind, 'verified');
  });

  test('a jti that could not stand in a header field is refused', () => {
    for (const jti of ['a\r\nSet-Cookie: x=1', 'a b', '€', '', 'a'.repeat(257), 7]) {
      const verdict = check(forge({ alg: 'RS256', kid: 'k1' }, { ...claims, jti }, rs256), keys);
      assert.equal(verdict.kind, 'rejected', JSON.stringify(jti));
    }
  });

  test('every single-byte change of a token is refused', () => {
    const token = forge({ alg: 'HS256' }, claims, hs256(secret));
    for (const changed of mutations(token)) {
      assert.equal(check(changed.toString('latin1'), { s: secret }).kind, 'rejected', changed.toString('latin1'));
    }
  });

  const publicPem = pem(rsa.publicKey);
  const confusions: [string, string | Buffer][] = [
    ['PEM', publicPem],
    ['PEM without the last line break', publicPem.trim()],
    ['PEM with CRLF', publicPem.replaceAll('\n', '\r\n')],
    ['DER', rsa.publicKey.export({ format: 'der', type: 'spki' })],
    ['PKCS#1', rsa.publicKey.export({ format: 'pem', type: 'pkcs1' })],
    ['modulus', Buffer.from(rsa.publicKey.export({ format: 'jwk' }).n ?? '', 'base64url')],
  ];
  for (const [what, key] of confusions) {
    test(`HS256 keyed with the RSA public key (${what}) is refused`, () => {
      assert.equal(check(forge({ alg: 'HS256', kid: 'k1' }, claims, hs256(key)), keys).kind, 'rejected');
    });
  }

  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', 'RS256 ', 'HS256']) {
    test(`alg ${JSON.stringify(alg)} with or without a signature is refused`, () => {
      for (const signature of ['', 'AA', good.split('.')[2]!]) {
        assert.equal(
          check(
            forge({ alg, kid: 'k1' }, claims, () => signature),
            keys,
          ).kind,
          'rejected',
        );
      }
    });
  }

  const headers: [string, unknown][] = [
    ['jwk', { alg: 'RS256', jwk: rsa.publicKey.export({ format: 'jwk' }) }],
    ['jku', { alg: 'RS256', jku: 'https://evil.example.org/keys' }],
    ['x5u', { alg: 'RS256', x5u: 'https://evil.example.org/cert' }],
    ['x5c', { alg: 'RS256', x5c: ['MII'] }],
    ['crit of something unknown', { alg: 'RS256', crit: ['exp'], exp: 1 }],
    ['empty crit', { alg: 'RS256', crit: [] }],
    ['b64', { alg: 'RS256', b64: false, crit: ['b64'] }],
    ['zip', { alg: 'RS256', zip: 'DEF' }],
    ['a kid that is a path', { alg: 'RS256', kid: '../../dev/null' }],
    ['a kid that is SQL', { alg: 'RS256', kid: "' OR '1'='1" }],
    ['the kid __proto__', { alg: 'RS256', kid: '__proto__' }],
    ['the kid constructor', { alg: 'RS256', kid: 'constructor' }],
    ['a kid that is no text', { alg: 'RS256', kid: ['k1'] }],
    ['a kid of 129 characters', { alg: 'RS256', kid: 'k'.repeat(129) }],
    ['alg twice', '{"alg":"none","alg":"RS256"}'],
    ['alg twice, once escaped', '{"\\u0061lg":"none","alg":"RS256"}'],
    ['a key __proto__', '{"alg":"RS256","__proto__":{"kid":"k1"}}'],
    ['another typ', { alg: 'RS256', typ: 'logout+jwt' }],
    ['an array', '["RS256"]'],
    ['no alg', {}],
  ];
  for (const [what, header] of headers) {
    test(`a header with ${what} is refused, rightly signed or not`, () => {
      assert.equal(check(forge(header, claims, rs256), keys).kind, 'rejected');
    });
  }

  const wrongClaims: [string, Record<string, unknown>, string][] = [
    ['expired', { exp: now - 31 }, 'stale'],
    ['not valid yet', { nbf: now + 31 }, 'stale'],
    ['issued in the future', { iat: now + 31, exp: now + 100 }, 'stale'],
    ['without exp', { exp: undefined }, 'invalid'],
    ['with exp as text', { exp: String(now + 600) }, 'invalid'],
    ['that lives too long', { exp: now + 86_400 }, 'invalid'],
    ['of another issuer', { iss: 'https://evil.example.org/' }, 'invalid'],
    ['without issuer', { iss: undefined }, 'invalid'],
    ['for another audience', { aud: 'other' }, 'invalid'],
    ['without audience', { aud: undefined }, 'invalid'],
    ['with sub that is no text', { sub: { toString: 1 } }, 'invalid'],
  ];
  for (const [what, change, reason] of wrongClaims) {
    test(`a token ${what} is refused as ${reason}`, () => {
      const verdict = check(forge({ alg: 'RS256', kid: 'k1' }, { ...claims, ...change }, rs256), keys);
      assert.equal(verdict.kind === 'rejected' && verdict.reason, reason, JSON.stringify(verdict));
    });
  }

  test('another spelling of the same token is refused, so that it cannot pass for a new one', () => {
    const [head, payload, signature] = good.split('.') as [string, string, string];
    for (const spelling of [
      `${good}=`,
      `${head}.${payload}=.${signature}`,
      `${good}.`,
      ` ${good}`,
      `${head}.${payload}.${signature}\n`,
    ]) {
      assert.equal(check(spelling, keys).kind, 'rejected', spelling);
    }
    assert.equal(readJwtHead(`${'A'.repeat(9000)}.${payload}.${signature}`), undefined);
  });

  test('a token of a known key under another kid is refused', () => {
    assert.equal(
      check(forge({ alg: 'RS256', kid: 'k2' }, claims, rs256), { ...keys, k2: pem(ec.publicKey) }).kind,
      'rejected',
    );
  });

  test('with a body claim the token covers the body', () => {
    const digest = createHash('sha256').update('{"a":1}').digest('base64url');
    const token = forge({ alg: 'RS256', kid: 'k1' }, { ...claims, body_sha256: digest }, rs256);
    const options = { bodyClaim: 'body_sha256' };
    assert.equal(check(token, keys, options, '{"a":1}').kind, 'verified');
    for (const body of mutations('{"a":1}'))
      assert.equal(check(token, keys, options, body.toString('latin1')).kind, 'rejected');
    assert.equal(check(good, keys, options, '{"a":1}').kind, 'rejected');
  });

  for (const [what, key] of [
    ['a short secret', 'short secret'],
    ['RSA of 1024 bits', pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey)],
    ['RSA with exponent 3', pem(generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey)],
    ['a private key', rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()],
    ['a JWK for encryption', JSON.stringify({ ...rsa.publicKey.export({ format: 'jwk' }), use: 'enc' })],
    ['a symmetric JWK', JSON.stringify({ kty: 'oct', k: 'AAAA' })],
    ['no key at all', '-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----'],
  ] as const) {
    test(`${what} is refused at deploy`, () => {
      assert.throws(() => check(good, { k1: key }), { code: 'KEY_INVALID' });
    });
  }

  test('issuer and audience must be set', () => {
    assert.throws(() => check(good, keys, { audience: '' }), { code: 'SCHEME_OPTION_INVALID' });
  });
});

describe('JWT signed with Ed25519 (RFC 8037)', () => {
  const privateKey = createPrivateKey({ key: rfc8037.privateJwk, format: 'jwk' });
  const publicJwk = JSON.stringify(rfc8037.publicJwk);
  const ed = (input: string) => sign(null, Buffer.from(input), privateKey).toString('base64url');
  const token = forge({ alg: 'EdDSA', kid: 'k1' }, claims, ed);
  const edKeys = { k1: publicJwk };

  test('a token verifies by PEM and JWK, under both names of the algorithm, and says who sent it', () => {
    const key = pem(createPublicKey(privateKey));
    for (const alg of ['EdDSA', 'Ed25519']) {
      for (const secret of [key, publicJwk, JSON.stringify({ ...rfc8037.publicJwk, alg, use: 'sig' })]) {
        const verdict = check(forge({ alg, kid: 'k1' }, claims, ed), { k1: secret });
        assert.ok(verdict.kind === 'verified', JSON.stringify(verdict));
        assert.equal(verdict.verification.client, 'clinic');
        assert.equal(verdict.verification.messageId, 'id-1');
      }
    }
  });

  test('every single-byte change of a token is refused', () => {
    for (const changed of mutations(token))
      assert.equal(check(changed.toString('latin1'), edKeys).kind, 'rejected', changed.toString('latin1'));
  });

  test('claims are judged as those of an RS256 token are', () => {
    const rows: Record<string, unknown>[] = [
      {},
      { exp: now - 31 },
      { exp: now - 30 },
      { exp: now - 29 },
      { exp: now - 29.5 },
      { exp: undefined },
      { exp: String(now + 600) },
      { exp: null },
      { exp: -1 },
      { exp: now + 86_400 },
      { nbf: now + 30 },
      { nbf: now + 31 },
      { nbf: String(now) },
      { iat: now + 31, exp: now + 100 },
      { iss: undefined },
      { iss: 'https://evil.example.org/' },
      { iss: [issuer] },
      { aud: undefined },
      { aud: 'other' },
      { aud: [] },
      { aud: ['other', audience] },
      { aud: [[audience]] },
      { aud: { 0: audience } },
      { sub: { toString: 1 } },
      { jti: 'a b' },
      { exp: now - 31, aud: 'other' },
      { nbf: now + 31, exp: now - 31 },
      { aud: 'other', iss: 'https://evil.example.org/' },
    ];
    const kinds = new Set<string>();
    for (const row of rows) {
      const payload = { ...claims, ...row };
      const [edwards, other] = [
        check(forge({ alg: 'EdDSA', kid: 'k1' }, payload, ed), edKeys),
        check(forge({ alg: 'RS256', kid: 'k1' }, payload, rs256), keys),
      ].map((verdict) => (verdict.kind === 'verified' ? 'verified' : `${verdict.reason}: ${verdict.step}`));
      assert.equal(edwards, other, JSON.stringify(row));
      kinds.add(edwards!);
    }
    assert.ok(kinds.size >= 4, [...kinds].join());
  });

  const point = Buffer.from(rfc8037.publicJwk.x, 'base64url');
  const confusions: [string, string | Buffer][] = [
    ['raw', point],
    ['base64url', rfc8037.publicJwk.x],
    ['JWK', publicJwk],
    ['PEM', pem(createPublicKey(privateKey))],
    ['DER', createPublicKey(privateKey).export({ format: 'der', type: 'spki' })],
  ];
  for (const [what, key] of confusions) {
    test(`HS256 keyed with the Ed25519 public key (${what}) is refused`, () => {
      assert.equal(check(forge({ alg: 'HS256', kid: 'k1' }, claims, hs256(key)), edKeys).kind, 'rejected');
    });
  }

  test('the algorithm belongs to the key: no other name is taken for it, nor its name for another key', () => {
    for (const alg of ['none', 'ES256', 'RS256', 'Ed448', 'eddsa', 'EDDSA', 'EdDSA ', 'ed25519', 'HS256', ''])
      assert.equal(check(forge({ alg, kid: 'k1' }, claims, ed), edKeys).kind, 'rejected', alg);
    for (const alg of ['EdDSA', 'Ed25519']) {
      assert.equal(check(forge({ alg, kid: 'k1' }, claims, rs256), keys).kind, 'rejected');
      assert.equal(check(forge({ alg, kid: 'e' }, claims, ed), { e: pem(ec.publicKey) }).kind, 'rejected');
      assert.equal(check(forge({ alg }, claims, hs256(secret)), { s: secret }).kind, 'rejected');
    }
  });

  test('a key that the token brings itself, a critical header and a kid of another key are refused', () => {
    const own = generateKeyPairSync('ed25519');
    const foreign = (input: string) => sign(null, Buffer.from(input), own.privateKey).toString('base64url');
    const brought = [
      { jwk: own.publicKey.export({ format: 'jwk' }) },
      { jku: 'https://evil.example.org/keys' },
      { x5u: 'https://evil.example.org/cert' },
      { x5c: ['MII'] },
      { crit: ['exp'], exp: now },
      { crit: [] },
      { b64: false, crit: ['b64'] },
    ];
    for (const header of brought) {
      for (const signer of [ed, foreign])
        assert.equal(
          check(forge({ alg: 'EdDSA', kid: 'k1', ...header }, claims, signer), edKeys).kind,
          'rejected',
          JSON.stringify(header),
        );
    }
    for (const kid of ['../../dev/null', "' OR '1'='1", '__proto__', 'constructor', 'k2', ['k1'], 'k'.repeat(129)])
      assert.equal(check(forge({ alg: 'EdDSA', kid }, claims, ed), edKeys).kind, 'rejected', String(kid));
    assert.equal(check(forge({ alg: 'EdDSA', kid: 'k1' }, claims, foreign), edKeys).kind, 'rejected');
  });

  test('a signature is one of 64 bytes with S below the order: its other spellings are refused', () => {
    const [head, payload, signature] = token.split('.') as [string, string, string];
    const bytes = Buffer.from(signature, 'base64url');
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    let s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`) + order;
    const malleable = Buffer.from(bytes);
    for (let i = 32; i < 64; i++, s >>= 8n) malleable[i] = Number(s & 0xffn);
    for (const other of [malleable, bytes.subarray(0, 63), Buffer.concat([bytes, Buffer.alloc(1)]), Buffer.alloc(64)])
      assert.equal(check(`${head}.${payload}.${other.toString('base64url')}`, edKeys).kind, 'rejected');
  });

  test('Ed448, X25519 and a JWK that says so are refused at deploy, as is a key that is cut short', () => {
    const jwk = (more: object) => JSON.stringify({ ...rfc8037.publicJwk, ...more });
    for (const key of [
      pem(generateKeyPairSync('ed448').publicKey),
      pem(generateKeyPairSync('x25519').publicKey),
      JSON.stringify(generateKeyPairSync('ed448').publicKey.export({ format: 'jwk' })),
      JSON.stringify(generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })),
      JSON.stringify(rfc8037.privateJwk),
      createPrivateKey({ key: rfc8037.privateJwk, format: 'jwk' }).export({ format: 'pem', type: 'pkcs8' }).toString(),
      jwk({ crv: 'Ed448' }),
      jwk({ crv: 'P-256' }),
      jwk({ kty: 'EC' }),
      jwk({ x: rfc8037.publicJwk.x.slice(0, 20) }),
      jwk({ x: '' }),
      jwk({ use: 'enc' }),
      jwk({ alg: 'ES256' }),
      jwk({ alg: 'Ed448' }),
      jwk({ key_ops: ['sign'] }),
    ]) {
      assert.throws(() => check(token, { k1: String(key) }), { code: 'KEY_INVALID' }, String(key));
    }
  });

  test('a key of small order, for which OpenSSL 3.0 takes signatures that anybody can make, is refused at deploy', () => {
    for (const x of lowOrderKeys) {
      const jwk = { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') };
      const key = pem(createPublicKey({ key: jwk, format: 'jwk' }));
      // R is the neutral point, S nothing: with the first key it fits every text.
      const forged = forge({ alg: 'EdDSA', kid: 'k1' }, claims, () =>
        Buffer.concat([lowOrderKeys[0]!, Buffer.alloc(32)]).toString('base64url'),
      );
      for (const secret of [JSON.stringify(jwk), key])
        assert.throws(() => check(forged, { k1: secret }), { code: 'KEY_INVALID' }, x.toString('hex'));
    }
  });
});
