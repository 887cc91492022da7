/** Looking entries of the audit trail up. */
import { defineOperation, query, type SqlValue } from '../store/operation.ts';
import { type AuditRecord, auditColumns, recordOfRow } from './chain.ts';

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

/** Actor of what messages do by themselves; the index `audit_trail_actor` holds the others and repeats this. */
const everyday = 'flow';

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
    // What is left of a purge that goes on, or was put there, is before the beginning and no part of the trail.
    const where = ['seq > COALESCE((SELECT MAX(seq) FROM audit_checkpoints WHERE purged_at IS NOT NULL), 0)'];
    const add = (condition: string, value: SqlValue): void => {
      values.push(value);
      where.push(`${condition} $${values.length}`);
    };
    // A person has few entries among millions of the flow's; by what they did they would all be read.
    const ofPerson = filter.actor !== undefined && filter.actor !== everyday;
    for (const [key, condition] of conditions) {
      const value = filter[key];
      if (value !== undefined) add(key === 'action' && ofPerson ? "COALESCE(action, '') =" : condition, value);
    }
    if (ofPerson) where.push(`actor <> '${everyday}'`);
    if (cursor !== undefined) add(order === 'newest-first' ? 'seq <' : 'seq >', cursor);
    const size = Math.min(Math.max(1, limit), pageLimit);
    values.push(size + 1);
    const rows = yield* query(
      `SELECT ${auditColumns} FROM audit_trail WHERE ${where.join(' AND ')}
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

/** Says in the trail that it was taken away as a file, before it is. */
export const recordExport = defineOperation(
  import.meta.url,
  'recordExport',
  // biome-ignore lint/correctness/useYield: the audit entry is all of it
  function* ({ actor, format }: { actor: string; format: string }, context) {
    context.audit({ action: 'audit.exported', outcome: 'success', actor, detail: { format } });
  },
);
