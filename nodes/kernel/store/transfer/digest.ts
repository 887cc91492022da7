/** What a table holds, as a number that two engines agree on. */
import { createHash } from 'node:crypto';
import type { Row, SqlValue } from '../operation.ts';

export interface TableDigest {
  rows: number;
  /** Hexadecimal; does not depend on the order of the rows. */
  hash: string;
}

const modulus = 2n ** 256n;

/** Adds up the SHA-256 of each row. A sum, so that no order has to be agreed on; not XOR, in which pairs vanish. */
export class Digest {
  #rows = 0;
  #sum = 0n;

  add(row: Row, columns: readonly string[]): void {
    const hash = createHash('sha256');
    for (const column of columns) {
      const [tag, bytes] = encoded(row[column] as SqlValue);
      hash.update(`${column}:${tag}${bytes.length}:`).update(bytes);
    }
    this.#rows++;
    this.#sum = (this.#sum + BigInt(`0x${hash.digest('hex')}`)) % modulus;
  }

  get value(): TableDigest {
    return { rows: this.#rows, hash: this.#sum.toString(16).padStart(64, '0') };
  }
}

function encoded(value: SqlValue): [tag: string, bytes: Uint8Array] {
  if (value === null) return ['n', Buffer.alloc(0)];
  if (value instanceof Uint8Array) return ['b', value];
  return typeof value === 'string' ? ['t', Buffer.from(value)] : ['i', Buffer.from(String(value))];
}
