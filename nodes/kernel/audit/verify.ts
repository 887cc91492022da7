/** Proving the audit trail: its chain, and the signed checkpoints along it. */
import { defineOperation, type Operation, query } from '../store/operation.ts';
import type { Store } from '../store/store.ts';
import { type AuditKeys, auditKeys } from './audit-key.ts';
import { auditColumns, chainHash, genesis, recordOfRow } from './chain.ts';
import { type Checkpoint, checkpointEnds, listCheckpoints, problemOf } from './checkpoints.ts';

/**
 * What is wrong at `seq`:
 * - `missing`: the entry was deleted, or is the first of a truncated tail;
 * - `changed`: the entry is not what was written (changed, inserted or in another's place);
 * - `beyond-head`: an entry follows the last one that the head knows;
 * - `rewritten`: the chain up to here is whole, but not the one that was signed;
 * - `signature`: the checkpoint at this entry was not signed by the key it names;
 * - `unknown-key`: it was signed by a key that is none of ours;
 * - `checkpoint-missing`: a checkpoint at this entry was taken out;
 * - `not-anchored`: the entry has another hash than the one that was kept elsewhere.
 */
export type AuditProblem =
  | 'missing'
  | 'changed'
  | 'beyond-head'
  | 'rewritten'
  | 'signature'
  | 'unknown-key'
  | 'checkpoint-missing'
  | 'not-anchored';

/** For people, after "Entry n". */
export const problemWords: Readonly<Record<AuditProblem, string>> = {
  missing: 'is missing',
  changed: 'is not what was written',
  'beyond-head': 'is unknown to the head of the chain',
  rewritten: 'is not the one that its checkpoint signed: entries up to it were rewritten',
  signature: 'has a checkpoint with a false signature',
  'unknown-key': 'has a checkpoint signed by a key that is none of ours',
  'checkpoint-missing': 'had a checkpoint, which was taken out',
  'not-anchored': 'has another hash than the one that was kept elsewhere',
};

/** How far the trail is signed. */
export interface Signed {
  checkpoints: number;
  /** The last entry that a checkpoint covers; 0: none. */
  through: number;
  /** Ids of the keys. */
  keys: string[];
  /** False: no key is known here, so signatures were checked with the keys that stand beside them. */
  trusted: boolean;
}

export type AuditVerdict =
  /** `first`: entries before it were removed after their retention, and that is signed. */
  | { kind: 'intact'; entries: number; first: number; hash: string; signed: Signed }
  | { kind: 'broken'; seq: number; problem: AuditProblem };

/** How far a walk along the chain has come. */
export type SliceVerdict =
  | { kind: 'end'; seq: number; hash: Uint8Array }
  | { kind: 'broken'; seq: number; problem: AuditProblem }
  | { kind: 'continue'; seq: number; hash: Uint8Array };

/** A state that an entry must have. */
interface Mark {
  seq: number;
  hash: Uint8Array;
  problem: AuditProblem;
}

/** Checks `limit` entries after `seq`, whose hash is `hash`, and the marks among them. */
export const verifyAuditSlice = defineOperation(
  import.meta.url,
  'verifyAuditSlice',
  function* ({
    seq: from,
    hash: start,
    marks,
    limit,
  }: {
    seq: number;
    hash: Uint8Array;
    marks: Mark[];
    limit: number;
  }) {
    const rows = yield* query(
      `SELECT ${auditColumns} FROM audit_trail WHERE seq > $1 ORDER BY seq LIMIT $2`,
      from,
      limit,
    );
    const [head] = yield* query<{ entries: number; hash: Uint8Array }>(
      'SELECT entries, hash FROM audit_head WHERE id = 1',
    );
    const entries = head?.entries ?? 0;
    const marked = new Map(marks.map((mark) => [mark.seq, mark]));
    let seq = from;
    let hash: Uint8Array = start;
    for (const row of rows) {
      seq++;
      if (row.seq !== seq) return broken(seq, 'missing');
      if (seq > entries) return broken(seq, 'beyond-head');
      hash = chainHash(hash, recordOfRow(row));
      if (!equal(hash, row.hash as Uint8Array)) return broken(seq, 'changed');
      const mark = marked.get(seq);
      if (mark !== undefined && !equal(hash, mark.hash)) return broken(seq, mark.problem);
    }
    if (rows.length === limit) return { kind: 'continue', seq, hash } as SliceVerdict;
    if (seq < entries) return broken(seq + 1, 'missing');
    if (head === undefined || !equal(hash, head.hash)) return broken(seq, 'changed');
    return { kind: 'end', seq, hash } as SliceVerdict;
  },
  { readOnly: true },
);

function broken(seq: number, problem: AuditProblem): SliceVerdict & AuditVerdict {
  return { kind: 'broken', seq, problem };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** How operations are run: by a store, or in somebody's transaction. */
export type Runner = <A, R>(operation: Operation<A, R>, args: A) => Promise<R>;

export interface VerifyOptions {
  /** Entries in one transaction. */
  slice?: number;
  /** Default: those of the environment. */
  keys?: Pick<AuditKeys, 'trusted'>;
  /** A state that was kept elsewhere, e.g. in a log. */
  anchor?: { seq: number; hash: Uint8Array };
}

/**
 * Walks the whole trail in slices, so that work goes on meanwhile. Entries appended during the walk are checked too.
 */
export function verifyAudit(store: Store, options: VerifyOptions = {}): Promise<AuditVerdict> {
  return verifyTrail((operation, args) => store.run(operation, args), options);
}

export async function verifyTrail(run: Runner, options: VerifyOptions = {}): Promise<AuditVerdict> {
  for (;;) {
    const before = await run(checkpointEnds, undefined);
    const verdict = await walk(run, options);
    if (verdict.kind === 'intact') return verdict;
    // Entries that left after their retention while this read them are not missing: look again.
    const after = await run(checkpointEnds, undefined);
    if (before.purged?.seq === after.purged?.seq) return verdict;
  }
}

const page = 1000;

async function walk(run: Runner, { slice = 1000, keys = auditKeys(), anchor }: VerifyOptions): Promise<AuditVerdict> {
  const checkpoints: Checkpoint[] = [];
  for (let more = true; more; ) {
    const found = await run(listCheckpoints, { after: checkpoints.at(-1)?.seq ?? 0, limit: page });
    checkpoints.push(...found);
    more = found.length === page;
  }
  const start = checkpoints.findLast(({ purge }) => purge !== undefined);
  const first = (start?.seq ?? 0) + 1;
  // What was signed before the beginning is history; what is wrong with it does not touch what is there.
  const relevant = checkpoints.filter(({ seq }) => seq >= first - 1);
  const fault = faultOf(relevant, keys.trusted);
  // The first of both is told: a chain that breaks earlier than its checkpoints does so in the walk.
  const marks: Mark[] = relevant
    .filter(({ seq }) => fault === undefined || seq < fault.seq)
    .map(({ seq, hash }) => ({ seq, hash, problem: 'rewritten' }));
  if (anchor !== undefined) {
    if (anchor.seq === first - 1) {
      if (!equal(anchor.hash, start?.hash ?? genesis)) return broken(anchor.seq, 'not-anchored');
    } else if (anchor.seq >= first) {
      marks.push({ seq: anchor.seq, hash: anchor.hash, problem: 'not-anchored' });
    }
  }
  let state: { seq: number; hash: Uint8Array } = { seq: first - 1, hash: start?.hash ?? genesis };
  for (;;) {
    const from = state.seq;
    const near = marks.filter(({ seq }) => seq > from && seq <= from + slice);
    const verdict = await run(verifyAuditSlice, { ...state, marks: near, limit: slice });
    const reached = verdict.seq;
    if (fault !== undefined && fault.seq <= reached) return broken(fault.seq, fault.problem);
    if (verdict.kind === 'broken') return verdict;
    state = verdict;
    if (verdict.kind === 'end') break;
  }
  const last = Math.max(fault?.seq ?? 0, relevant.at(-1)?.seq ?? 0, anchor?.seq ?? 0);
  // Who cuts the tail and sets the head back is told by what was signed after it.
  if (last > state.seq) return broken(state.seq + 1, 'missing');
  return {
    kind: 'intact',
    entries: state.seq,
    first,
    hash: Buffer.from(state.hash).toString('hex'),
    signed: {
      checkpoints: relevant.length,
      through: relevant.at(-1)?.seq ?? 0,
      keys: [
        ...new Set(relevant.flatMap(({ keyId, purge }) => [keyId, ...(purge === undefined ? [] : [purge.keyId])])),
      ],
      trusted: keys.trusted.size > 0,
    },
  };
}

/** A state of the trail that is known to be right: an entry and its hash, or the beginning. */
export interface TrailState {
  seq: number;
  hash: Uint8Array;
}

/** Checks at most `limit` entries after a state, and the checkpoints that stand at them. */
export async function verifyPart(
  run: Runner,
  from: TrailState,
  { limit, keys = auditKeys() }: { limit: number; keys?: Pick<AuditKeys, 'trusted'> },
): Promise<SliceVerdict> {
  const ahead = await run(listCheckpoints, { after: from.seq, limit: page });
  const near = ahead.filter(({ seq }) => seq <= from.seq + limit);
  const wrong = near.find((checkpoint) => problemOf(checkpoint, keys.trusted) !== undefined);
  const marks: Mark[] = near
    .filter(({ seq }) => wrong === undefined || seq < wrong.seq)
    .map(({ seq, hash }) => ({ seq, hash, problem: 'rewritten' }));
  const verdict = await run(verifyAuditSlice, { ...from, marks, limit });
  if (verdict.kind === 'broken' && (wrong === undefined || verdict.seq < wrong.seq)) return verdict;
  if (wrong !== undefined) return broken(wrong.seq, problemOf(wrong, keys.trusted)!);
  // Who cuts the tail and sets the head back is told by what was signed after it.
  if (verdict.kind === 'end' && ahead.some(({ seq }) => seq > verdict.seq)) return broken(verdict.seq + 1, 'missing');
  return verdict;
}

/** The first checkpoint that is wrong by itself or whose predecessor was taken out. */
function faultOf(
  checkpoints: readonly Checkpoint[],
  trusted: ReadonlySet<string>,
): { seq: number; problem: AuditProblem } | undefined {
  for (const [index, checkpoint] of checkpoints.entries()) {
    const problem = problemOf(checkpoint, trusted);
    if (problem !== undefined) return { seq: checkpoint.seq, problem };
    const before = checkpoints[index - 1];
    // The beginning of a purged trail has one before it that is not looked at.
    if (before === undefined && checkpoint.purge !== undefined) continue;
    if ((before?.seq ?? 0) !== checkpoint.previous) return { seq: checkpoint.previous, problem: 'checkpoint-missing' };
  }
  return undefined;
}
