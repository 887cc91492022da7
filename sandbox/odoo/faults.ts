/** Switches for everything that goes wrong between a client and a real Odoo. */
import { mulberry32 } from '../random.ts';

interface Trigger {
  /** How many matching calls it hits; then it is gone. @default every one */
  times?: number;
  /** Chance in 0..1 that a matching call is hit, from the seeded generator. @default 1 */
  probability?: number;
  /** Only calls of this model. */
  model?: string;
  /** Only calls of this method. */
  method?: string;
}

export type Fault = Trigger &
  (
    | { kind: 'refuse' } // the connection is closed before the request is looked at
    | { kind: 'hang' } // no answer, ever; nothing is done
    | { kind: 'drop-request' } // connection closed unanswered, nothing is done (worker over its time limit)
    | { kind: 'drop-reply' } // done and committed, then the connection is closed unanswered
    | { kind: 'hang-reply' } // done and committed, then no answer, ever
    | { kind: 'status'; status: number /** Seconds. */; retryAfter?: number } // a proxy's answer, text/html
    | { kind: 'slow' /** Milliseconds before the work starts. */; ms: number }
    | { kind: 'slow-reply' /** Milliseconds between commit and answer. */; ms: number }
    | { kind: 'conflict' } // serialization failure after Odoo's own tries; load() answers ids:false
    | { kind: 'contention' } // a load() loses to another of the same external id that overlaps it in time
    | { kind: 'lock' } // LockNotAvailable after Odoo's own tries
    | { kind: 'key-expired' } // 401, or AccessDenied over JSON-RPC
    | { kind: 'postgres-down' } // 404 text/html over JSON-2, OperationalError over JSON-RPC
    | { kind: 'error'; name: string; message?: string; status?: number } // any exception by name
  );

export type FaultKind = Fault['kind'];

export const faultKinds: readonly FaultKind[] = [
  'refuse',
  'hang',
  'drop-request',
  'drop-reply',
  'hang-reply',
  'status',
  'slow',
  'slow-reply',
  'conflict',
  'contention',
  'lock',
  'key-expired',
  'postgres-down',
  'error',
];

export interface FaultSubject {
  model?: string | undefined;
  method?: string | undefined;
}

export class Faults {
  private rules: { fault: Fault; left: number }[] = [];
  private random: () => number;

  /** @param seed of the generator behind `probability`, so that a run can be repeated */
  constructor(seed = 1) {
    this.random = mulberry32(seed);
  }

  /** Replaces all faults. */
  set(...faults: Fault[]): void {
    this.rules = [];
    this.add(...faults);
  }

  add(...faults: Fault[]): void {
    for (const fault of faults) this.rules.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY });
  }

  clear(): void {
    this.rules = [];
  }

  reseed(seed: number): void {
    this.random = mulberry32(seed);
  }

  /** Faults in force, with how often each will still strike. */
  list(): Fault[] {
    return this.rules.map(({ fault, left }) => (Number.isFinite(left) ? { ...fault, times: left } : fault));
  }

  /** The faults that strike this call; those with a count are used up by it. */
  strike(subject: FaultSubject): Fault[] {
    const struck: Fault[] = [];
    for (const rule of this.rules) {
      const { fault } = rule;
      if (rule.left <= 0) continue;
      if (fault.model !== undefined && fault.model !== subject.model) continue;
      if (fault.method !== undefined && fault.method !== subject.method) continue;
      if (fault.probability !== undefined && this.random() >= fault.probability) continue;
      rule.left--;
      struck.push(fault);
    }
    this.rules = this.rules.filter((rule) => rule.left > 0);
    return struck;
  }
}
