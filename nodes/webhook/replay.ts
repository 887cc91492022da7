/**
 * Replay protection: a request that was answered with success is not taken again.
 *
 * What is remembered is the proof (what was signed, so id and time included), and only after it proved: else anybody
 * could block an id in advance. A request is *held* while it is worked on and *kept* once it was answered with 2xx;
 * after any other answer it is forgotten, because an honest sender will repeat the very same bytes. A sender that
 * signs each retry anew (Standard Webhooks) is not held up at all: telling its retries from new messages is the
 * idempotency gate's work, which also has the stored reply. So with a gate behind, replay protection stays off.
 */
import { createHash } from 'node:crypto';
import { defineOperation, query, type Row, type Statement, type Store } from '../kernel/store/index.ts';
import type { Exchange } from './ingress/exchange.ts';
import type { Refused } from './verification/verifier.ts';

export interface ReplayClaim {
  /** SHA-256 of endpoint and proof. */
  hash: Uint8Array;
  /** Milliseconds that it is held while no answer has been given. */
  hold: number;
}

/** @returns `fresh`, `held` by a request in progress, or `seen` */
export const admitRequest = defineOperation(
  import.meta.url,
  'admitRequest',
  function* ({ hash, hold }: ReplayClaim, { now }): Generator<Statement, 'fresh' | 'held' | 'seen', Row[]> {
    // One statement decides, so that of two processes on one database only one is told `fresh`.
    const admitted = yield* query(
      `INSERT INTO webhook_replays (hash, kept, expires_at) VALUES ($1, 0, $2)
   ON CONFLICT (hash) DO UPDATE SET kept = 0, expires_at = excluded.expires_at WHERE webhook_replays.expires_at <= $3
   RETURNING hash`,
      hash,
      now + hold,
      now,
    );
    if (admitted.length === 0) {
      const [row] = yield* query<{ kept: number }>('SELECT kept FROM webhook_replays WHERE hash = $1', hash);
      return row !== undefined && Number(row.kept) === 1 ? 'seen' : 'held';
    }
    yield* query(
      'DELETE FROM webhook_replays WHERE hash IN (SELECT hash FROM webhook_replays WHERE expires_at <= $1 ORDER BY expires_at LIMIT 20)',
      now,
    );
    return 'fresh';
  },
);

/** Remembers a request that was answered with success. */
export const keepRequest = defineOperation(
  import.meta.url,
  'keepRequest',
  function* ({ hash, keep }: { hash: Uint8Array; keep: number }, { now }) {
    yield* query('UPDATE webhook_replays SET kept = 1, expires_at = $2 WHERE hash = $1', hash, now + keep);
  },
);

/** Forgets a request that was not answered with success. */
export const forgetRequest = defineOperation(
  import.meta.url,
  'forgetRequest',
  function* ({ hash }: { hash: Uint8Array }) {
    yield* query('DELETE FROM webhook_replays WHERE hash = $1 AND kept = 0', hash);
  },
);

export interface ReplayOptions {
  store: Store;
  /** Remembered requests of one endpoint do not touch another's. */
  endpoint: string;
  /** Milliseconds. */
  hold: number;
  keep: number;
}

/** A request that is held. Of one over HTTP the answer decides, and these two do nothing. */
export interface Admitted {
  kind: 'admitted';
  /** @throws Failure of the store: then the request must not be taken */
  remember(): Promise<void>;
  /** Never rejects: when the store fails, the hold runs out by itself. */
  forget(): Promise<void>;
}

const decidedByAnswer: Admitted = {
  kind: 'admitted',
  remember: () => Promise.resolve(),
  forget: () => Promise.resolve(),
};

export class ReplayGuard {
  readonly #options: ReplayOptions;

  #ending: Promise<void> = Promise.resolve();

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  hashOf(proof: string): Buffer {
    return createHash('sha256').update(`${this.#options.endpoint}\n${proof}`).digest();
  }

  /** Resolves once the last answered request is kept or forgotten. */
  async settled(): Promise<void> {
    await this.#ending;
  }

  /**
   * @param exchange decides what becomes of the memory; without one (a message by wire) the caller does
   * @throws Failure of the store: then the request must not be taken
   */
  async admit(proof: string, exchange: Pick<Exchange, 'onOutcome'> | undefined): Promise<Admitted | Refused> {
    const { store, hold, keep } = this.#options;
    const hash = this.hashOf(proof);
    const verdict = await store.run(admitRequest, { hash, hold });
    if (verdict === 'seen') return { kind: 'refused', code: 'replayed', reason: 'replayed' };
    if (verdict === 'held')
      return { kind: 'refused', code: 'replay-in-progress', reason: 'replayed while in progress' };
    if (exchange === undefined) {
      return {
        kind: 'admitted',
        remember: () => store.run(keepRequest, { hash, keep }),
        forget: () => store.run(forgetRequest, { hash }).catch(() => undefined),
      };
    }
    exchange.onOutcome((outcome) => {
      const success = outcome.kind === 'replied' && outcome.status >= 200 && outcome.status < 300;
      const end = success ? store.run(keepRequest, { hash, keep }) : store.run(forgetRequest, { hash });
      // When the store fails here, the hold runs out by itself and a retry is taken again: at least once, never lost.
      this.#ending = end.catch(() => undefined);
    });
    return decidedByAnswer;
  }
}
