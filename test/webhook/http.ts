/** An HTTP client for tests that can be as slow, odd or rude as a test needs. */
import { type ClientRequest, request as httpRequest, type OutgoingHttpHeaders } from 'node:http';

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface SendOptions {
  method?: string;
  headers?: OutgoingHttpHeaders | readonly string[];
  body?: Buffer | string;
  /** Takes over the sending of the body. */
  write?: (request: ClientRequest) => void;
}

/** Sends one request and resolves with the reply; rejects when there is none within 20 s. */
export function send(url: string, { method = 'POST', headers = {}, body, write }: SendOptions = {}): Promise<Reply> {
  const address = new URL(url);
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        host: address.hostname,
        port: address.port,
        // As given: `URL` would normalise what a test wants odd.
        path: url.slice(address.origin.length) || '/',
        method,
        headers: headers as OutgoingHttpHeaders,
        agent: false,
        timeout: 90_000,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        );
      },
    );
    request.on('timeout', () => request.destroy(new Error('no reply within 20 s')));
    request.on('error', reject);
    if (write !== undefined) write(request);
    else request.end(body);
  });
}

export interface Problem {
  type: string;
  status: number;
  code: string;
  title: string;
  detail: string;
  correlationId: string;
}

export function problemOf(reply: Reply): Problem {
  return JSON.parse(reply.body) as Problem;
}
