/** An honest sender, as Standard Webhooks describes one: it retries what was not accepted, with the same id, freshly signed. */
import { createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ledger } from './ledger.ts';

export const webhookSecret = `whsec_${Buffer.from('a secret of the end to end tests').toString('base64')}`;

export interface Reply {
  status: number;
  headers: Headers;
  body: string;
}

export interface Post {
  id: string;
  body: string;
  /** Seconds since the epoch; default now. */
  timestamp?: number;
  secret?: string;
  contentType?: string;
  /** Sent beside the signed ones. */
  headers?: Record<string, string>;
}

/** The headers of Standard Webhooks 1.0.0 for one post. */
export function signedHeaders({
  id,
  body,
  timestamp,
  secret = webhookSecret,
  contentType,
}: Post): Record<string, string> {
  const at = timestamp ?? Math.floor(Date.now() / 1000);
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
  return {
    'content-type': contentType ?? 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': `v1,${signature}`,
  };
}

/** Posts once; status 0 when the connection broke or nothing came within 40 s. */
export async function post(url: string, message: Post): Promise<Reply> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...message.headers, ...signedHeaders(message) },
      body: message.body,
      signal: AbortSignal.timeout(40_000),
    });
    return { status: response.status, headers: response.headers, body: await response.text() };
  } catch {
    return { status: 0, headers: new Headers(), body: '' };
  }
}

const worthRetrying = (status: number) => status === 0 || status === 409 || status === 429 || status >= 500;

/** Posts until it is accepted or refused for good, and writes every reply into the ledger. */
export async function deliver(
  url: string,
  key: string,
  message: Post,
  ledger: Ledger,
  options: { tries?: number } = {},
): Promise<Reply> {
  for (let tries = options.tries ?? 120; ; tries--) {
    const reply = await post(url, message);
    ledger.record(key, reply.status);
    if (!worthRetrying(reply.status) || tries <= 1) return reply;
    const asked = Number(reply.headers.get('retry-after'));
    await sleep(Number.isFinite(asked) && asked > 0 ? Math.min(asked * 1000, 2_000) : 100 + Math.random() * 200);
  }
}

/** Runs `work` over `items` with at most `width` at once. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: Math.min(width, items.length) }, async () => {
      for (let index = next++; index < items.length; index = next++) await work(items[index]!, index);
    }),
  );
}
