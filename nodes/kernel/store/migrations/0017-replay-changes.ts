import type { Migration } from './migration.ts';

/**
 * The change that a replay makes in each of its letters as it sends them, sealed like their payloads: what it writes may
 * be as sensitive as they are.
 */
export const replayChanges: Migration = {
  version: 17,
  name: 'replay-changes',
  statements: ({ blob }) => [
    `ALTER TABLE replay_jobs ADD COLUMN change_sealed ${blob}`,
    'ALTER TABLE replay_jobs ADD COLUMN change_key TEXT',
  ],
};
