/**
 * The schema of the integration store, in order. To add to it: a new file `NNNN-name.ts` with the next number, and a
 * line here. Never edit a migration that has been released.
 */
import { audit } from './0001-audit.ts';
import { idempotency } from './0002-idempotency.ts';
import { deadLetters } from './0003-dead-letters.ts';
import { messaging } from './0004-messaging.ts';
import { webhookReplay } from './0005-webhook-replay.ts';
import { checkpoints } from './0006-checkpoints.ts';
import { journal } from './0007-journal.ts';
import { pacing } from './0008-pacing.ts';
import { approvals } from './0009-approvals.ts';
import { causeOwners } from './0010-cause-owners.ts';
import { reconciliation } from './0011-reconciliation.ts';
import { messagingSafety } from './0012-messaging-safety.ts';
import { controlNumbers } from './0013-control-numbers.ts';
import { auditCheckpoints } from './0014-audit-checkpoints.ts';
import { configuration } from './0015-configuration.ts';
import { journalTerms } from './0016-journal-terms.ts';
import { replayChanges } from './0017-replay-changes.ts';
import { approvalNotices } from './0018-approval-notices.ts';
import { searches } from './0019-searches.ts';
import { originals } from './0020-originals.ts';
import type { Migration } from './migration.ts';

export const migrations: readonly Migration[] = [
  audit,
  idempotency,
  deadLetters,
  messaging,
  webhookReplay,
  checkpoints,
  journal,
  pacing,
  approvals,
  causeOwners,
  reconciliation,
  messagingSafety,
  controlNumbers,
  auditCheckpoints,
  configuration,
  journalTerms,
  replayChanges,
  approvalNotices,
  searches,
  originals,
];

export type { Migration, SqlTypes } from './migration.ts';
