/** A supplier that posts orders, signed as Standard Webhooks 1.0.0 says (`v1`: HMAC-SHA256 of `id.timestamp.body`). */
import { createHmac, randomBytes } from 'node:crypto';
import type { SupplierOrder } from './order.ts';

/** What is wrong with a delivery, on purpose. */
export type Flaw = 'bad-signature' | 'stale' | 'malformed';

export interface Delivery {
  /** `webhook-id`: the same for every try and every duplicate. */
  id: string;
  /** Exactly the bytes that are signed and sent. */
  body: string;
  /** @default 'application/json' */
  contentType?: string;
  flaw?: Flaw;
}

export interface SendOptions {
  /** Address of the flow's webhook. */
  url: string;
  /** `whsec_` and base64 of 24 to 64 bytes. */
  secret: string;
  /** Deliveries under way at once. @default 4 */
  concurrency?: number;
  /** Milliseconds until a try is given up. @default 30,000 */
  timeout?: number;
  /** Tries of a delivery that gets no answer, or 409, 429, 5xx; the id stays the same. @default 1 */
  tries?: number;
  /** Seconds by which the timestamp of a `stale` delivery lies back. @default 3,600 */
  age?: number;
  onReply?: (reply: DeliveryReply) => void;
}

export interface DeliveryReply {
  id: string;
  /** HTTP status, 0 when there was no answer. */
  status: number;
  body: string;
  tries: number;
}

/** Key bytes of a `whsec_` secret. @throws when it is none */
export function keyOf(secret: string): Buffer {
  if (!secret.startsWith('whsec_')) throw new Error('A Standard Webhooks secret begins with whsec_.');
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  if (key.length < 24 || key.length > 64) throw new Error('A Standard Webhooks secret has 24 to 64 bytes.');
  return key;
}

/** Headers of one try. `timestamp` in seconds since 1970. */
export function signedHeaders(key: Buffer, id: string, timestamp: number, body: string): Record<string, string> {
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': `v1,${signature}`,
  };
}

/** One delivery of an order; the message id is made of its number. */
export function deliveryOf(order: SupplierOrder, flaw?: Flaw): Delivery {
  const body = JSON.stringify(order);
  return {
    id: `msg_${order.orderNumber.replace(/[^A-Za-z0-9_-]/g, '_')}`,
    body: flaw === 'malformed' ? body.slice(0, -2) : body,
    ...(flaw === undefined ? {} : { flaw }),
  };
}

/** Sends all deliveries, a bounded number at once. @returns one reply each, in the order of the deliveries */
export async function send(deliveries: readonly Delivery[], options: SendOptions): Promise<DeliveryReply[]> {
  const key = keyOf(options.secret);
  const replies: DeliveryReply[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < deliveries.length; i = next++) {
      const reply = await sendOne(deliveries[i]!, key, options);
      replies[i] = reply;
      options.onReply?.(reply);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.concurrency ?? 4) }, worker));
  return replies;
}

async function sendOne(delivery: Delivery, key: Buffer, options: SendOptions): Promise<DeliveryReply> {
  const { id, body, flaw } = delivery;
  const limit = Math.max(1, options.tries ?? 1);
  for (let tries = 1; ; tries++) {
    const timestamp = Math.floor(Date.now() / 1000) - (flaw === 'stale' ? (options.age ?? 3600) : 0);
    const signingKey = flaw === 'bad-signature' ? randomBytes(32) : key;
    let status = 0;
    let text = '';
    try {
      const response = await fetch(options.url, {
        method: 'POST',
        headers: {
          ...signedHeaders(signingKey, id, timestamp, body),
          'content-type': delivery.contentType ?? 'application/json',
        },
        body,
        redirect: 'manual',
        signal: AbortSignal.timeout(options.timeout ?? 30_000),
      });
      status = response.status;
      text = await response.text();
    } catch (error) {
      text = error instanceof Error ? error.message : String(error);
    }
    const again = status === 0 || status === 409 || status === 429 || status >= 500;
    if (!again || tries >= limit) return { id, status, body: text, tries };
    await new Promise((resolve) => setTimeout(resolve, Math.min(5000, 100 * 2 ** tries)));
  }
}
