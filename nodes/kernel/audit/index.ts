export type { AuditRecord } from './chain.ts';
export type { AuditEntry } from './entry.ts';
export { exportAudit } from './export.ts';
export {
  type AuditFilter,
  type AuditPage,
  type AuditProblem,
  type AuditVerdict,
  listAudit,
  verifyAudit,
  verifyAuditSlice,
} from './operations.ts';
