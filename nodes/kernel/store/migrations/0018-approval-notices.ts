import type { Migration } from './migration.ts';

/**
 * Notices of approvals that people have not been told yet, written in the transaction that makes them necessary. Whoever
 * holds one tells it and removes it; when it dies before that, the lease ends and another tells it.
 */
export const approvalNotices: Migration = {
  version: 18,
  name: 'approval-notices',
  statements: ({ integer, strict }) => [
    `CREATE TABLE approval_notices (
       request_id TEXT NOT NULL,
       kind TEXT NOT NULL,
       process TEXT NOT NULL,
       lease_until ${integer} NOT NULL,
       PRIMARY KEY (request_id, kind)
     ) ${strict}`,
    'CREATE INDEX approval_notices_process ON approval_notices (process, lease_until)',
  ],
};
