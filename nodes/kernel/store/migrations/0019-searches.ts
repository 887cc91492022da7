import type { Migration } from './migration.ts';

/**
 * What the console looks for among millions of rows and few have: messages of a partner that did not go well, entries of
 * a person. Rows of the everyday (done, under way; written by the flow) are not in these indexes and do not pay for them.
 */
export const searches: Migration = {
  version: 19,
  name: 'searches',
  statements: () => [
    `CREATE INDEX journal_messages_trouble ON journal_messages (partner, outcome, started_at, id)
     WHERE outcome NOT IN ('open', 'queued', 'done')`,
    "CREATE INDEX audit_trail_actor ON audit_trail (actor, seq) WHERE actor <> 'flow'",
  ],
};
