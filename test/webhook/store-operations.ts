/** Store operations that only tests need. */
import { defineOperation, query } from '../../nodes/kernel/store/index.ts';

export const auditRows = defineOperation(
  import.meta.url,
  'auditRows',
  function* (_: object) {
    return yield* query<{ action: string; reason: string | null; correlation_id: string | null }>(
      'SELECT action, reason, correlation_id FROM audit_trail ORDER BY seq',
    );
  },
  { readOnly: true },
);
