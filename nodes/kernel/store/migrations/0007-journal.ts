import type { Migration } from './migration.ts';

/**
 * The journal of messages: what the console's page Messages searches. A message is a narrow row that changes when its
 * outcome does; its hops are apart, one row for each flush, so that a search never reads them. `journal_terms` is an
 * inverted index (`key:` business keys, `flow:`, `corr:`) in the order in which answers are shown; rows are only added
 * to it. `terms` on the message names its rows there, for the purge.
 */
export const journal: Migration = {
  version: 7,
  name: 'journal',
  statements: ({ dialect, integer, strict }) => [
    `CREATE TABLE journal_messages (
       id TEXT NOT NULL PRIMARY KEY,
       started_at ${integer} NOT NULL,
       changed_at ${integer} NOT NULL,
       outcome TEXT NOT NULL,
       outcome_at ${integer} NOT NULL,
       partner TEXT,
       correlation_id TEXT,
       event_type TEXT,
       subject TEXT,
       flow TEXT,
       failure_class TEXT,
       failure_code TEXT,
       failure_message TEXT,
       failure_node TEXT,
       odoo_model TEXT,
       odoo_ids TEXT,
       attempts ${integer} NOT NULL,
       hops ${integer} NOT NULL,
       terms TEXT NOT NULL
     ) ${strict}`,
    'CREATE INDEX journal_messages_started ON journal_messages (started_at, id)',
    'CREATE INDEX journal_messages_outcome ON journal_messages (outcome, started_at, id)',
    'CREATE INDEX journal_messages_partner ON journal_messages (partner, started_at, id)',
    // Prefixes are ranges, which needs the order of bytes in both engines.
    `CREATE TABLE journal_terms (
       term TEXT ${dialect === 'postgresql' ? 'COLLATE "C"' : ''} NOT NULL,
       started_at ${integer} NOT NULL,
       message_id TEXT NOT NULL,
       PRIMARY KEY (term, started_at, message_id)
     ) ${strict}`,
    `CREATE TABLE journal_hops (
       message_id TEXT NOT NULL,
       at ${integer} NOT NULL,
       hops TEXT NOT NULL
     ) ${strict}`,
    'CREATE INDEX journal_hops_message ON journal_hops (message_id, at)',
  ],
};
