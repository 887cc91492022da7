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
