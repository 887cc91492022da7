/** Reading the audit trail: verifying the chain and looking entries up. */
import { defineOperation, query, type SqlValue } from '../store/operation.ts';
import type { Store } from '../store/store.ts';
import { type AuditRecord, chainHash, genesis, recordOfRow } from './chain.ts';

/**
 * What is wrong at `seq`:
 * - `missing`: the entry was deleted, or is the first of a truncated tail;
 * - `changed`: the entry is not what was written (changed, inserted or in another's place);
 * - `beyond-head`: an entry follows the last one that the head knows.
 */
export type AuditProblem = 'missing' | 'changed' | 'beyond-head';

export type AuditVerdict =
  | { kind: 'intact'; entries: number; hash: string }
  | { kind: 'broken'; seq: number; problem: AuditProblem };

type SliceVerdict = AuditVerdict | { kind: 'continue'; seq: number; hash: Uint8Array };

const columns = 'seq, at, action, outcome, actor, subject, correlation_id, node, reason, detail, hash';

/** Checks `limit` entries after `seq`, whose hash is `hash`; for the first slice give neither. */
export const verifyAuditSlice = defineOperation(
  import.meta.url,
  'verifyAuditSlice',
  function* ({ seq: from = 0, hash: start = genesis, limit }: { seq?: number; hash?: Uint8Array; limit: number }) {
    const rows = yield* query(`SELECT ${columns} FROM audit_trail WHERE seq > $1 ORDER BY seq LIMIT $2`, from, limit);
    const [head] = yield* query<{ entries: number; hash: Uint8Array }>(
      'SELECT entries, hash FROM audit_head WHERE id = 1',
    );
    const entries = head?.entries ?? 0;
    let seq = from;
    let hash: Uint8Array = start;
    for (const row of rows) {
      seq++;
      if (row.seq !== seq) return broken(seq, 'missing');
      if (seq > entries) return broken(seq, 'beyond-head');
      hash = chainHash(hash, recordOfRow(row));
      if (!equal(hash, row.hash as Uint8Array)) return broken(seq, 'changed');
    }
    if (rows.length === limit) return { kind: 'continue', seq, hash } as SliceVerdict;
    if (seq < entries) return broken(seq + 1, 'missing');
    if (head === undefined || !equal(hash, head.hash)) return broken(seq, 'changed');
    return { kind: 'intact', entries, hash: Buffer.from(hash).toString('hex') } as SliceVerdict;
  },
  { readOnly: true },
);

function broken(seq: number, problem: AuditProblem): SliceVerdict {
  return { kind: 'broken', seq, problem };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/**
 * Walks the whole trail in slices, so that work goes on meanwhile. Entries appended during the walk are checked too.
 *
 * @param slice entries in one transaction
 */
export async function verifyAudit(store: Store, slice = 1000): Promise<AuditVerdict> {
  let verdict = await store.run(verifyAuditSlice, { limit: slice });
  while (verdict.kind === 'continue') {
    verdict = await store.run(verifyAuditSlice, { seq: verdict.seq, hash: verdict.hash, limit: slice });
  }
  return verdict;
}

export interface AuditFilter {
  correlationId?: string;
  subject?: string;
  action?: string;
  actor?: string;
  /** Milliseconds since the epoch, inclusive. */
  from?: number;
  /** Milliseconds since the epoch, exclusive. */
  to?: number;
}

export interface AuditPage {
  records: (AuditRecord & { hash: string })[];
  /** `cursor` of the next page; absent on the last. */
  next?: number;
}

const conditions: [keyof AuditFilter, string][] = [
  ['correlationId', 'correlation_id ='],
  ['subject', 'subject ='],
  ['action', 'action ='],
  ['actor', 'actor ='],
  ['from', 'at >='],
  ['to', 'at <'],
];

const pageLimit = 1000;

/** One page of the trail, newest first unless `order` says otherwise. `limit` is at most 1000. */
export const listAudit = defineOperation(
  import.meta.url,
  'listAudit',
  function* ({
    filter = {},
    order = 'newest-first',
    cursor,
    limit = 100,
  }: {
    filter?: AuditFilter;
    order?: 'newest-first' | 'oldest-first';
    cursor?: number;
    limit?: number;
  }) {
    const values: SqlValue[] = [];
    const where: string[] = [];
    const add = (condition: string, value: SqlValue): void => {
      values.push(value);
      where.push(`${condition} $${values.length}`);
    };
    for (const [key, condition] of conditions) {
      const value = filter[key];
      if (value !== undefined) add(condition, value);
    }
    if (cursor !== undefined) add(order === 'newest-first' ? 'seq <' : 'seq >', cursor);
    const size = Math.min(Math.max(1, limit), pageLimit);
    values.push(size + 1);
    const rows = yield* query(
      `SELECT ${columns} FROM audit_trail ${where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`}
       ORDER BY seq ${order === 'newest-first' ? 'DESC' : 'ASC'} LIMIT $${values.length}`,
      ...values,
    );
    const records = rows.slice(0, size).map((row) => ({
      ...recordOfRow(row),
      hash: Buffer.from(row.hash as Uint8Array).toString('hex'),
    }));
    const page: AuditPage = rows.length > size ? { records, next: records.at(-1)!.seq } : { records };
    return page;
  },
  { readOnly: true },
);
