/**
 * Claim check (Enterprise Integration Patterns): a body above a limit stays in the integration store, and the message
 * carries where it is and the hash of its bytes. Every consumer of this package gets the body back; the copies that
 * wait for a retry or rest as a dead letter carry the reference on.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../kernel/failure.ts';
import type { KeptBody } from './claim-operations.ts';
import type { IncomingDelivery, OutgoingMessage } from './engines/engine.ts';

export interface ClaimOptions {
  /** Bytes above which a body is kept in the store. */
  limit: number;
  /** Milliseconds: longer than a message may wait, be retried and lie among the dead letters of the broker. */
  retention: number;
}

export const defaultClaim: ClaimOptions = { limit: 256 * 1024, retention: 30 * 86_400_000 };

const claimType = 'application/vnd.healthflows.claim+json';
const idHeader = 'x-claim-id';
const hashHeader = 'x-claim-sha256';
const sizeHeader = 'x-claim-bytes';
const typeHeader = 'x-claim-content-type';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The message to send and, when its body is too large for it, what is to be stored first. */
export function checkIn(
  message: OutgoingMessage,
  { limit, retention }: ClaimOptions,
): { message: OutgoingMessage; kept?: KeptBody } {
  const { body, properties } = message;
  if (body.byteLength <= limit) return { message };
  const hash = sha256(body);
  // The same for the same message: a sender that tries again and again while the broker is down fills no store.
  const id = sha256(Buffer.from(JSON.stringify([properties.messageId, hash])));
  return {
    kept: { id, retention, body: Uint8Array.prototype.slice.call(body) },
    message: {
      ...message,
      // For people and for consumers that are not of this package.
      body: Buffer.from(JSON.stringify({ claim: id, bytes: body.byteLength, sha256: hash })),
      properties: {
        ...properties,
        contentType: claimType,
        headers: {
          ...properties.headers,
          [idHeader]: id,
          [hashHeader]: hash,
          [sizeHeader]: body.byteLength,
          [typeHeader]: properties.contentType,
        },
      },
    },
  };
}

/** Id of the kept body; undefined when the delivery carries its body itself. */
export function claimOf({ properties }: IncomingDelivery): string | undefined {
  const id = properties.headers[idHeader];
  return properties.contentType === claimType && typeof id === 'string' ? id : undefined;
}

/**
 * The delivery as it was published.
 * @throws Failure `configuration` `AMQP_CLAIM_MISSING`, `data-quality` `AMQP_CLAIM_DIFFERS`
 */
export function checkOut(delivery: IncomingDelivery, body: Uint8Array | undefined): IncomingDelivery {
  const { headers } = delivery.properties;
  if (body === undefined) {
    throw new Failure(
      'configuration',
      'AMQP_CLAIM_MISSING',
      `The body of ${headers[sizeHeader]} bytes is not in the integration store (claim ${headers[idHeader]}): its retention has passed, or the message was published with another store than the one of this amqp-connection. Publishers and consumers of large bodies need the same store.`,
    );
  }
  if (sha256(body) !== headers[hashHeader]) {
    throw new Failure(
      'data-quality',
      'AMQP_CLAIM_DIFFERS',
      `The body in the integration store (claim ${headers[idHeader]}) is not the one that was published: its SHA-256 differs.`,
    );
  }
  const kept = Object.entries(headers).filter(([name]) => !name.startsWith('x-claim-'));
  return {
    ...delivery,
    body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    properties: {
      ...delivery.properties,
      contentType: String(headers[typeHeader]),
      headers: Object.fromEntries(kept),
    },
  };
}
