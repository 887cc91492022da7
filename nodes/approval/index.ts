/** What other slices may use of approvals. */
export { type ApprovalDesk, openApprovalDesks } from './desk.ts';
export type { ApprovalResult } from './resumer.ts';
export { approvalTotals, type ProcessTotals } from './store/inspect.ts';
