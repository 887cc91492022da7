/** Properties of what reads a request before anything is proven: one value has one spelling, and nothing throws. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { keyFromHeader } from '../../nodes/idempotency/gate/header.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { parseMediaType } from '../../nodes/webhook/ingress/media-type.ts';
import { parseRoute, RouteTable } from '../../nodes/webhook/ingress/routes.ts';
import { decodeCanonical, parseUnixSeconds } from '../../nodes/webhook/schemes/encoding.ts';
import { HeaderFields } from '../../nodes/webhook/schemes/headers.ts';
import { readMessageSignatures, signatureBase } from '../../nodes/webhook/schemes/http-signature.ts';
import { readJoseHead, readJsonObject } from '../../nodes/webhook/schemes/jose.ts';
import { readJwtHead } from '../../nodes/webhook/schemes/jwt.ts';
import { schemeForms } from '../../nodes/webhook/schemes/catalog.ts';
import { schemeOf } from '../../nodes/webhook/schemes/index.ts';
import { parseCaptured } from '../../nodes/webhook/verification/check.ts';
import { networkOf } from '../../nodes/webhook/verification/failure-rate.ts';
import { targets } from '../faults/webhook/hostile.ts';
import { request } from './fixture.ts';

const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const headerValue = fc.string({
  unit: fc.constantFrom(...Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))),
});

describe('canonical encodings', () => {
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    test(`${encoding}: bytes come back, and no two texts are the same bytes`, () => {
      fc.assert(
        fc.property(bytes, (given) => {
          fc.pre(given.length > 0);
          assert.deepEqual(decodeCanonical(given.toString(encoding), encoding), given);
        }),
      );
      fc.assert(
        fc.property(text, (given) => {
          const read = decodeCanonical(given, encoding);
          assert.ok(read === undefined || read.toString(encoding) === given);
        }),
      );
    });
  }

  test('Unix seconds have one spelling', () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.integer().map(String), fc.double().map(String)), (given) => {
        const read = parseUnixSeconds(given);
        assert.ok(read === undefined || (Number.isSafeInteger(read) && String(read / 1000) === given));
      }),
    );
  });
});

describe('JOSE', () => {
  test('a JSON object is read exactly when its names are unique, at any spelling', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ minLength: 1, maxLength: 6 }), fc.jsonValue()), { maxLength: 6 }),
        (members) => {
          const names = members.map(([name]) => name);
          fc.pre(!names.some((name) => ['__proto__', 'constructor', 'prototype'].includes(name)));
          const json = `{${members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`;
          const read = readJsonObject(Buffer.from(json));
          if (new Set(names).size < names.length) assert.equal(read, undefined);
          else if (read !== undefined) assert.deepEqual(Object.keys(read).sort(), [...new Set(names)].sort());
        },
      ),
    );
  });

  test('a header is read or refused, and what is read has only what is allowed', () => {
    const name = fc.constantFrom('alg', 'typ', 'kid', 'cty', 'crit', 'jwk', 'x5u', 'b64', '__proto__');
    const value = fc.oneof(fc.constantFrom('EdDSA', 'none', 'JWT', 'k1'), fc.jsonValue(), text);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.dictionary(name, value).map((header) => Buffer.from(JSON.stringify(header))),
          bytes,
        ),
        (given) => {
          const head = readJoseHead(given, new Set(['alg', 'typ', 'kid']), /^JWT$/);
          if (head === undefined) return;
          assert.equal(typeof head.alg, 'string');
          assert.ok(Object.keys(head.header).every((key) => ['alg', 'typ', 'kid'].includes(key)));
        },
      ),
    );
    fc.assert(fc.property(text, (given) => void readJwtHead(given)));
    fc.assert(
      fc.property(
        fc.array(bytes, { minLength: 3, maxLength: 3 }),
        (parts) => void readJwtHead(parts.map((part) => part.toString('base64url')).join('.')),
      ),
    );
  });
});

test('header fields keep every value in order and tell a repeated one', () => {
  const name = fc.constantFrom('a', 'A', 'b', '__proto__', 'constructor');
  fc.assert(
    fc.property(fc.array(fc.tuple(name, headerValue)), (lines) => {
      const fields = HeaderFields.fromRaw(lines.flat());
      for (const wanted of ['a', 'b', '__proto__', 'constructor', 'toString']) {
        const sent = lines.filter(([given]) => given.toLowerCase() === wanted).map(([, value]) => value);
        assert.deepEqual(fields.all(wanted), sent);
        assert.equal(
          typeof fields.one(wanted),
          sent.length > 1 ? 'symbol' : sent.length === 1 ? 'string' : 'undefined',
        );
      }
    }),
  );
});

test('HTTP message signatures are read or refused, and a base has one line for each component', () => {
  const component = fc.constantFrom('@method', '@path', '@query', 'date', '@unknown', 'x y', 'date";bs');
  const input = fc
    .tuple(
      fc.array(component, { maxLength: 4 }),
      fc.constantFrom('', ';created=1', ';created=01', ';keyid="k"', ';tag="a;b"', ';x=1'),
    )
    .map(([components, parameters]) => `s=(${components.map((name) => `"${name}"`).join(' ')})${parameters}`);
  fc.assert(
    fc.property(fc.oneof(input, headerValue), fc.oneof(fc.constant('s=:AAAA:'), headerValue), (given, signature) => {
      const signed = request({ headers: { 'signature-input': given, signature, date: 'x' } });
      for (const found of readMessageSignatures(signed) ?? []) {
        const base = signatureBase(signed, found);
        if (base !== undefined) assert.equal(base.toString('latin1').split('\n').length, found.components.length + 1);
      }
    }),
  );
});

test('an idempotency key in quotes is read back whole, and anything else is a key or a refusal', () => {
  fc.assert(
    fc.property(headerValue, (key) => {
      fc.pre(key !== '');
      const quoted = `"${key.replace(/["\\]/g, '\\$&')}"`;
      assert.equal(keyFromHeader(quoted, 'Idempotency-Key'), key);
    }),
  );
  fc.assert(
    fc.property(fc.oneof(text, fc.jsonValue()), (given) => {
      try {
        assert.notEqual(keyFromHeader(given, 'Idempotency-Key'), '');
      } catch (error) {
        assert.ok(error instanceof Failure && error.class === 'data-quality', String(error));
      }
    }),
  );
});

test('media types, addresses, captured requests and paths are read or refused', () => {
  fc.assert(
    fc.property(text, (given) => {
      const type = parseMediaType(given);
      assert.ok(type === undefined || type.essence === type.essence.toLowerCase());
    }),
  );
  fc.assert(fc.property(fc.oneof(text, fc.ipV4(), fc.ipV6()), (given) => void networkOf(given)));
  fc.assert(fc.property(fc.ipV6(), (given) => assert.match(networkOf(given), /::\/64$|^[\d.]+$/)));
  fc.assert(
    fc.property(
      fc.oneof(
        text,
        text.map((rest) => `POST /a HTTP/1.1\n${rest}`),
      ),
      fc.boolean(),
      (given, base64) => {
        try {
          parseCaptured(given, base64);
        } catch (error) {
          assert.ok(error instanceof Failure && error.code === 'CAPTURE_INVALID', String(error));
        }
      },
    ),
  );
});

describe('no scheme throws on what a caller can send', () => {
  const listed = new Set(targets.map(({ scheme }) => scheme));
  test('each has a target', () => {
    assert.deepEqual(
      schemeForms.map(({ id }) => id).filter((id) => !listed.has(id)),
      [],
    );
  });
  for (const [index, target] of targets.entries()) {
    test(`${target.scheme} (target ${index})`, () => {
      const verify = schemeOf(target.scheme).prepare([{ id: 'k1', secret: target.secret }], target.options);
      const honest = target.build(target.secret, Buffer.from('{}'), 1_700_000_000);
      const names = [...Object.keys(honest.headers ?? {}), 'authorization', 'host'];
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.constantFrom(...names), fc.oneof(headerValue, text)), { maxLength: 6 }),
          bytes,
          fc.double(),
          (lines, body, now) => {
            const headers: Record<string, string[]> = {};
            for (const [name, value] of lines) headers[name] = [...(headers[name] ?? []), value];
            const verdict = verify(request({ ...honest, headers, body, parameters: { token: 'x' } }), now);
            assert.equal(verdict.kind, 'rejected');
          },
        ),
        { numRuns: 200 },
      );
    });
  }
});

test('a route takes exactly the paths of its shape, with parameters decoded once', () => {
  const routes = new RouteTable<string>();
  routes.add(parseRoute('post', '/h/:a/:b'), 'n', 'e');
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (a, b) => {
      fc.pre(a.isWellFormed() && b.isWellFormed());
      const path = `/h/${encodeURIComponent(a)}/${encodeURIComponent(b)}`;
      assert.deepEqual(routes.match('POST', path)?.parameters, { a, b });
    }),
  );
  fc.assert(fc.property(text, (given) => void routes.match('POST', given)));
});
