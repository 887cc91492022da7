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

/** Self-signed, made for these tests; their private keys are not kept. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBkjCCATmgAwIBAgIUVOk/zz1wt7B5r/4Z5nPD7M8VL9MwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTcGFydG5lci5leGFtcGxlLm9yZzAgFw0yNjExMjMxNzE3MTFa
GA8yMTI2MTAzMDE3MTcxMVowHjEcMBoGA1UEAwwTcGFydG5lci5leGFtcGxlLm9y
ZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABCGNsOUiOnO6XHfeCoYqIF9b5lf/
DaBerUEVeihqK9w1TwkV3tfUyArIpG2QKD1iy3MkdaPQ1MOsacsEtUG+HB+jUzBR
MB0GA1UdDgQWBBR21yibdAoYmkMb2WMt5W8ewgLCijAfBgNVHSMEGDAWgBR21yib
dAoYmkMb2WMt5W8ewgLCijAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cA
MEQCIE/pxJX/Woz296kMn3FSWAv8DU17BVCNhgmECVDPqXpsAiABS9WbEwyP8Ynx
rjfa3gk0JokFqztAlbpiaiwcp9sKdg==
-----END CERTIFICATE-----`;
/** Of the same name. */
export const impostor = `-----BEGIN CERTIFICATE-----
MIIBlDCCATmgAwIBAgIULbzjno6hqvHM4Kpv6E2JTnBIgREwCgYIKoZIzj0EAwIw
HjEcMBoGA1UEAwwTcGFydG5lci5leGFtcGxlLm9yZzAgFw0yNjExMjMxNzE3MTFa
GA8yMTI2MTAzMDE3MTcxMVowHjEcMBoGA1UEAwwTcGFydG5lci5leGFtcGxlLm9y
ZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABG5IwHKnj83usQip2lsPD2uhryo6
FU4K+6O0uw7P0JksxMG4Ex4naxhnt6DPXWYaYhk8+F5JvYC6vN5AvZa12Y6jUzBR
MB0GA1UdDgQWBBSusli/xhWe5Iu9HOtZSSdgZDGFvjAfBgNVHSMEGDAWgBSusli/
xhWe5Iu9HOtZSSdgZDGFvjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0kA
MEYCIQCd5TJHxf1OsjvrGZgVOCnmOLVHiuu88PO5LhJ8Tz+TMQIhAJqJbfixPaYH
5FRjyD0VZ8YioPN6Tbel/aEqj8BaJ2A1
-----END CERTIFICATE-----`;
