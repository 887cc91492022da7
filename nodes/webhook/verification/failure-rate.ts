/**
 * Failures of one source, counted: after so many in a minute the rest are answered 429 and audited as one line. A
 * request that proves itself is taken all the same, because an attacker may share an address with honest partners
 * (a proxy, a NAT).
 */
import { isIPv6 } from 'node:net';

export interface FailureBurst {
  /** Failures that were not audited one by one. */
  suppressed: number;
  source: string;
}

interface Bucket {
  startedAt: number;
  count: number;
}

const minute = 60_000;
const mostSources = 10_000;

export class FailureRate {
  readonly #limit: number;
  readonly #report: (burst: FailureBurst) => void;
  readonly #buckets = new Map<string, Bucket>();

  /** @param limit failures a minute and source @param report told of each burst once its minute is over */
  constructor(limit: number, report: (burst: FailureBurst) => void) {
    this.#limit = limit;
    this.#report = report;
  }

  /** @returns whether this failure is beyond the limit */
  failed(address: string, now: number): boolean {
    const source = networkOf(address);
    let bucket = this.#buckets.get(source);
    if (bucket === undefined || now - bucket.startedAt >= minute || now < bucket.startedAt) {
      this.#end(source);
      if (this.#buckets.size >= mostSources) this.#end(this.#buckets.keys().next().value!);
      bucket = { startedAt: now, count: 0 };
      this.#buckets.set(source, bucket);
    }
    bucket.count++;
    return bucket.count > this.#limit;
  }

  /** Reports bursts that are over; call now and then, and with Infinity when closing. */
  sweep(now: number): void {
    for (const [source, { startedAt }] of [...this.#buckets]) if (now - startedAt >= minute) this.#end(source);
  }

  #end(source: string): void {
    const bucket = this.#buckets.get(source);
    if (bucket === undefined) return;
    this.#buckets.delete(source);
    const suppressed = bucket.count - this.#limit;
    if (suppressed > 0) this.#report({ suppressed, source });
  }
}

/** One household or site has a /64 of IPv6 (RFC 6177), so that is one source. */
export function networkOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address;
  if (!isIPv6(plain)) return plain;
  const [head = '', tail = ''] = plain.split('%')[0]!.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === '' ? [] : tail.split(':');
  const full = plain.includes('::')
    ? [...front, ...Array<string>(8 - front.length - back.length).fill('0'), ...back]
    : front;
  return `${full.slice(0, 4).join(':')}::/64`;
}
