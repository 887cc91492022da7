export {
  type AuditKeys,
  auditKeys,
  auditKeyVariable,
  auditRetentionVariable,
  formerAuditKeysVariable,
} from './audit-key.ts';
export type { AuditRecord } from './chain.ts';
export { checkpointEnds } from './checkpoints.ts';
export type { AuditEntry } from './entry.ts';
export { type AuditFormat, exportAudit } from './export.ts';
export { keepAudit } from './keeping.ts';
export { type AuditFilter, type AuditPage, listAudit } from './operations.ts';
export { type AuditProblem, type AuditVerdict, problemWords, verifyAudit, verifyTrail } from './verify.ts';
export { type AuditBreak, AuditWatch, auditFinding, noteVerdict } from './watch.ts';
