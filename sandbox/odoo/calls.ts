/** What was called and what it did, bounded, so that a test can assert "created once" and "so many requests". */
import type { Effects } from './table.ts';

export interface CallRecord {
  /** 1, 2, 3 … since start. */
  sequence: number;
  /** RFC 3339. */
  at: string;
  protocol: 'json2' | 'jsonrpc' | 'http';
  model?: string;
  method?: string;
  uid?: number;
  /** HTTP status sent, or 0 when the connection was closed or left hanging. */
  status: number;
  /** Python name of the error, if one was answered. */
  error?: string;
  /** Kinds of the faults that struck. */
  faults?: string[];
  /** Present when the call committed something. */
  effects?: Effects;
}

export interface Counters {
  requests: number;
  /** By `model.method`, or by path for plain HTTP. */
  calls: Record<string, number>;
  /** Answered errors by Python name. */
  errors: Record<string, number>;
  /** Faults that struck, by kind. */
  faults: Record<string, number>;
  /** Records created and deleted by committed calls, by model. */
  created: Record<string, number>;
  deleted: Record<string, number>;
  /** Calls that a real 19 answers with a deprecation warning in its log. */
  deprecated: number;
}

const emptyCounters = (): Counters => ({
  requests: 0,
  calls: {},
  errors: {},
  faults: {},
  created: {},
  deleted: {},
  deprecated: 0,
});

export class CallLog {
  counters: Counters = emptyCounters();
  private records: CallRecord[] = [];
  private sequence = 0;
  private readonly limit: number;

  /** @param limit calls remembered; the counters go on for ever. @default 20,000 */
  constructor(limit = 20_000) {
    this.limit = limit;
  }

  note(record: Omit<CallRecord, 'sequence' | 'at'>, path: string): void {
    const { counters } = this;
    counters.requests++;
    count(counters.calls, record.model ? `${record.model}.${record.method}` : path);
    if (record.error) count(counters.errors, record.error);
    for (const fault of record.faults ?? []) count(counters.faults, fault);
    for (const [name, ids] of Object.entries(record.effects?.created ?? {})) count(counters.created, name, ids.length);
    for (const [name, ids] of Object.entries(record.effects?.deleted ?? {})) count(counters.deleted, name, ids.length);
    this.records.push({ sequence: ++this.sequence, at: new Date().toISOString(), ...record });
    // Trimmed in steps, so that the log costs nothing a call.
    if (this.records.length > this.limit * 1.25) this.records = this.records.slice(-this.limit);
  }

  list(filter: { model?: string | undefined; method?: string | undefined } = {}): CallRecord[] {
    return this.records
      .filter(
        (record) =>
          (filter.model === undefined || record.model === filter.model) &&
          (filter.method === undefined || record.method === filter.method),
      )
      .slice(-this.limit);
  }

  clear(): void {
    this.records = [];
    this.counters = emptyCounters();
  }
}

function count(counters: Record<string, number>, key: string, by = 1): void {
  counters[key] = (counters[key] ?? 0) + by;
}
