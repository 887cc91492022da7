import assert from 'node:assert/strict';
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { describe, test } from 'node:test';
import { schemeForms } from '../../nodes/webhook/schemes/catalog.ts';
import { schemeIds, schemeOf } from '../../nodes/webhook/schemes/index.ts';
import type { KeyEntry, SchemeOptions, SignedRequest, Verdict } from '../../nodes/webhook/schemes/scheme.ts';
import { verifyTwilio } from '../../nodes/webhook/schemes/twilio.ts';
import { lowOrderKeys, mutations, request } from './fixture.ts';

interface Vector {
  /** Where it is published. */
  from: string;
  scheme: string;
  secret: string;
  options?: SchemeOptions;
  /** Seconds. */
  at: number;
  url?: string;
  headers: Record<string, string>;
  body: string;
  /** Headers of which every byte counts. */
  proof: readonly string[];
}

const vectors: readonly Vector[] = [
  {
    from: 'standard-webhooks specification and libraries',
    scheme: 'standard-webhooks',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    at: 1614265330,
    headers: {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    body: '{"test": 2432232314}',
    proof: ['webhook-id', 'webhook-timestamp', 'webhook-signature'],
  },
  {
    from: 'the same under svix- names',
    scheme: 'standard-webhooks',
    secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    options: { headerPrefix: 'svix' },
    at: 1614265330,
    headers: {
      'svix-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'svix-timestamp': '1614265330',
      'svix-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    body: '{"test": 2432232314}',
    proof: ['svix-id', 'svix-timestamp', 'svix-signature'],
  },
  {
    from: 'docs.github.com, "Testing the webhook payload validation"',
    scheme: 'github',
    secret: "It's a Secret to Everybody",
    at: 0,
    headers: { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' },
    body: 'Hello, World!',
    proof: ['x-hub-signature-256'],
  },
  {
    from: 'the same described as generic HMAC',
    scheme: 'hmac',
    secret: "It's a Secret to Everybody",
    options: { signatureHeader: 'X-Hub-Signature-256', signaturePrefix: 'sha256=' },
    at: 0,
    headers: { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' },
    body: 'Hello, World!',
    proof: ['x-hub-signature-256'],
  },
  {
    from: 'api.slack.com, "Verifying requests from Slack"',
    scheme: 'slack',
    secret: '8f742231b10e8888abcd99yyyzzz85a5',
    at: 1531420618,
    headers: {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    body: 'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    proof: ['x-slack-request-timestamp', 'x-slack-signature'],
  },
  {
    from: "Square's SDK tests of its webhooks helper",
    scheme: 'square',
    secret: 'Ibxx_5AKakO-3qeNVR61Dw',
    options: { notificationUrl: 'https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9' },
    at: 0,
    headers: { 'x-square-hmacsha256-signature': 'GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4=' },
    body: '{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification","event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z","data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}',
    proof: ['x-square-hmacsha256-signature'],
  },
  stripeVector(),
  shopifyVector(),
];

/** Stripe publishes the construction ("Verify webhook signatures manually") without a signed example. */
function stripeVector(): Vector {
  const secret = 'whsec_0123456789abcdefghijklmnopqrstuv';
  const body = '{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event"}';
  const signature = createHmac('sha256', secret).update(`1686089970.${body}`).digest('hex');
  return {
    from: 'built as docs.stripe.com says',
    scheme: 'stripe',
    secret,
    at: 1686089970,
    headers: { 'stripe-signature': `t=1686089970,v1=${signature}` },
    body,
    proof: ['stripe-signature'],
  };
}

/** Shopify publishes the construction ("Verify webhook deliveries") without a signed example. */
function shopifyVector(): Vector {
  const secret = 'hush0123456789abcdef';
  const body = '{"id":820982911946154508,"total_price":"403.00"}';
  return {
    from: 'built as shopify.dev says',
    scheme: 'shopify',
    secret,
    at: 0,
    headers: { 'x-shopify-hmac-sha256': createHmac('sha256', secret).update(body).digest('base64') },
    body,
    proof: ['x-shopify-hmac-sha256'],
  };
}

function run(
  { scheme, options, url }: Pick<Vector, 'scheme' | 'options' | 'url'>,
  keys: readonly KeyEntry[],
  parts: { headers: Record<string, string | readonly string[]>; body: Buffer | string },
  at: number,
): Verdict {
  const verify = schemeOf(scheme).prepare(keys, options ?? {});
  return verify(request({ ...parts, ...(url === undefined ? {} : { url }) }), at * 1000);
}

const key = (secret: string, id = 'k1'): KeyEntry => ({ id, secret });

describe('published vectors', () => {
  for (const vector of vectors) {
    test(`${vector.scheme} verifies (${vector.from})`, () => {
      const verdict = run(vector, [key(vector.secret)], vector, vector.at);
      assert.equal(verdict.kind, 'verified', JSON.stringify(verdict));
    });

    test(`${vector.scheme} refuses every single-byte change (${vector.from})`, () => {
      const verify = schemeOf(vector.scheme).prepare([key(vector.secret)], vector.options ?? {});
      const refused = (changed: SignedRequest, what: string) =>
        assert.equal(verify(changed, vector.at * 1000).kind, 'rejected', what);
      let tried = 0;
      for (const body of mutations(vector.body)) {
        refused(request({ ...vector, body }), `body ${body.toString('latin1')}`);
        tried++;
      }
      for (const name of vector.proof) {
        for (const changed of mutations(vector.headers[name]!)) {
          const headers = { ...vector.headers, [name]: changed.toString('latin1') };
          refused(request({ ...vector, headers }), `${name}: ${headers[name]}`);
          tried++;
        }
      }
      assert.ok(tried > 100);
    });

    test(`${vector.scheme} refuses a missing or repeated header (${vector.from})`, () => {
      for (const name of vector.proof) {
        const { [name]: value, ...rest } = vector.headers;
        assert.equal(run(vector, [key(vector.secret)], { ...vector, headers: rest }, vector.at).kind, 'rejected');
        const repeated = { ...rest, [name]: [value!, value!] };
        const verdict = run(vector, [key(vector.secret)], { ...vector, headers: repeated }, vector.at);
        assert.equal(verdict.kind === 'rejected' && verdict.reason, 'ambiguous');
      }
    });
  }
});

describe('Standard Webhooks', () => {
  const vector = vectors[0]!;
  const good = { headers: vector.headers, body: vector.body };
  const verdictWith = (headers: Record<string, string>, keys = [key(vector.secret)], at = vector.at) =>
    run(vector, keys, { ...good, headers: { ...vector.headers, ...headers } }, at);

  test('hands on id, key and signed time, and no secret', () => {
    const verdict = run(vector, [key(vector.secret)], good, vector.at);
    assert.deepEqual(verdict.kind === 'verified' && verdict.verification, {
      scheme: 'standard-webhooks',
      keyId: 'k1',
      signedAt: '2021-02-25T15:02:10.000Z',
      messageId: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    });
  });

  test('the time is bounded to both sides, the bound itself included', () => {
    for (const off of [-300, 300]) assert.equal(verdictWith({}, undefined, vector.at + off).kind, 'verified');
    for (const off of [-301, 301, 1e6, -1e6]) {
      const verdict = verdictWith({}, undefined, vector.at + off);
      assert.equal(verdict.kind === 'rejected' && verdict.reason, 'stale');
    }
  });

  for (const timestamp of [
    '1614265330abc',
    '1614265330.0',
    ' 1614265330',
    '+1614265330',
    '01614265330',
    '1.6e9',
    '-1',
    '',
  ]) {
    test(`the time ${JSON.stringify(timestamp)} is refused, correctly signed or not`, () => {
      const signature = createHmac('sha256', Buffer.from(vector.secret.slice(6), 'base64'))
        .update(`msg_1.${timestamp}.${vector.body}`)
        .digest('base64');
      const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
      assert.equal(verdictWith(headers).kind, 'rejected');
    });
  }

  for (const id of ['msg_1.1614265330', 'msg 1', 'msg\r\n1', 'm'.repeat(257), 'mäg']) {
    test(`the id ${JSON.stringify(id.slice(0, 20))} is refused, correctly signed or not`, () => {
      const signature = createHmac('sha256', Buffer.from(vector.secret.slice(6), 'base64'))
        .update(`${id}.1614265330.${vector.body}`)
        .digest('base64');
      assert.equal(verdictWith({ 'webhook-id': id, 'webhook-signature': `v1,${signature}` }).kind, 'rejected');
    });
  }

  test('a tolerance that is no number, or has no end, does not switch the clock off', () => {
    for (const tolerance of ['nonsense', '', Number.NaN, Number.POSITIVE_INFINITY, 1e12, -1]) {
      const late = vector.at + 25 * 3600;
      assert.equal(
        run({ ...vector, options: { tolerance } }, [key(vector.secret)], good, late).kind,
        'rejected',
        String(tolerance),
      );
    }
  });

  test('bytes are verified, not text: what decodes to the same characters is refused', () => {
    const secret = Buffer.from(vector.secret.slice(6), 'base64');
    const body = Buffer.from([0x22, 0xef, 0xbf, 0xbd, 0x22]);
    const signature = createHmac('sha256', secret).update('msg_1.1614265330.').update(body).digest('base64');
    const headers = {
      'webhook-id': 'msg_1',
      'webhook-timestamp': '1614265330',
      'webhook-signature': `v1,${signature}`,
    };
    assert.equal(run(vector, [key(vector.secret)], { headers, body }, vector.at).kind, 'verified');
    for (const other of [Buffer.from([0x22, 0xff, 0x22]), Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body])]) {
      assert.equal(run(vector, [key(vector.secret)], { headers, body: other }, vector.at).kind, 'rejected');
    }
  });

  test('one right signature among others is enough, also when it is the last of eight', () => {
    const wrong = Buffer.alloc(32).toString('base64');
    const right = vector.headers['webhook-signature']!;
    const list = (count: number) => [...Array<string>(count).fill(`v1,${wrong}`), right].join(' ');
    assert.equal(verdictWith({ 'webhook-signature': list(7) }).kind, 'verified');
    assert.equal(verdictWith({ 'webhook-signature': list(8) }).kind, 'rejected');
  });

  test('a replayer cannot change what replay protection remembers by adding signatures', () => {
    const wrong = Buffer.alloc(32).toString('base64');
    const plain = verdictWith({});
    const padded = verdictWith({ 'webhook-signature': `v1,${wrong} ${vector.headers['webhook-signature']}` });
    assert.ok(plain.kind === 'verified' && padded.kind === 'verified');
    assert.equal(plain.proof(), padded.proof());
  });

  test('webhook- and svix- headers together are refused', () => {
    assert.equal(verdictWith({ 'svix-signature': vector.headers['webhook-signature']! }).kind, 'rejected');
  });

  test('v1a verifies with Ed25519, each single-byte change is refused, and a v1 secret never serves as a public key', () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const whpk = `whpk_${publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')}`;
    const content = Buffer.from(`msg_1.1614265330.${vector.body}`);
    const signature = `v1a,${sign(null, content, privateKey).toString('base64')}`;
    const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': '1614265330' };
    const check = (value: string, body: Buffer | string = vector.body, keys = [key(whpk)]) =>
      run(vector, keys, { headers: { ...headers, 'webhook-signature': value }, body }, vector.at).kind;
    assert.equal(check(signature), 'verified');
    assert.equal(check(signature, vector.body, [key(vector.secret), key(whpk, 'k2')]), 'verified');
    for (const changed of mutations(signature)) assert.equal(check(changed.toString('latin1')), 'rejected');
    for (const body of mutations(vector.body)) assert.equal(check(signature, body), 'rejected');
    const asSecret = createHmac('sha256', Buffer.from(whpk.slice(5), 'base64'))
      .update(content)
      .digest('base64');
    assert.equal(check(`v1,${asSecret}`), 'rejected');
  });

  for (const [secret, why] of [
    ['whsec_c2hvcnQ=', 'shorter than 24 bytes'],
    ['whsec_!!!!', 'not base64'],
    [`whsec_${Buffer.alloc(65).toString('base64')}`, 'longer than 64 bytes'],
    ['whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'a private key'],
    ['whpk_MfKQ9r8G', 'a public key of the wrong length'],
    [`whpk_${lowOrderKeys[0]!.toString('base64')}`, 'a public key of small order'],
    ['', 'empty'],
  ] as const) {
    test(`a secret that is ${why} is refused at deploy, without being quoted`, () => {
      assert.throws(
        () => schemeOf('standard-webhooks').prepare([key(secret)], {}),
        (error: Error & { code?: string }) =>
          error.code === 'KEY_INVALID' && (secret === '' || !error.message.includes(secret.slice(6) || secret)),
      );
    });
  }
});

describe('rotation', () => {
  const vector = vectors[0]!;
  const other = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
  const at = vector.at * 1000;

  test('old and new key verify side by side, and the result names which', () => {
    const verdict = run(vector, [key(other, 'new'), key(vector.secret, 'old')], vector, vector.at);
    assert.equal(verdict.kind === 'verified' && verdict.verification.keyId, 'old');
  });

  test('a key counts from notBefore on and until just before notAfter', () => {
    const windowed = (notBefore: number, notAfter: number) =>
      run(vector, [{ ...key(vector.secret), notBefore, notAfter }], vector, vector.at);
    assert.equal(windowed(at, at + 1).kind, 'verified');
    for (const [from, until] of [
      [at + 1, at + 2],
      [at - 2, at],
    ] as const) {
      const verdict = windowed(from, until);
      assert.equal(verdict.kind === 'rejected' && verdict.reason, 'key-not-current');
    }
  });

  test('the same secret under two names is taken by the one that is valid now', () => {
    const verdict = run(
      vector,
      [{ ...key(vector.secret, 'ended'), notAfter: at - 1 }, key(vector.secret, 'current')],
      vector,
      vector.at,
    );
    assert.equal(verdict.kind === 'verified' && verdict.verification.keyId, 'current');
  });

  test('more than eight keys are refused at deploy', () => {
    const keys = Array.from({ length: 9 }, (_, index) => key(vector.secret, `k${index}`));
    assert.throws(() => schemeOf('standard-webhooks').prepare(keys, {}), { code: 'TOO_MANY_KEYS' });
  });
});

describe('Stripe', () => {
  const vector = stripeVector();
  const header = (value: string) =>
    run(vector, [key(vector.secret)], { headers: { 'stripe-signature': value }, body: vector.body }, vector.at).kind;
  const [t, v1] = vector.headers['stripe-signature']!.split(',') as [string, string];

  test('the whole whsec_ text is the key, not what its base64 says', () => {
    const decoded = createHmac('sha256', Buffer.from(vector.secret.slice(6), 'base64'))
      .update(`1686089970.${vector.body}`)
      .digest('hex');
    assert.equal(header(`${t},v1=${decoded}`), 'rejected');
  });

  test('v0 beside v1 is left aside, v0 alone is refused, a second t is refused', () => {
    assert.equal(header(`${t},${v1},v0=${'0'.repeat(64)}`), 'verified');
    assert.equal(header(`${t},${v1.replace('v1', 'v0')}`), 'rejected');
    assert.equal(header(`t=1,${t},${v1}`), 'rejected');
    assert.equal(header(`${t},${v1},t=1686089970`), 'rejected');
  });

  test('a time in the future is refused, which the reference library takes', () => {
    assert.equal(run(vector, [key(vector.secret)], vector, vector.at - 301).kind, 'rejected');
  });
});

describe('GitHub', () => {
  test('a SHA-1 signature alone proves nothing', () => {
    const vector = vectors[2]!;
    const sha1 = createHmac('sha1', vector.secret).update(vector.body).digest('hex');
    const verdict = run(
      vector,
      [key(vector.secret)],
      { headers: { 'x-hub-signature': `sha1=${sha1}` }, body: vector.body },
      0,
    );
    assert.equal(verdict.kind === 'rejected' && verdict.reason, 'missing');
  });

  test('another delivery id does not make a recorded request new to replay protection', () => {
    const vector = vectors[2]!;
    const proofs = ['a', 'b'].map((id) => {
      const verdict = run(
        vector,
        [key(vector.secret)],
        { ...vector, headers: { ...vector.headers, 'x-github-delivery': id } },
        0,
      );
      return verdict.kind === 'verified' ? verdict.proof() : undefined;
    });
    assert.ok(proofs[0] !== undefined && proofs[0] === proofs[1]);
  });
});

describe('Twilio', () => {
  // www.twilio.com/docs/usage/security, "Validating Signatures from Twilio"; its token is shorter than we let users set.
  const keys = [{ id: 'k1', material: Buffer.from('12345'), notBefore: -Infinity, notAfter: Infinity }];
  const form = 'CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212';
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
  };
  const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';
  const check = (parts: Parameters<typeof request>[0]) =>
    verifyTwilio(request({ url, headers, body: form, ...parts }), keys, 0).kind;

  test('the published example verifies, with and without the default port, in any order of fields', () => {
    assert.equal(check({}), 'verified');
    assert.equal(check({ url: url.replace('.com', '.com:443') }), 'verified');
    assert.equal(check({ body: form.split('&').reverse().join('&') }), 'verified');
  });

  test('every change of a value, of the address or of the signature is refused', () => {
    for (const body of mutations('1234')) {
      assert.equal(check({ body: form.replace('Digits=1234', `Digits=${body.toString('latin1')}`) }), 'rejected');
    }
    for (const changed of mutations(headers['x-twilio-signature'])) {
      assert.equal(check({ headers: { ...headers, 'x-twilio-signature': changed.toString('latin1') } }), 'rejected');
    }
    assert.equal(check({ url: `${url}&x=1` }), 'rejected');
    assert.equal(check({ url: url.replace('https', 'http') }), 'rejected');
    assert.equal(check({ body: `${form}&X=%FF` }), 'rejected');
  });

  test('a JSON body is verified by bodySHA256 and refused without it', () => {
    const body = '{"a":1}';
    const digest = createHash('sha256').update(body).digest('hex');
    const json = (address: string, content: string) =>
      check({
        url: address,
        body: content,
        headers: {
          'content-type': 'application/json',
          'x-twilio-signature': createHmac('sha1', '12345').update(address).digest('base64'),
        },
      });
    const covered = `https://mycompany.com/sms?bodySHA256=${digest}`;
    assert.equal(json(covered, body), 'verified');
    assert.equal(json(covered, '{"a":2}'), 'rejected');
    assert.equal(json('https://mycompany.com/sms', body), 'rejected');
    assert.equal(json(`${covered}&bodySHA256=${digest}`, body), 'rejected');
  });
});

describe('generic HMAC', () => {
  const secret = '0123456789abcdef0123456789abcdef';
  const options = {
    signatureHeader: 'X-Sig',
    signaturePrefix: 'v1=',
    algorithm: 'sha512',
    encoding: 'base64',
    template: '{method}|{path}|{id}|{timestamp}|{body}',
    timestampHeader: 'X-Time',
    timestampFormat: 'milliseconds',
    idHeader: 'X-Id',
    secretEncoding: 'hex',
    tolerance: 60,
  };

  test('signs what the template says, and nothing of it may change', () => {
    const sig = createHmac('sha512', Buffer.from(secret, 'hex'))
      .update('POST|/orders|id-1|1700000000000|body')
      .digest('base64');
    const headers = { 'x-sig': `v1=${sig}`, 'x-time': '1700000000000', 'x-id': 'id-1' };
    const check = (parts: Parameters<typeof request>[0], at = 1700000000_000) =>
      schemeOf('hmac').prepare([key(secret)], options)(request({ headers, body: 'body', ...parts }), at).kind;
    assert.equal(check({}), 'verified');
    assert.equal(check({ method: 'PUT' }), 'rejected');
    assert.equal(check({ url: 'https://hooks.example.org/other' }), 'rejected');
    assert.equal(check({ headers: { ...headers, 'x-id': 'id-2' } }), 'rejected');
    assert.equal(check({ headers: { ...headers, 'x-time': '1700000000001' } }), 'rejected');
    assert.equal(check({}, 1700000061_000), 'rejected');
  });

  for (const [changed, why] of [
    [{ template: '{timestamp}' }, 'does not sign the body'],
    [{ template: '{body}' }, 'has a time that is not signed'],
    [{ timestampHeader: '', template: '{timestamp}.{body}' }, 'signs a time that is not sent'],
    [{ idHeader: '', template: '{id}.{timestamp}.{body}' }, 'signs an id that is not sent'],
    [{ algorithm: 'md5' }, 'uses MD5'],
    [{ signatureHeader: 'X Sig' }, 'names no header'],
    [{ template: '{secret}{timestamp}{body}' }, 'has an unknown part'],
  ] as const) {
    test(`a description that ${why} is refused at deploy`, () => {
      assert.throws(() => schemeOf('hmac').prepare([key(secret)], { ...options, ...changed }), {
        code: 'SCHEME_OPTION_INVALID',
      });
    });
  }
});

describe('secrets that travel', () => {
  const secret = 'correct-horse-battery-staple';
  const check = (scheme: string, options: SchemeOptions, parts: Parameters<typeof request>[0], id = 'clinic') =>
    schemeOf(scheme).prepare([key(secret, id)], options)(request(parts), 0).kind;

  test('an API key is taken from its header only, whole and once', () => {
    assert.equal(check('api-key', {}, { headers: { 'x-api-key': secret } }), 'verified');
    assert.equal(check('api-key', {}, { headers: { 'x-api-key': `${secret} ` } }), 'rejected');
    assert.equal(check('api-key', {}, { headers: { 'x-api-key': [secret, secret] } }), 'rejected');
    const options = { header: 'Authorization', prefix: 'ApiKey' };
    assert.equal(check('api-key', options, { headers: { authorization: `ApiKey ${secret}` } }), 'verified');
    assert.equal(check('api-key', options, { headers: { authorization: secret } }), 'rejected');
    for (const changed of mutations(secret)) {
      assert.equal(check('api-key', {}, { headers: { 'x-api-key': changed.toString('latin1') } }), 'rejected');
    }
  });

  test('Basic needs user and password, in canonical base64', () => {
    const header = (text: string) => ({ headers: { authorization: `Basic ${Buffer.from(text).toString('base64')}` } });
    assert.equal(check('basic', {}, header(`clinic:${secret}`)), 'verified');
    for (const wrong of [`other:${secret}`, 'clinic:', `clinic:${secret}x`, secret, '']) {
      assert.equal(check('basic', {}, header(wrong)), 'rejected');
    }
    const spelled = Buffer.from(`clinic:${secret}`).toString('base64').replace(/=*$/, '');
    assert.equal(
      check('basic', {}, { headers: { authorization: `Basic ${spelled}` } }),
      spelled.length % 4 === 0 ? 'verified' : 'rejected',
    );
  });

  test('an Odoo token is taken from the place that is set, and once', () => {
    assert.equal(check('odoo', { place: 'path', parameter: 'token' }, { parameters: { token: secret } }), 'verified');
    assert.equal(check('odoo', { place: 'path', parameter: 'toString' }, { parameters: {} }), 'rejected');
    assert.equal(check('odoo', { place: 'path' }, { url: `https://h.example.org/o?token=${secret}` }), 'rejected');
    assert.equal(check('odoo', { place: 'query' }, { url: `https://h.example.org/o?token=${secret}` }), 'verified');
    assert.equal(
      check('odoo', { place: 'query' }, { url: `https://h.example.org/o?token=${secret}&token=${secret}` }),
      'rejected',
    );
  });

  test('a secret that could be guessed is refused at deploy', () => {
    for (const scheme of ['api-key', 'basic', 'odoo', 'github', 'stripe']) {
      assert.throws(() => schemeOf(scheme).prepare([key('password')], {}), { code: 'KEY_INVALID' });
    }
  });
});

test('the dialog offers every scheme that there is, and no other', () => {
  assert.deepEqual(schemeForms.map(({ id }) => id).sort(), [...schemeIds].sort());
});
