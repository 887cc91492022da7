import assert from 'node:assert/strict';
import { createHmac, createPrivateKey, createSign, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { describe, test } from 'node:test';
import { schemeOf } from '../../nodes/webhook/schemes/index.ts';
import type { SchemeOptions } from '../../nodes/webhook/schemes/scheme.ts';
import { lowOrderKeys, mutations, request, rfc8037 } from './fixture.ts';

const now = 1_700_000_000;

function check(signature: string | string[], body: Buffer | string, key: unknown, options: SchemeOptions = {}) {
  const secret = typeof key === 'string' ? key : JSON.stringify(key);
  const verify = schemeOf('jws-detached').prepare([{ id: 'k1', secret }], options);
  return verify(request({ headers: { 'x-jws-signature': signature }, body }), now * 1000);
}

const joeClaims = Buffer.from(
  'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ',
  'base64url',
);
const octetKey = {
  kty: 'oct',
  k: 'AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow',
};

/** Published examples, detached as RFC 7515 appendix F says: the payload between the dots goes to the body. */
const vectors: [string, unknown, string, string, Buffer][] = [
  [
    'RFC 7515 A.1, HS256',
    octetKey,
    'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9',
    'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    joeClaims,
  ],
  [
    'RFC 7515 A.2, RS256',
    {
      kty: 'RSA',
      n: 'ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ',
      e: 'AQAB',
    },
    'eyJhbGciOiJSUzI1NiJ9',
    'cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw',
    joeClaims,
  ],
  [
    'RFC 7515 A.3, ES256',
    {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
    },
    'eyJhbGciOiJFUzI1NiJ9',
    'DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q',
    joeClaims,
  ],
  [
    'RFC 7515 A.4, ES512',
    {
      kty: 'EC',
      crv: 'P-521',
      x: 'AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk',
      y: 'ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2',
    },
    'eyJhbGciOiJFUzUxMiJ9',
    'AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn',
    Buffer.from('Payload'),
  ],
  [
    'RFC 7797 4.1, HS256',
    octetKey,
    'eyJhbGciOiJIUzI1NiJ9',
    '5mvfOroL-g7HyqJoozehmsaqmvTYGEq5jTI1gVvoEoQ',
    Buffer.from('$.02'),
  ],
  [
    'RFC 7797 4.2, HS256 with b64=false',
    octetKey,
    'eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19',
    'A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY',
    Buffer.from('$.02'),
  ],
  ['RFC 8037 A.4 and A.5, Ed25519', rfc8037.publicJwk, rfc8037.header, rfc8037.signature, rfc8037.payload],
];

const b64 = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const secret = 'a shared secret of more than thirty-two bytes';

/** Signs by hand whatever the header says. */
function sign(header: unknown, body: Buffer | string, raw = false, key: string | Buffer = secret): string {
  const head = b64(header);
  const mac = createHmac('sha256', key).update(`${head}.`);
  mac.update(raw ? Buffer.from(body) : Buffer.from(body).toString('base64url'));
  return `${head}..${mac.digest('base64url')}`;
}

describe('detached JWS', () => {
  for (const [name, key, header, signature, payload] of vectors) {
    // The header of A.1 says it is a JWT, which must not pass for a detached signature.
    const isJwt = name.includes('A.1');
    test(`${name}: ${isJwt ? 'a JWT without its claims is refused' : 'verifies, and no single-byte change of it'}`, () => {
      const verdict = check(`${header}..${signature}`, payload, key);
      assert.equal(verdict.kind, isJwt ? 'rejected' : 'verified', JSON.stringify(verdict));
      if (isJwt) return;
      for (const changed of mutations(payload))
        assert.equal(check(`${header}..${signature}`, changed, key).kind, 'rejected');
      for (const changed of mutations(`${header}..${signature}`)) {
        assert.equal(check(changed.toString('latin1'), payload, key).kind, 'rejected', changed.toString('latin1'));
      }
    });
  }

  test('bytes that are no text are signed as they are', () => {
    const body = Buffer.from([0xff, 0x00, 0xfe, 0x2e, 0x0a]);
    const header = { alg: 'HS256', b64: false, crit: ['b64'] };
    assert.equal(check(sign(header, body, true), body, secret).kind, 'verified');
    assert.equal(check(sign({ alg: 'HS256' }, body), body, secret).kind, 'verified');
    assert.equal(check(sign({ alg: 'HS256', typ: 'JOSE' }, ''), '', secret).kind, 'verified');
  });

  test('a payload signed in one form is refused in the other', () => {
    const body = '{"a":1}';
    assert.equal(check(sign({ alg: 'HS256', b64: false, crit: ['b64'] }, body, false), body, secret).kind, 'rejected');
    assert.equal(check(sign({ alg: 'HS256' }, body, true), body, secret).kind, 'rejected');
  });

  const headers: [string, unknown, boolean?][] = [
    ['b64 without crit', { alg: 'HS256', b64: false }, true],
    ['b64 true without crit', { alg: 'HS256', b64: true }],
    ['b64 that is a text', { alg: 'HS256', b64: 'false', crit: ['b64'] }, true],
    ['b64 that is 0', { alg: 'HS256', b64: 0, crit: ['b64'] }, true],
    ['crit empty', { alg: 'HS256', crit: [] }],
    ['crit that is a text', { alg: 'HS256', b64: false, crit: 'b64' }, true],
    ['crit with a name twice', { alg: 'HS256', b64: false, crit: ['b64', 'b64'] }, true],
    ['crit with a name that is not there', { alg: 'HS256', crit: ['b64'] }],
    ['crit with something unknown', { alg: 'HS256', exp: 1, crit: ['exp'] }],
    ['crit with alg', { alg: 'HS256', crit: ['alg'] }],
    ['crit with no text', { alg: 'HS256', crit: [1] }],
    ['an unknown parameter', { alg: 'HS256', zip: 'DEF' }],
    ['jwk', { alg: 'HS256', jwk: octetKey }],
    ['jku', { alg: 'HS256', jku: 'https://evil.example.org/keys' }],
    ['x5u', { alg: 'HS256', x5u: 'https://evil.example.org/cert' }],
    ['alg none', { alg: 'none' }],
    ['another kid', { alg: 'HS256', kid: 'k2' }],
    ['the kid __proto__', { alg: 'HS256', kid: '__proto__' }],
    ['alg twice', '{"alg":"HS256","alg":"HS256"}'],
    ['typ JWT', { alg: 'HS256', typ: 'JWT' }],
    ['a time that was not agreed on', { alg: 'HS256', iat: now }],
  ];
  for (const [what, header, raw] of headers) {
    test(`a header with ${what} is refused, rightly signed or not`, () => {
      assert.equal(check(sign(header, '{"a":1}', raw), '{"a":1}', secret).kind, 'rejected');
    });
  }

  test('no signature, an attached payload, two fields and another spelling are refused', () => {
    const good = sign({ alg: 'HS256' }, 'body');
    const [head, , signature] = good.split('.') as [string, string, string];
    assert.equal(check(good, 'body', secret).kind, 'verified');
    for (const odd of [
      '',
      `${head}..`,
      `..${signature}`,
      `${head}.${b64('body')}.${signature}`,
      `${good}=`,
      ` ${good}`,
      `${good}\n`,
    ]) {
      assert.equal(check(odd, 'body', secret).kind, 'rejected', odd);
    }
    assert.equal(check([good, good], 'body', secret).kind, 'rejected');
    assert.equal(check(`${'A'.repeat(9000)}..${signature}`, 'body', secret).kind, 'rejected');
  });

  test('HS256 keyed with the public key is refused', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const pem = rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const head = b64({ alg: 'RS256', kid: 'k1' });
    const right = createSign('sha256')
      .update(`${head}.${b64('body')}`)
      .sign(rsa.privateKey, 'base64url');
    assert.equal(check(`${head}..${right}`, 'body', pem).kind, 'verified');
    assert.equal(check(sign({ alg: 'HS256', kid: 'k1' }, 'body', false, pem), 'body', pem).kind, 'rejected');
  });

  test('an ES256 signature in DER is refused', () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = ec.publicKey.export({ format: 'pem', type: 'spki' }).toString();
    const head = b64({ alg: 'ES256' });
    const der = createSign('sha256')
      .update(`${head}.${b64('body')}`)
      .sign(ec.privateKey, 'base64url');
    assert.equal(check(`${head}..${der}`, 'body', pem).kind, 'rejected');
  });

  test('an agreed time bounds the age to both sides and must be there', () => {
    const name = 'http://openbanking.org.uk/iat';
    const options = { timeParameter: name, tolerance: 60 };
    const at = (time: unknown) => check(sign({ alg: 'HS256', [name]: time, crit: [name] }, 'b'), 'b', secret, options);
    const verdict = at(now - 60);
    assert.ok(verdict.kind === 'verified');
    assert.equal(verdict.verification.signedAt, new Date((now - 60) * 1000).toISOString());
    for (const [time, reason] of [
      [now - 61, 'stale'],
      [now + 61, 'stale'],
      [String(now), 'malformed'],
      [-1, 'malformed'],
      [1e300, 'malformed'],
    ] as const) {
      const refused = at(time);
      assert.equal(refused.kind === 'rejected' && refused.reason, reason, String(time));
    }
    assert.equal(check(sign({ alg: 'HS256' }, 'b'), 'b', secret, options).kind, 'rejected');
  });

  describe('with Ed25519', () => {
    const privateKey = createPrivateKey({ key: rfc8037.privateJwk, format: 'jwk' });
    const signed = (header: object, body: Buffer, raw = false) => {
      const head = b64(header);
      const payload = raw ? body : Buffer.from(body.toString('base64url'));
      return `${head}..${signWith(null, Buffer.concat([Buffer.from(`${head}.`), payload]), privateKey).toString('base64url')}`;
    };
    const body = Buffer.from([0xff, 0x00, 0x2e]);
    const { publicJwk } = rfc8037;

    test('both names of the algorithm verify, over the body encoded or as it is', () => {
      assert.equal(signed({ alg: 'EdDSA' }, rfc8037.payload), `${rfc8037.header}..${rfc8037.signature}`);
      for (const alg of ['EdDSA', 'Ed25519']) {
        assert.equal(check(signed({ alg, kid: 'k1' }, body), body, publicJwk).kind, 'verified');
        const raw = { alg, b64: false, crit: ['b64'] };
        assert.equal(check(signed(raw, body, true), body, publicJwk).kind, 'verified');
        assert.equal(check(signed(raw, body), body, publicJwk).kind, 'rejected');
      }
    });

    test('another algorithm, a key of its own, an unknown critical name and another kid are refused', () => {
      for (const header of [
        { alg: 'ES256' },
        { alg: 'Ed448' },
        { alg: 'eddsa' },
        { alg: 'none' },
        { alg: 'EdDSA', jwk: publicJwk },
        { alg: 'EdDSA', jku: 'https://evil.example.org/keys' },
        { alg: 'EdDSA', x5u: 'https://evil.example.org/cert' },
        { alg: 'EdDSA', x5c: ['MII'] },
        { alg: 'EdDSA', exp: 1, crit: ['exp'] },
        { alg: 'EdDSA', crit: [] },
        { alg: 'EdDSA', b64: false },
        { alg: 'EdDSA', kid: 'k2' },
        { alg: 'EdDSA', kid: '__proto__' },
        { alg: 'EdDSA', typ: 'JWT' },
      ])
        assert.equal(check(signed(header, body), body, publicJwk).kind, 'rejected', JSON.stringify(header));
    });

    test('HS256 keyed with the public key, in any form, is refused', () => {
      for (const key of [publicJwk.x, Buffer.from(publicJwk.x, 'base64url'), JSON.stringify(publicJwk)])
        assert.equal(check(sign({ alg: 'HS256', kid: 'k1' }, body, false, key), body, publicJwk).kind, 'rejected');
    });

    test('a key of small order is refused at deploy', () => {
      for (const x of lowOrderKeys) {
        const key = { kty: 'OKP', crv: 'Ed25519', x: x.toString('base64url') };
        assert.throws(() => check(signed({ alg: 'EdDSA' }, body), body, key), { code: 'KEY_INVALID' });
      }
    });
  });
});
