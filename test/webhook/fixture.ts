/** Requests for tests of the schemes. */
import { HeaderFields } from '../../nodes/webhook/schemes/headers.ts';
import type { SignedRequest } from '../../nodes/webhook/schemes/scheme.ts';

export function request(parts: {
  body?: Buffer | string;
  headers?: Record<string, string | readonly string[]>;
  method?: string;
  url?: string;
  parameters?: Record<string, string>;
  peer?: string;
  client?: string;
}): SignedRequest {
  const url = parts.url ?? 'https://hooks.example.org/orders';
  const target = url.replace(/^https?:\/\/[^/]*/, '');
  const [path = '', query = ''] = target.split(/\?(.*)/s);
  const peer = parts.peer ?? '192.0.2.7';
  return {
    method: parts.method ?? 'POST',
    url,
    path,
    query,
    headers: HeaderFields.fromRecord(parts.headers ?? {}),
    parameters: parts.parameters ?? {},
    body: Buffer.from(parts.body ?? ''),
    peer,
    client: parts.client ?? peer,
  };
}

/** Every variant of `text` with one byte changed (its lowest bit, then its highest usable one). */
export function* mutations(text: string | Buffer): Generator<Buffer> {
  const bytes = Buffer.from(text);
  for (let i = 0; i < bytes.length; i++) {
    for (const bit of [0x01, 0x40]) {
      const changed = Buffer.from(bytes);
      changed[i] = changed[i]! ^ bit;
      yield changed;
    }
  }
}

/** RFC 8037 appendix A: the key, and the JWS over "Example of Ed25519 signing". */
export const rfc8037 = {
  publicJwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
  privateJwk: {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  },
  header: 'eyJhbGciOiJFZERTQSJ9',
  payload: Buffer.from('Example of Ed25519 signing'),
  signature: 'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
} as const;

/** Spellings of the Ed25519 points whose order is 1, 2, 4 or 8. */
export const lowOrderKeys: readonly Buffer[] = [
  '0100000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0000000000000000000000000000000000000000000000000000000000000080',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
].map((hex) => Buffer.from(hex, 'hex'));
