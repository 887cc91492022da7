/** The partners of the sandbox behind one port: `/payer/…` goes to the payer's portal, and so on. */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface PartnerRequest {
  method: string;
  /** Behind the partner's own prefix, with a leading slash. */
  path: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface PartnerReply {
  status: number;
  /** Text as it is, anything else as JSON. */
  body: unknown;
  headers?: Record<string, string>;
}

/** One partner. A new one is a file here and an entry in `partners.ts`. */
export interface Partner {
  /** First part of its addresses. */
  readonly name: string;
  handle(request: PartnerRequest): PartnerReply | Promise<PartnerReply>;
  close?(): void;
}

export interface PartnerHost {
  /** Without a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

/** Bytes of one request at most. */
const largest = 4 * 1024 * 1024;

export async function startPartners(partners: readonly Partner[], port = 0): Promise<PartnerHost> {
  const byName = new Map(partners.map((partner) => [partner.name, partner]));
  const server = createServer((request, response) => {
    void answer(byName, request).then(({ status, body, headers = {} }) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body ?? null);
      const type = typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json';
      response.writeHead(status, { 'content-type': type, ...headers }).end(text);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      for (const partner of partners) partner.close?.();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(partners: ReadonlyMap<string, Partner>, request: IncomingMessage): Promise<PartnerReply> {
  const address = request.url ?? '/';
  const [, name = ''] = address.split(/[/?]/);
  if (name === '') return { status: 200, body: { partners: [...partners.keys()] } };
  const partner = partners.get(name);
  if (partner === undefined) return { status: 404, body: { title: `There is no partner ${name.slice(0, 40)}` } };
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > largest) return { status: 413, body: { title: 'The document is too large' } };
      chunks.push(chunk);
    }
    return await partner.handle({
      method: request.method ?? 'GET',
      path: address.slice(name.length + 1) || '/',
      headers: request.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    });
  } catch (error) {
    return { status: 500, body: { title: error instanceof Error ? error.message : 'The partner failed' } };
  }
}
