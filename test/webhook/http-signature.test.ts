import assert from 'node:assert/strict';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { readHttpSignatureKey, verifyHttpSignature } from '../../nodes/webhook/schemes/http-signature.ts';
import { schemeOf } from '../../nodes/webhook/schemes/index.ts';
import { lowOrderKeys, mutations, request } from './fixture.ts';

/** RFC 9421 appendix B.2, the test request. */
const message = {
  method: 'POST',
  url: 'https://example.com/foo?param=Value&Pet=dog',
  body: '{"hello": "world"}',
};
const fields = {
  host: 'example.com',
  date: 'Tue, 20 Apr 2021 02:07:55 GMT',
  'content-type': 'application/json',
  'content-digest':
    'sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:',
  'content-length': '18',
};
const at = 1618884473_000;

const pssKey = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----`;
const edKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----`;
const sharedSecret = 'base64:uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==';

interface Vector {
  section: string;
  keyid: string;
  key: string;
  input: string;
  signature: string;
}

const vectors: readonly Vector[] = [
  {
    section: 'B.2.1 (minimal coverage, rsa-pss-sha512)',
    keyid: 'test-key-rsa-pss',
    key: pssKey,
    input: 'sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"',
    signature:
      'sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:',
  },
  {
    section: 'B.2.3 (full coverage, rsa-pss-sha512)',
    keyid: 'test-key-rsa-pss',
    key: pssKey,
    input:
      'sig-b23=("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-rsa-pss"',
    signature:
      'sig-b23=:bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==:',
  },
  {
    section: 'B.2.5 (hmac-sha256)',
    keyid: 'test-shared-secret',
    key: sharedSecret,
    input: 'sig-b25=("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
    signature: 'sig-b25=:pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=:',
  },
  {
    section: 'B.2.6 (ed25519)',
    keyid: 'test-key-ed25519',
    key: edKey,
    input:
      'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"',
    signature: 'sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:',
  },
];

/** Without the coverage that we demand, as the appendix has it; the body is left out where it is not covered. */
function checkVector({ keyid, key, input, signature }: Vector, change: Record<string, string> = {}): string {
  const read = readHttpSignatureKey(key);
  assert.ok('material' in read);
  const keys = [{ id: keyid, material: read.material, notBefore: -Infinity, notAfter: Infinity }];
  const body = input.includes('content-digest') ? message.body : '';
  const headers = { ...fields, 'signature-input': input, signature, ...change };
  const options = { covered: body === '' ? [] : ['content-digest'], tolerance: 300_000 };
  return verifyHttpSignature(request({ ...message, body, headers }), keys, options, at).kind;
}

describe('RFC 9421 appendix B.2', () => {
  for (const vector of vectors) {
    test(`${vector.section} verifies, and refuses every single-byte change`, () => {
      assert.equal(checkVector(vector), 'verified');
      for (const name of ['signature', 'signature-input'] as const) {
        for (const changed of mutations(name === 'signature' ? vector.signature : vector.input)) {
          assert.equal(
            checkVector(vector, { [name]: changed.toString('latin1') }),
            'rejected',
            changed.toString('latin1'),
          );
        }
      }
      for (const name of ['date', 'content-type'] as const) {
        for (const changed of mutations(fields[name])) {
          if (!vector.input.includes(`"${name}"`)) continue;
          assert.equal(checkVector(vector, { [name]: changed.toString('latin1') }), 'rejected');
        }
      }
    });
  }
});

test('what covers too little is refused, though the RFC signs it so: B.2.1 and B.2.2', () => {
  const b22: Omit<Vector, 'section'> = {
    keyid: 'test-key-rsa-pss',
    key: vectors[0]!.key,
    input:
      'sig-b22=("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;keyid="test-key-rsa-pss";tag="header-example"',
    signature:
      'sig-b22=:LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==:',
  };
  for (const { keyid, key, input, signature } of [vectors[0]!, b22]) {
    const verify = schemeOf('http-signature').prepare([{ id: keyid, secret: key }], {});
    const headers = { ...fields, 'signature-input': input, signature };
    assert.equal(verify(request({ ...message, headers }), at).kind, 'rejected');
  }
});

describe('HTTP message signatures', () => {
  const pair = generateKeyPairSync('ed25519');
  const publicKey = pair.publicKey.export({ format: 'pem', type: 'spki' }).toString();
  const digest = (body: string) => `sha-256=:${createHash('sha256').update(body).digest('base64')}:`;

  /** Signs what the input covers, values given, as an honest sender does. */
  function signed(components: Record<string, string>, parameters = `;created=${at / 1000};keyid="k1"`) {
    const list = Object.keys(components)
      .map((name) => `"${name}"`)
      .join(' ');
    const lines = Object.entries(components).map(([name, value]) => `"${name}": ${value}`);
    const base = [...lines, `"@signature-params": (${list})${parameters}`].join('\n');
    return {
      'signature-input': `s=(${list})${parameters}`,
      signature: `s=:${sign(null, Buffer.from(base), createPrivateKey(pair.privateKey.export({ format: 'pem', type: 'pkcs8' }))).toString('base64')}:`,
    };
  }
  const url = 'https://hooks.example.org/orders?x=1';
  const body = '{"a":1}';
  const full = { '@method': 'POST', '@target-uri': url, 'content-digest': digest(body) };
  const check = (headers: Record<string, string>, parts: object = {}, now = at, options = {}) => {
    const verify = schemeOf('http-signature').prepare([{ id: 'k1', secret: publicKey }], options);
    return verify(request({ url, body, headers: { 'content-digest': digest(body), ...headers }, ...parts }), now);
  };

  test('a request that covers method, address and digest verifies; its nonce is its id', () => {
    const verdict = check(signed(full, `;created=${at / 1000};nonce="n-1";keyid="k1"`));
    assert.equal(verdict.kind === 'verified' && verdict.verification.messageId, 'n-1', JSON.stringify(verdict));
  });

  for (const left of Object.keys(full)) {
    test(`a signature that does not cover ${left} is refused`, () => {
      const rest = Object.fromEntries(Object.entries(full).filter(([name]) => name !== left));
      assert.equal(check(signed(rest)).kind, 'rejected');
    });
  }

  test('a query beside a covered path must be covered too', () => {
    const path = { '@method': 'POST', '@path': '/orders', 'content-digest': digest(body) };
    assert.equal(check(signed(path)).kind, 'rejected');
    assert.equal(check(signed({ ...path, '@query': '?x=1' })).kind, 'verified');
  });

  test('a body that was swapped is refused, with the old digest and with its own', () => {
    const other = '{"a":2}';
    assert.equal(check(signed(full), { body: other }).kind, 'rejected');
    assert.equal(check({ ...signed(full), 'content-digest': digest(other) }, { body: other }).kind, 'rejected');
    assert.equal(
      check(signed({ ...full, 'content-digest': 'md5=:AAAA:' }), {
        headers: { ...signed({ ...full, 'content-digest': 'md5=:AAAA:' }), 'content-digest': 'md5=:AAAA:' },
      }).kind,
      'rejected',
    );
  });

  test('a body that was taken away is refused, as long as its digest is signed', () => {
    assert.equal(check(signed(full), { body: '' }).kind, 'rejected');
    const none = { '@method': 'POST', '@target-uri': url };
    assert.equal(check(signed(none), { body: '', headers: signed(none) }).kind, 'verified');
    const empty = { ...none, 'content-digest': digest('') };
    const headers = { ...signed(empty), 'content-digest': digest('') };
    assert.equal(check(headers, { body: '' }).kind, 'verified');
  });

  test('created must be there and near, expires must not be over', () => {
    assert.equal(check(signed(full, ';keyid="k1"')).kind, 'rejected');
    for (const off of [-301_000, 301_000]) {
      const verdict = check(signed(full), {}, at + off);
      assert.equal(verdict.kind === 'rejected' && verdict.reason, 'stale');
    }
    const expiring = signed(full, `;created=${at / 1000};expires=${at / 1000 + 10};keyid="k1"`);
    assert.equal(check(expiring).kind, 'verified');
    assert.equal(check(expiring, {}, at + 11_000).kind, 'rejected');
  });

  test('an algorithm that is not the key’s, another keyid, or parameters twice are refused', () => {
    assert.equal(check(signed(full, `;created=${at / 1000};keyid="k1";alg="ed25519"`)).kind, 'verified');
    assert.equal(check(signed(full, `;created=${at / 1000};keyid="k1";alg="hmac-sha256"`)).kind, 'rejected');
    assert.equal(check(signed(full, `;created=${at / 1000};keyid="k2"`)).kind, 'rejected');
    assert.equal(check(signed(full, `;created=1;created=${at / 1000};keyid="k1"`)).kind, 'rejected');
  });

  test('what the operator wants covered besides must be covered', () => {
    assert.equal(check(signed(full), {}, at, { components: 'content-type' }).kind, 'rejected');
    assert.throws(() => check({}, {}, at, { components: '@nonsense' }), { code: 'SCHEME_OPTION_INVALID' });
  });

  test('keys of another curve, RSA below 2048 bits and Ed25519 of small order are refused at deploy', () => {
    const small = { kty: 'OKP', crv: 'Ed25519', x: lowOrderKeys[0]!.toString('base64url') };
    for (const key of [
      createPublicKey({ key: small, format: 'jwk' }),
      generateKeyPairSync('ed448').publicKey,
      generateKeyPairSync('x25519').publicKey,
      generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey,
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey,
    ]) {
      const secret = key.export({ format: 'pem', type: 'spki' }).toString();
      assert.throws(() => schemeOf('http-signature').prepare([{ id: 'k1', secret }], {}), { code: 'KEY_INVALID' });
    }
  });
});
