import type { AuditEntry } from '../../../nodes/kernel/audit/index.ts';
import { defineOperation } from '../../../nodes/kernel/store/index.ts';

// biome-ignore lint/correctness/useYield: the audit is all it does
export const record = defineOperation(import.meta.url, 'record', function* (entries: AuditEntry[], context) {
  for (const entry of entries) context.audit(entry);
});
