/** A partner whose every answer a test decides, and what it was sent. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';

export interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface Reply {
  status?: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** The connection ends instead of an answer, after the request was read. */
  lost?: boolean;
}

export interface Partner {
  url: string;
  received: Received[];
  /** Answers in order; the last one again and again. Default 200 without a body. */
  answers: ((request: Received) => Reply)[];
  close(): void;
}

const partners: Server[] = [];
after(() => {
  for (const server of partners) {
    server.closeAllConnections();
    server.close();
  }
});

export async function partner(...answers: ((request: Received) => Reply)[]): Promise<Partner> {
  const self: Partner = { url: '', received: [], answers, close: () => undefined };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const received: Received = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      };
      self.received.push(received);
      const answer = self.answers.length > 1 ? self.answers.shift()! : self.answers[0];
      const { status = 200, headers = {}, body = '', lost = false } = answer?.(received) ?? {};
      if (lost) {
        request.socket.destroy();
        return;
      }
      response.writeHead(status, headers);
      response.end(body);
    });
  });
  partners.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  self.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return self;
}

export const json = (body: unknown, status = 200): Reply => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
