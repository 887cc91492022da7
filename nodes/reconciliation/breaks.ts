/**
 * Breaks of a comparison as store operations. A break is one key that differs: it opens with a run, is seen again by the
 * next ones, and ends by a run in which the key is clean, or by a person with a reason. A key that differs after that
 * opens its next occurrence.
 *
 * ```
 *             run: differs            run: differs again
 *   (clean) ─────────────▶ open ─────────────▶ open (times + 1)
 *      ▲                    │  run: clean → resolved by itself
 *      └────────────────────┴─ a person   → resolved with a reason
 * ```
 *
 * Each run is proved: its proof is the hash over its totals, the digest of both sides and the proof before it.
 */
import { createHash } from 'node:crypto';
import { compare as compareDecimals } from '../kernel/decimal.ts';
import { Failure } from '../kernel/failure.ts';
import { canonicalJson } from '../kernel/json.ts';
import { type Act, once } from '../kernel/store/act.ts';
import {
  defineOperation,
  type OperationContext,
  query,
  type Row,
  type SqlValue,
  type Statement,
} from '../kernel/store/operation.ts';
import type { BreakClass, Comparison, Difference, SideTotals } from './compare.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface RunRequest {
  /** What is compared, e.g. `inventory.central`. */
  scope: string;
  /** Names the window, e.g. `2026-11-28`: the same again with the same sides changes nothing. */
  run: string;
  /** When the sides were taken, milliseconds since the epoch. */
  asOf?: number;
  comparison: Comparison;
  names: { left: string; right: string };
  node: string;
  correlationId?: string;
}

export interface RunSummary {
  scope: string;
  run: string;
  /** Counts the runs of the scope. */
  number: number;
  at: number;
  asOf: number | null;
  names: { left: string; right: string };
  left: SideTotals;
  right: SideTotals;
  keys: number;
  matched: number;
  differing: number;
  byClass: Partial<Record<BreakClass, number>>;
  opened: number;
  seenAgain: number;
  resolved: number;
  /** Open breaks of the scope after the run. */
  open: number;
  digest: string;
  previousProof: string;
  proof: string;
}

export interface RunResult {
  /** `repeated`: this very run was recorded before, nothing was changed. */
  kind: 'recorded' | 'repeated';
  summary: RunSummary;
  /** Breaks that this run opened and ended. */
  opened: BreakRecord[];
  resolved: BreakRecord[];
}

export type BreakState = 'open' | 'resolved';

export interface BreakRecord {
  id: string;
  scope: string;
  key: Record<string, string>;
  occurrence: number;
  state: BreakState;
  class: BreakClass;
  certain: boolean;
  left: string;
  right: string;
  difference: string;
  value: string | null;
  because: string;
  proposal: string;
  owner: string | null;
  openedAt: number;
  openedRun: string;
  seenAt: number;
  seenRun: string;
  /** Runs that saw it. */
  times: number;
  resolvedAt: number | null;
  resolvedBy: string | null;
  resolution: string | null;
  reason: string | null;
}

interface BreakRow extends Row {
  id: string;
  scope: string;
  key: string;
  /** In the order of the dialog. */
  key_shown: string;
  occurrence: number;
  state: string;
  class: string;
  certain: number;
  left_quantity: string;
  right_quantity: string;
  difference: string;
  value: string | null;
  because: string;
  proposal: string;
  owner: string | null;
  opened_at: number;
  opened_run: string;
  seen_at: number;
  seen_run: string;
  times: number;
  resolved_at: number | null;
  resolved_by: string | null;
  resolution: string | null;
  reason: string | null;
}

const columns = `id, scope, key, key_shown, occurrence, state, class, certain, left_quantity, right_quantity, difference, value,
  because, proposal, owner, opened_at, opened_run, seen_at, seen_run, times, resolved_at, resolved_by, resolution, reason`;

/** What the first run's proof stands on. */
export const genesis = '0'.repeat(64);

/** Breaks that one run may open; more means that the sides are not comparable. */
export const breakLimit = 5_000;

/** The same for a key's occurrence wherever and whenever it is computed. */
export function breakId(scope: string, key: string, occurrence: number): string {
  return `brk-${createHash('sha256')
    .update(canonicalJson([scope, key, occurrence]))
    .digest('hex')
    .slice(0, 20)}`;
}

function proofOf(summary: Omit<RunSummary, 'proof'>): string {
  return createHash('sha256').update(summary.previousProof).update(canonicalJson(summary)).digest('hex');
}

export const recordRun = defineOperation(
  import.meta.url,
  'recordRun',
  function* (request: RunRequest, context): Step<RunResult> {
    const { scope, run, comparison } = request;
    const [last] = yield* query<{ number: number; proof: string; as_of: number | null; run: string }>(
      'SELECT number, proof, as_of, run FROM recon_runs WHERE scope = $1 ORDER BY number DESC LIMIT 1',
      scope,
    );
    const [same] = yield* query<{ digest: string; summary: string }>(
      'SELECT digest, summary FROM recon_runs WHERE scope = $1 AND run = $2 ORDER BY number DESC LIMIT 1',
      scope,
      run,
    );
    if (same?.digest === comparison.digest) {
      return { kind: 'repeated', summary: JSON.parse(same.summary) as RunSummary, opened: [], resolved: [] };
    }
    const lastAsOf = last?.as_of ?? null;
    if (request.asOf !== undefined && lastAsOf !== null && request.asOf < lastAsOf) {
      throw new Failure(
        'data-quality',
        'RECONCILE_STALE',
        `Run ${run} of ${scope} is of ${new Date(request.asOf).toISOString()}, older than run ${last!.run}. Nothing was changed. Take both sides again.`,
      );
    }
    if (comparison.differences.length > breakLimit) {
      throw new Failure(
        'data-quality',
        'RECONCILE_NOT_COMPARABLE',
        `${comparison.differences.length} of ${comparison.keys} keys of run ${run} differ, more than ${breakLimit}. The sides do not fit each other: look at dates, units and places. Nothing was changed.`,
      );
    }
    const result = yield* changeBreaks(request, context.now);
    const number = (last?.number ?? 0) + 1;
    const [{ count: open } = { count: 0 }] = yield* query<{ count: number }>(
      "SELECT COUNT(*) AS count FROM recon_breaks WHERE scope = $1 AND state = 'open'",
      scope,
    );
    const body = {
      scope,
      run,
      number,
      at: context.now,
      asOf: request.asOf ?? null,
      names: request.names,
      left: comparison.left,
      right: comparison.right,
      keys: comparison.keys,
      matched: comparison.matched,
      differing: comparison.differences.length,
      byClass: countByClass(comparison.differences),
      opened: result.opened.length,
      seenAgain: result.seenAgain,
      resolved: result.resolved.length,
      open: Number(open),
      digest: comparison.digest,
      previousProof: last?.proof ?? genesis,
    };
    const summary: RunSummary = { ...body, proof: proofOf(body) };
    yield* query(
      'INSERT INTO recon_runs (scope, number, run, as_of, at, digest, summary, proof) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)',
      scope,
      number,
      run,
      request.asOf ?? null,
      context.now,
      comparison.digest,
      JSON.stringify(summary),
      summary.proof,
    );
    context.audit({
      action: 'reconciliation.run',
      outcome: comparison.differences.length === 0 ? 'success' : 'failure',
      actor: 'flow',
      node: request.node,
      subject: `${scope} ${run}`,
      ...(request.correlationId === undefined ? {} : { correlationId: request.correlationId }),
      detail: {
        keys: summary.keys,
        matched: summary.matched,
        opened: summary.opened,
        resolved: summary.resolved,
        open: summary.open,
        proof: summary.proof,
      },
    });
    return { kind: 'recorded', summary, opened: result.opened, resolved: result.resolved };
  },
  { key: ({ scope }) => `recon\0${scope}` },
);

function countByClass(differences: readonly Difference[]): Partial<Record<BreakClass, number>> {
  const counts: Partial<Record<BreakClass, number>> = {};
  for (const difference of differences) counts[difference.class] = (counts[difference.class] ?? 0) + 1;
  return counts;
}

function* changeBreaks(
  { scope, run, comparison }: RunRequest,
  now: number,
): Step<{ opened: BreakRecord[]; seenAgain: number; resolved: BreakRecord[] }> {
  const open = new Map(
    (yield* query<BreakRow>(`SELECT ${columns} FROM recon_breaks WHERE scope = $1 AND state = 'open'`, scope)).map(
      (row) => [row.key, row],
    ),
  );
  const opened: BreakRecord[] = [];
  let seenAgain = 0;
  for (const difference of comparison.differences) {
    const key = canonicalJson(difference.key);
    const known = open.get(key);
    if (known !== undefined) {
      open.delete(key);
      seenAgain++;
      yield* query(
        `UPDATE recon_breaks SET class = $1, certain = $2, left_quantity = $3, right_quantity = $4, difference = $5,
           value = $6, because = $7, proposal = $8, seen_at = $9, seen_run = $10, times = times + 1 WHERE id = $11`,
        ...amountsOf(difference),
        now,
        run,
        known.id,
      );
      continue;
    }
    opened.push(yield* openBreak(scope, key, difference, run, now));
  }
  const resolved: BreakRecord[] = [];
  for (const row of open.values()) {
    const reason = `Both sides agree in run ${run}.`;
    yield* query(
      `UPDATE recon_breaks SET state = 'resolved', resolved_at = $1, resolved_by = 'flow', resolution = 'clean-run',
         reason = $2 WHERE id = $3`,
      now,
      reason,
      row.id,
    );
    resolved.push({
      ...recordOf(row),
      state: 'resolved',
      resolvedAt: now,
      resolvedBy: 'flow',
      resolution: 'clean-run',
      reason,
    });
  }
  return { opened, seenAgain, resolved };
}

function amountsOf(difference: Difference): SqlValue[] {
  return [
    difference.class,
    difference.certain ? 1 : 0,
    difference.left,
    difference.right,
    difference.difference,
    difference.value,
    difference.because,
    difference.proposal,
  ];
}

function* openBreak(scope: string, key: string, difference: Difference, run: string, now: number): Step<BreakRecord> {
  const [before] = yield* query<{ occurrence: number | null; owner: string | null }>(
    'SELECT occurrence, owner FROM recon_breaks WHERE scope = $1 AND key = $2 ORDER BY occurrence DESC LIMIT 1',
    scope,
    key,
  );
  const occurrence = (before?.occurrence ?? 0) + 1;
  const id = breakId(scope, key, occurrence);
  // Whoever looked after the key before looks after it again.
  const owner = before?.owner ?? null;
  yield* query(
    `INSERT INTO recon_breaks (id, scope, key, key_shown, key_text, occurrence, state, class, certain, left_quantity,
       right_quantity, difference, value, because, proposal, owner, opened_at, opened_run, seen_at, seen_run, times)
     VALUES ($1, $2, $3, $4, $5, $6, 'open', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $16, $17, 1)`,
    id,
    scope,
    key,
    JSON.stringify(difference.key),
    Object.values(difference.key).join(' ').toLowerCase(),
    occurrence,
    ...amountsOf(difference),
    owner,
    now,
    run,
  );
  return {
    id,
    scope,
    ...difference,
    occurrence,
    state: 'open',
    owner,
    openedAt: now,
    openedRun: run,
    seenAt: now,
    seenRun: run,
    times: 1,
    resolvedAt: null,
    resolvedBy: null,
    resolution: null,
    reason: null,
  };
}

function recordOf(row: BreakRow): BreakRecord {
  return {
    id: row.id,
    scope: row.scope,
    key: JSON.parse(row.key_shown) as Record<string, string>,
    occurrence: Number(row.occurrence),
    state: row.state as BreakState,
    class: row.class as BreakClass,
    certain: Number(row.certain) === 1,
    left: row.left_quantity,
    right: row.right_quantity,
    difference: row.difference,
    value: row.value,
    because: row.because,
    proposal: row.proposal,
    owner: row.owner,
    openedAt: Number(row.opened_at),
    openedRun: row.opened_run,
    seenAt: Number(row.seen_at),
    seenRun: row.seen_run,
    times: Number(row.times),
    resolvedAt: row.resolved_at === null ? null : Number(row.resolved_at),
    resolvedBy: row.resolved_by,
    resolution: row.resolution,
    reason: row.reason,
  };
}

// --- Looking -----------------------------------------------------------------------------------------------------------

export interface BreakFilter {
  scope?: string;
  state?: BreakState;
  class?: BreakClass;
  /** `-` for none. */
  owner?: string;
  /** Part of the key. */
  text?: string;
}

export interface BreakPage {
  breaks: BreakRecord[];
  /** For the next page. */
  next?: number;
}

const pageSize = 100;

/** Oldest first: age is what makes a break urgent. */
export const listBreaks = defineOperation(
  import.meta.url,
  'listBreaks',
  function* ({ filter, after = 0 }: { filter: BreakFilter; after?: number }): Step<BreakPage> {
    const { where, values } = conditionOf(filter);
    const rows = yield* query<BreakRow>(
      `SELECT ${columns} FROM recon_breaks ${where} ORDER BY opened_at, id LIMIT $${values.length + 1} OFFSET $${values.length + 2}`,
      ...values,
      pageSize + 1,
      after,
    );
    const breaks = rows.slice(0, pageSize).map(recordOf);
    return rows.length > pageSize ? { breaks, next: after + pageSize } : { breaks };
  },
  { readOnly: true },
);

function conditionOf(filter: BreakFilter): { where: string; values: SqlValue[] } {
  const values: SqlValue[] = [];
  const terms: string[] = [];
  const add = (term: string, value: SqlValue): void => {
    values.push(value);
    terms.push(term.replace('?', `$${values.length}`));
  };
  if (filter.scope !== undefined) add('scope = ?', filter.scope);
  if (filter.state !== undefined) add('state = ?', filter.state);
  if (filter.class !== undefined) add('class = ?', filter.class);
  if (filter.owner === '-') terms.push('owner IS NULL');
  else if (filter.owner !== undefined) add('owner = ?', filter.owner);
  if (filter.text !== undefined) {
    add("key_text LIKE ? ESCAPE '\\'", `%${filter.text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`);
  }
  return { where: terms.length === 0 ? '' : `WHERE ${terms.join(' AND ')}`, values };
}

export interface BreakOverview {
  scope: string;
  open: number;
  /** Open ones by class, owner and age, for the tiles. */
  byClass: Partial<Record<BreakClass, number>>;
  unowned: number;
  oldest: number | null;
  lastRun: RunSummary | null;
}

/** Each scope with its open breaks and its last run. */
export const overviewOfBreaks = defineOperation(
  import.meta.url,
  'overviewOfBreaks',
  function* (): Step<BreakOverview[]> {
    const scopes = new Map<string, BreakOverview>();
    const runs = yield* query<{ scope: string; summary: string }>(
      `SELECT r.scope, r.summary FROM recon_runs r
       JOIN (SELECT scope, MAX(number) AS number FROM recon_runs GROUP BY scope) AS newest
         ON newest.scope = r.scope AND newest.number = r.number ORDER BY r.scope`,
    );
    for (const { scope, summary } of runs) {
      scopes.set(scope, {
        scope,
        open: 0,
        byClass: {},
        unowned: 0,
        oldest: null,
        lastRun: JSON.parse(summary) as RunSummary,
      });
    }
    const counts = yield* query<{ scope: string; class: string; count: number; unowned: number; oldest: number }>(
      `SELECT scope, class, COUNT(*) AS count, SUM(CASE WHEN owner IS NULL THEN 1 ELSE 0 END) AS unowned,
         MIN(opened_at) AS oldest
       FROM recon_breaks WHERE state = 'open' GROUP BY scope, class`,
    );
    for (const row of counts) {
      const found = scopes.get(row.scope);
      if (found === undefined) continue;
      found.open += Number(row.count);
      found.byClass[row.class as BreakClass] = Number(row.count);
      found.unowned += Number(row.unowned);
      found.oldest = Math.min(found.oldest ?? Number.POSITIVE_INFINITY, Number(row.oldest));
    }
    return [...scopes.values()];
  },
  { readOnly: true },
);

/** The newest runs of a scope. */
export const listRuns = defineOperation(
  import.meta.url,
  'listRuns',
  function* ({ scope, limit }: { scope: string; limit: number }): Step<RunSummary[]> {
    const rows = yield* query<{ summary: string }>(
      'SELECT summary FROM recon_runs WHERE scope = $1 ORDER BY number DESC LIMIT $2',
      scope,
      limit,
    );
    return rows.map(({ summary }) => JSON.parse(summary) as RunSummary);
  },
  { readOnly: true },
);

export type ProofVerdict = { kind: 'intact'; runs: number; proof: string } | { kind: 'broken'; number: number };

/** Recomputes every proof of a scope, in slices of 1,000 runs. */
export const verifyRuns = defineOperation(
  import.meta.url,
  'verifyRuns',
  function* ({ scope }: { scope: string }): Step<ProofVerdict> {
    let proof = genesis;
    let number = 0;
    for (;;) {
      const rows = yield* query<{ number: number; summary: string; proof: string; digest: string }>(
        'SELECT number, summary, proof, digest FROM recon_runs WHERE scope = $1 AND number > $2 ORDER BY number LIMIT 1000',
        scope,
        number,
      );
      for (const row of rows) {
        number++;
        const { proof: told, ...body } = JSON.parse(row.summary) as RunSummary;
        const sound =
          Number(row.number) === number &&
          body.previousProof === proof &&
          body.digest === row.digest &&
          told === row.proof &&
          proofOf(body) === row.proof;
        if (!sound) return { kind: 'broken', number };
        proof = row.proof;
      }
      if (rows.length < 1_000) return { kind: 'intact', runs: number, proof };
    }
  },
  { readOnly: true },
);

// --- Acting ------------------------------------------------------------------------------------------------------------

/** What a person found; `accepted` is a difference that stays. */
export const resolutions = ['posted', 'counted', 'unit-corrected', 'lot-corrected', 'accepted'] as const;
export type Resolution = (typeof resolutions)[number];

/** Breaks that one act may touch. */
export const actLimit = 200;

export interface BreakAct extends Act {
  ids: string[];
}

/**
 * Names who looks after breaks; an empty owner takes the name away.
 * @throws Failure `conflict` `BREAK_NOT_OPEN` when none of them is open any more
 */
export const assignBreaks = defineOperation(
  import.meta.url,
  'assignBreaks',
  function* (act: BreakAct & { owner: string }, context): Step<{ count: number }> {
    return yield* once('reconciliation.assign', act, context.now, function* () {
      return yield* touch(act, context, 'reconciliation.assigned', { owner: act.owner }, "owner = NULLIF($1, '')", [
        act.owner,
      ]);
    });
  },
);

/** Ends breaks with what was found. One that still differs in the next run opens again, as its next occurrence. */
export const resolveBreaks = defineOperation(
  import.meta.url,
  'resolveBreaks',
  function* (act: BreakAct & { resolution: Resolution }, context): Step<{ count: number }> {
    return yield* once('reconciliation.resolve', act, context.now, function* () {
      return yield* touch(
        act,
        context,
        'reconciliation.resolved',
        { resolution: act.resolution },
        "state = 'resolved', resolved_at = $1, resolved_by = $2, resolution = $3, reason = $4",
        [context.now, act.actor, act.resolution, act.reason],
      );
    });
  },
);

function* touch(
  act: BreakAct,
  context: OperationContext,
  action: string,
  detail: Record<string, string>,
  assignments: string,
  values: SqlValue[],
): Step<{ count: number }> {
  let count = 0;
  for (const id of act.ids) {
    const [row] = yield* query<{ id: string; scope: string; difference: string }>(
      `UPDATE recon_breaks SET ${assignments} WHERE id = $${values.length + 1} AND state = 'open'
       RETURNING id, scope, difference`,
      ...values,
      id,
    );
    if (row === undefined) continue;
    count++;
    context.audit({
      action,
      outcome: 'success',
      actor: act.actor,
      subject: id,
      reason: act.reason,
      detail: { scope: row.scope, shortage: compareDecimals(row.difference, '0') < 0, ...detail },
    });
  }
  if (count > 0) return { count };
  throw new Failure('conflict', 'BREAK_NOT_OPEN', 'None of these breaks is open any more. Reload the list.', {
    retryable: false,
  });
}
