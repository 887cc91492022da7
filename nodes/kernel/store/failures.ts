/** Failures that both engines report. */
import type { AuditEntry } from '../audit/entry.ts';
import { Failure } from '../failure.ts';

/** What an operation threw that is no Failure: a bug, e.g. a violated constraint. */
export function operationDefect(name: string, cause: unknown): Failure {
  return new Failure('defect', 'STORE_OPERATION_FAILED', `The store operation "${name}" failed; see the log.`, {
    cause,
  });
}

export function closed(): Failure {
  return new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'The integration store is closed; flows are stopping.');
}

/** Where an operation's audit entries go; an operation that only reads has no place for them. */
export function auditInto(audit: AuditEntry[] | undefined): (entry: AuditEntry) => void {
  return (entry) => {
    if (audit === undefined) {
      throw new Failure('defect', 'STORE_READ_ONLY_AUDIT', 'An operation that only reads cannot write to the audit.');
    }
    audit.push(entry);
  };
}

export function busy(waiting: number): Failure {
  return new Failure(
    'saturation',
    'STORE_BUSY',
    `${waiting} operations wait for the integration store, which is its limit. Slow the sender down and try again.`,
    { retryAfter: 1000 },
  );
}
