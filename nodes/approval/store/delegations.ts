/** Who stands in for whom, and for how long. */
import { Failure } from '../../kernel/failure.ts';
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import { closesCircle, type Delegation } from '../people.ts';

type Step<R> = Generator<Statement, R, Row[]>;

const columns = 'id, from_person, to_person, process, starts_at, ends_at, made_by, reason, made_at, ended_at';
/** Delegations that are not over, in one store. */
const most = 2_000;

function delegationOf(row: Row): Delegation {
  return {
    id: row.id as string,
    from: row.from_person as string,
    to: row.to_person as string,
    process: row.process as string,
    startsAt: Number(row.starts_at),
    endsAt: Number(row.ends_at),
    madeBy: row.made_by as string,
    reason: row.reason as string,
    madeAt: Number(row.made_at),
    endedAt: row.ended_at === null ? null : Number(row.ended_at),
  };
}

/** Those that hold now. */
export function* delegationsHolding(now: number): Step<Delegation[]> {
  const rows = yield* query(
    `SELECT ${columns} FROM approval_delegations WHERE ends_at > $1 AND starts_at <= $2 AND ended_at IS NULL`,
    now,
    now,
  );
  return rows.map(delegationOf);
}

function* notOver(now: number): Step<Delegation[]> {
  const rows = yield* query(
    `SELECT ${columns} FROM approval_delegations WHERE ends_at > $1 AND ended_at IS NULL ORDER BY id LIMIT ${most + 1}`,
    now,
  );
  return rows.map(delegationOf);
}

export const listDelegations = defineOperation(
  import.meta.url,
  'listDelegations',
  function* (_: undefined, { now }): Step<Delegation[]> {
    return yield* notOver(now);
  },
  { readOnly: true },
);

/**
 * @throws Failure `data-quality` `DELEGATION_TO_SELF`, `DELEGATION_CIRCLE`, `DELEGATION_PERIOD`; `saturation`
 */
export const delegate = defineOperation(
  import.meta.url,
  'delegate',
  function* (wanted: Omit<Delegation, 'madeAt' | 'endedAt'>, context): Step<Delegation> {
    const { id, from, to, process, startsAt, endsAt, madeBy, reason } = wanted;
    if (from === to) throw invalid('DELEGATION_TO_SELF', 'Nobody stands in for themselves. Name somebody else.');
    if (endsAt <= context.now || endsAt <= startsAt) {
      throw invalid('DELEGATION_PERIOD', 'The delegation ends before it begins, or has ended already.');
    }
    // On PostgreSQL two at once must not close a circle that neither saw.
    yield* query(
      `INSERT INTO approval_lock (name, holder) VALUES ('delegations', $1)
       ON CONFLICT (name) DO UPDATE SET holder = $2`,
      id,
      id,
    );
    const standing = yield* notOver(context.now);
    const same = standing.find((one) => one.id === id);
    if (same !== undefined) return same;
    if (standing.length >= most) {
      throw new Failure('saturation', 'DELEGATIONS_FULL', `${most} delegations hold already; end some of them.`);
    }
    if (closesCircle(wanted, standing)) {
      throw invalid(
        'DELEGATION_CIRCLE',
        `${to} hands on to ${from} in that time, so nobody would decide. Name somebody who is there.`,
      );
    }
    yield* query(
      `INSERT INTO approval_delegations (${columns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, NULL)`,
      id,
      from,
      to,
      process,
      startsAt,
      endsAt,
      madeBy,
      reason,
      context.now,
    );
    context.audit({
      action: 'approval.delegated',
      outcome: 'success',
      actor: madeBy,
      subject: id,
      reason,
      detail: {
        from,
        to,
        process: process === '' ? 'all' : process,
        starts: new Date(startsAt).toISOString(),
        ends: new Date(endsAt).toISOString(),
      },
    });
    return { ...wanted, madeAt: context.now, endedAt: null };
  },
);

/** Ends a delegation before its time. @returns false when there is none that holds or will, or it is not theirs */
export const endDelegation = defineOperation(
  import.meta.url,
  'endDelegation',
  function* (wanted: { id: string; by: string; ofAnybody: boolean; reason: string }, context): Step<boolean> {
    const ended = yield* query<{ from_person: string; to_person: string }>(
      `UPDATE approval_delegations SET ended_at = $1
       WHERE id = $2 AND ended_at IS NULL AND (from_person = $3 OR made_by = $4 OR $5 = 1)
       RETURNING from_person, to_person`,
      context.now,
      wanted.id,
      wanted.by,
      wanted.by,
      wanted.ofAnybody ? 1 : 0,
    );
    for (const { from_person: from, to_person: to } of ended) {
      context.audit({
        action: 'approval.delegation-ended',
        outcome: 'success',
        actor: wanted.by,
        subject: wanted.id,
        reason: wanted.reason,
        detail: { from, to },
      });
    }
    return ended.length > 0;
  },
);

function invalid(code: string, problem: string): Failure {
  return new Failure('data-quality', code, problem);
}
