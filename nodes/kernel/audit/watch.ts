/**
 * Looking after the chain while nobody asks. Each round checks the newest entries and the next piece of the whole, so that
 * its cost is bounded and every entry has its turn; what it or a person's verify found is kept for the metrics and the
 * console until a check of the same entries finds them right again.
 */
import { defineOperation, query } from '../store/operation.ts';
import type { Store } from '../store/store.ts';
import type { AuditKeys } from './audit-key.ts';
import { genesis } from './chain.ts';
import { type AuditProblem, type AuditVerdict, type SliceVerdict, type TrailState, verifyPart } from './verify.ts';

export interface AuditBreak {
  /** The first entry that is wrong. */
  seq: number;
  problem: AuditProblem;
  /** When it was found, milliseconds since the epoch. */
  since: number;
}

interface Found {
  break?: AuditBreak;
  /** When a check ended last, milliseconds since the epoch. */
  checkedAt: number;
}

const found = new WeakMap<Store, Found>();

/** What is known of a store's trail; undefined before its first check. */
export function auditFinding(store: Store): Readonly<Found> | undefined {
  return found.get(store);
}

/** Keeps what a check of the whole trail, or of the part where it was broken, has found. @returns true when it is news */
export function noteVerdict(
  store: Store,
  verdict: AuditVerdict | { kind: 'intact' },
  now: number = Date.now(),
): boolean {
  const before = found.get(store)?.break;
  if (verdict.kind === 'intact') {
    found.set(store, { checkedAt: now });
    return before !== undefined;
  }
  const { seq, problem } = verdict;
  const same = before?.seq === seq && before.problem === problem;
  found.set(store, { checkedAt: now, break: same ? before : { seq, problem, since: now } });
  return !same;
}

/** Where the trail begins, and a state at most `newest` entries before its end. */
export const watchPoints = defineOperation(
  import.meta.url,
  'watchPoints',
  function* ({ newest }: { newest: number }) {
    const [purged] = yield* query<{ seq: number; hash: Uint8Array }>(
      'SELECT seq, hash FROM audit_checkpoints WHERE purged_at IS NOT NULL ORDER BY seq DESC LIMIT 1',
    );
    const [near] = yield* query<{ seq: number; hash: Uint8Array }>(
      'SELECT seq, hash FROM audit_trail WHERE seq <= (SELECT entries FROM audit_head WHERE id = 1) - $1 ORDER BY seq DESC LIMIT 1',
      newest,
    );
    const start: TrailState = purged ?? { seq: 0, hash: genesis };
    return { start, near: near !== undefined && near.seq > start.seq ? near : start };
  },
  { readOnly: true },
);

export interface WatchOptions {
  keys: Pick<AuditKeys, 'trusted'>;
  /** Entries of the end that each round checks. Default 500. */
  newest?: number;
  /** Entries of the whole that each round checks. Default 2,000: a million in about eight hours of rounds a minute. */
  slice?: number;
}

export class AuditWatch {
  readonly #store: Store;
  readonly #options: Required<WatchOptions>;
  /** Where the next piece begins. */
  #at: TrailState | undefined;

  constructor(store: Store, { keys, newest = 500, slice = 2_000 }: WatchOptions) {
    this.#store = store;
    this.#options = { keys, newest, slice };
  }

  /** @returns the break when this round found one that was not known */
  async round(): Promise<AuditBreak | undefined> {
    const { newest, slice } = this.#options;
    const { start, near } = await this.#store.run(watchPoints, { newest });
    // The beginning may have left after its retention.
    const from = this.#at === undefined || this.#at.seq < start.seq ? start : this.#at;
    const piece = await this.#check(from, slice);
    // Appended to while this reads: what is past the limit is the next round's.
    // Of a short trail, the piece has held the newest already.
    const heldEnd = piece.kind === 'end' && from.seq <= near.seq;
    const verdict = piece.kind === 'broken' || heldEnd ? piece : await this.#check(near, 2 * newest);
    if (verdict.kind === 'broken') {
      // Entries that left after their retention meanwhile are not missing: the next round looks again.
      const now = await this.#store.run(watchPoints, { newest });
      if (now.start.seq !== start.seq) return undefined;
      return noteVerdict(this.#store, verdict) ? found.get(this.#store)?.break : undefined;
    }
    this.#at = piece.kind === 'continue' ? { seq: piece.seq, hash: piece.hash } : undefined;
    const known = found.get(this.#store)?.break;
    // A break that somebody else found is over when its own entries are right again.
    const again = known !== undefined && known.seq > from.seq && (known.seq <= piece.seq || piece.kind === 'end');
    if (known === undefined || again || known.seq > near.seq) noteVerdict(this.#store, { kind: 'intact' });
    return undefined;
  }

  #check(from: TrailState, limit: number): Promise<SliceVerdict> {
    return verifyPart((operation, args) => this.#store.run(operation, args), from, { limit, keys: this.#options.keys });
  }
}
