import type { Store } from '../store/store.ts';
import { type FhirSource, auditEventOf } from './fhir.ts';
import { type AuditFilter, listAudit } from './operations.ts';

/** `fhir`: AuditEvent resources of FHIR R4, one a line (NDJSON, as Bulk Data has it). */
export type AuditFormat = { kind: 'jsonl' } | ({ kind: 'fhir' } & FhirSource);

/**
 * The trail oldest first, a line an entry, read a page at a time: each with its hash, so that a copy kept elsewhere
 * proves what the trail was.
 */
export async function* exportAudit(
  store: Store,
  filter: AuditFilter = {},
  format: AuditFormat = { kind: 'jsonl' },
): AsyncGenerator<string, void> {
  let cursor: number | undefined;
  do {
    const page = await store.run(listAudit, {
      filter,
      order: 'oldest-first',
      limit: 1000,
      ...(cursor === undefined ? {} : { cursor }),
    });
    for (const record of page.records) {
      const line =
        format.kind === 'fhir' ? auditEventOf(record, format) : { ...record, at: new Date(record.at).toISOString() };
      yield `${JSON.stringify(line)}\n`;
    }
    cursor = page.next;
  } while (cursor !== undefined);
}
