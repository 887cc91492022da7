import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafe(4096);
let used = pool.length;

/** Drawn in bulk: one call into OpenSSL costs more than all else that an id takes. */
function randomBytes(count: number): Buffer {
  if (used + count > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += count;
  return pool.subarray(used - count, used);
}

/** Of the ids of one millisecond: the 12 bits after the version, counted up from a random start in their lower half. */
let last = { at: Number.NEGATIVE_INFINITY, count: 0 };

/**
 * UUID version 7 (RFC 9562 section 5.7): time-ordered, so that it clusters well as a database key. Those that this
 * thread makes in one millisecond sort in the order in which they were made (section 6.2, method 1).
 */
export function uuidv7(now: number = Date.now()): string {
  const bytes = randomBytes(16);
  // Beyond 2,048 in a millisecond, more than it can hold, the order of the rest is left to chance.
  const count = now === last.at ? Math.min(last.count + 1, 0x0fff) : bytes.readUInt16BE(6) & 0x07ff;
  last = { at: now, count };
  bytes.writeUIntBE(now, 0, 6);
  bytes.writeUInt16BE(0x7000 | count, 6);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const zeroTrace = '0'.repeat(32);
const zeroSpan = '0'.repeat(16);

/** True for a well-formed version-00 `traceparent` (W3C Trace Context section 3.2.2). */
export function isTraceparent(value: unknown): value is string {
  const match = typeof value === 'string' ? traceparentPattern.exec(value) : null;
  return match !== null && match[1] !== zeroTrace && match[2] !== zeroSpan;
}

/** The next hop's `traceparent`: same trace as `parent` when that is valid, else a new sampled trace. */
export function childTraceparent(parent?: unknown): string {
  const span = randomBytes(8).toString('hex');
  if (isTraceparent(parent)) return `00-${parent.slice(3, 35)}-${span}-${parent.slice(53)}`;
  return `00-${randomBytes(16).toString('hex')}-${span}-01`;
}
