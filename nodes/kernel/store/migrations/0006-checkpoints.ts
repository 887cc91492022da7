import type { Migration } from './migration.ts';

/**
 * How far `odoo-changes` has come, one row a source. Instants are whole seconds since the epoch, because that is what
 * Odoo tells of a `write_date`. `odoo_changes` holds what was handed out since the watermark, settled or not;
 * `odoo_record_ids` what the search for deleted records knows; `odoo_set_aside` what the flow refused for good.
 */
export const checkpoints: Migration = {
  version: 6,
  name: 'checkpoints',
  statements: ({ integer, strict }) => [
    `CREATE TABLE odoo_checkpoints (
       source TEXT NOT NULL PRIMARY KEY,
       watermark ${integer} NOT NULL,
       sweep_position ${integer} NOT NULL,
       swept_at ${integer},
       updated_at ${integer} NOT NULL
     ) ${strict}`,
    `CREATE TABLE odoo_changes (
       source TEXT NOT NULL,
       record_id ${integer} NOT NULL,
       write_date ${integer} NOT NULL,
       fingerprint TEXT NOT NULL,
       event_id TEXT NOT NULL,
       settled ${integer} NOT NULL,
       PRIMARY KEY (source, record_id, write_date)
     ) ${strict}`,
    'CREATE INDEX odoo_changes_age ON odoo_changes (source, write_date)',
    `CREATE TABLE odoo_record_ids (
       source TEXT NOT NULL,
       record_id ${integer} NOT NULL,
       PRIMARY KEY (source, record_id)
     ) ${strict}`,
    `CREATE TABLE odoo_set_aside (
       source TEXT NOT NULL,
       record_id ${integer} NOT NULL,
       kind TEXT NOT NULL,
       event_id TEXT NOT NULL,
       failure_class TEXT NOT NULL,
       failure_code TEXT NOT NULL,
       failure_message TEXT NOT NULL,
       at ${integer} NOT NULL,
       PRIMARY KEY (source, record_id)
     ) ${strict}`,
  ],
};
