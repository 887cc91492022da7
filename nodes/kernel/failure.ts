/**
 * The failure taxonomy: one vocabulary for everything that can go wrong, so that a Catch node, the `settle` node,
 * an alert rule and an operator all read the same verdict.
 */

export const failureClasses = [
  'data-quality',
  'dependency-outage',
  'policy-rejection',
  'saturation',
  'conflict',
  'configuration',
  'defect',
] as const;

/**
 * Why something failed, in terms of who has to act:
 * - `data-quality`: the document is wrong; a data steward corrects it.
 * - `dependency-outage`: a system did not answer; retried with jitter.
 * - `policy-rejection`: it may not; security decides.
 * - `saturation`: too much at once; retried later, senders are slowed down.
 * - `conflict`: somebody else was there first; retried soon.
 * - `configuration`: we set it up wrong; an engineer corrects it.
 * - `defect`: a bug of ours.
 */
export type FailureClass = (typeof failureClasses)[number];

const retryableByDefault: Record<FailureClass, boolean> = {
  'data-quality': false,
  'dependency-outage': true,
  'policy-rejection': false,
  saturation: true,
  conflict: true,
  configuration: false,
  defect: false,
};

/** `msg.failure`: the serialisable form of a {@link Failure}. Never holds a secret or patient data. */
export interface FailureRecord {
  class: FailureClass;
  /** Stable, upper-case, for machines: `ODOO_VALIDATION_ERROR`. */
  code: string;
  retryable: boolean;
  /** Milliseconds the dependency asked us to wait (HTTP Retry-After and the like). */
  retryAfter?: number;
  /** `unknown` after a lost reply to a write: the effect may exist, so a retry must look before it creates. */
  outcome?: 'none' | 'unknown';
  /** One sentence: what happened, on which document, and what to do next. */
  message: string;
  /**
   * Structured evidence, bounded, e.g. schema violations. May quote what a dependency said of the document, so it stays
   * with the message in the flow: no log, header, audit entry or metric carries it.
   */
  detail?: unknown;
  /** RFC 3339 instant. */
  at?: string;
  /** Where it happened. */
  node?: { id: string; type: string; name?: string };
  /** 1 for the first try. */
  attempt?: number;
}

export interface FailureOptions {
  retryable?: boolean;
  retryAfter?: number;
  outcome?: 'none' | 'unknown';
  detail?: unknown;
  cause?: unknown;
}

/**
 * The one error class of the package. `code` and `cause` are own properties because Node-RED's Catch node copies
 * only own properties into `msg.error`.
 */
export class Failure extends Error {
  readonly class: FailureClass;
  readonly code: string;
  readonly retryable: boolean;
  readonly retryAfter: number | undefined;
  readonly outcome: 'none' | 'unknown' | undefined;
  readonly detail: unknown;

  constructor(failureClass: FailureClass, code: string, message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Failure';
    this.class = failureClass;
    this.code = code;
    this.retryable = options.retryable ?? retryableByDefault[failureClass];
    this.retryAfter = options.retryAfter;
    this.outcome = options.outcome;
    this.detail = options.detail;
  }

  toRecord(extra: Pick<FailureRecord, 'at' | 'node' | 'attempt'> = {}): FailureRecord {
    return {
      class: this.class,
      code: this.code,
      retryable: this.retryable,
      ...(this.retryAfter === undefined ? {} : { retryAfter: this.retryAfter }),
      ...(this.outcome === undefined ? {} : { outcome: this.outcome }),
      message: this.message,
      ...(this.detail === undefined ? {} : { detail: this.detail }),
      ...extra,
    };
  }

  static fromRecord(record: FailureRecord): Failure {
    return new Failure(record.class, record.code, record.message, {
      retryable: record.retryable,
      ...(record.retryAfter === undefined ? {} : { retryAfter: record.retryAfter }),
      ...(record.outcome === undefined ? {} : { outcome: record.outcome }),
      ...(record.detail === undefined ? {} : { detail: record.detail }),
    });
  }
}

/** Node.js system error codes that mean "the other side is not there" (Node.js `os.constants.errno`, libuv). */
const outageCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * Turns anything thrown into a {@link Failure}. Unforeseen errors are `defect`: their own text stays in `cause` for
 * the log and does not travel with the message, because it may quote the document.
 */
export function toFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  if (thrown instanceof Error) {
    const code = (thrown as NodeJS.ErrnoException).code;
    if (typeof code === 'string' && outageCodes.has(code)) {
      return new Failure('dependency-outage', code, `A system this node depends on did not answer (${code}).`, {
        cause: thrown,
      });
    }
    return new Failure('defect', 'UNEXPECTED', `Unexpected ${thrown.name} in the node; see the log for its stack.`, {
      cause: thrown,
    });
  }
  return new Failure('defect', 'UNEXPECTED', 'Unexpected non-error thrown in the node.', { cause: thrown });
}
