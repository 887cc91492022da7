import type { Migration } from './migration.ts';

/**
 * Dead letters, the causes they are grouped by, the replays and edits of people, and a token for each act so that a
 * repeated press acts once. A letter is one message of one queue: when it dies again, its row changes.
 * `generation` counts its replays; a death reported by an older generation is old news.
 */
export const deadLetters: Migration = {
  version: 3,
  name: 'dead-letters',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE dead_letters (
       id TEXT NOT NULL PRIMARY KEY,
       queue TEXT NOT NULL,
       message_id TEXT NOT NULL,
       connection TEXT NOT NULL,
       exchange TEXT NOT NULL,
       routing_key TEXT NOT NULL,
       correlation_id TEXT,
       business_key TEXT,
       event_type TEXT,
       content_type TEXT NOT NULL,
       properties TEXT NOT NULL,
       body ${blob} NOT NULL,
       body_key TEXT,
       body_size ${integer} NOT NULL,
       failure_class TEXT NOT NULL,
       failure_code TEXT NOT NULL,
       failure_message TEXT NOT NULL,
       fingerprint TEXT NOT NULL,
       node_id TEXT,
       node_type TEXT,
       node_name TEXT,
       flow_id TEXT,
       attempts ${integer} NOT NULL,
       state TEXT NOT NULL,
       generation ${integer} NOT NULL,
       deaths ${integer} NOT NULL,
       first_failed_at ${integer} NOT NULL,
       last_failed_at ${integer} NOT NULL,
       received_at ${integer} NOT NULL,
       job_id TEXT,
       lease_until ${integer} NOT NULL,
       closed_at ${integer},
       closed_by TEXT,
       closed_reason TEXT,
       UNIQUE (queue, message_id)
     ) ${strict}`,
    'CREATE INDEX dead_letters_state ON dead_letters (state, id)',
    'CREATE INDEX dead_letters_group ON dead_letters (queue, fingerprint, id)',
    'CREATE INDEX dead_letters_job ON dead_letters (job_id, state) WHERE job_id IS NOT NULL',
    "CREATE INDEX dead_letters_replaying ON dead_letters (queue, id) WHERE state = 'replaying'",
    'CREATE INDEX dead_letters_correlation ON dead_letters (correlation_id) WHERE correlation_id IS NOT NULL',
    'CREATE INDEX dead_letters_business_key ON dead_letters (business_key) WHERE business_key IS NOT NULL',
    'CREATE INDEX dead_letters_closed ON dead_letters (closed_at) WHERE closed_at IS NOT NULL',
    `CREATE TABLE dead_letter_groups (
       queue TEXT NOT NULL,
       fingerprint TEXT NOT NULL,
       failure_class TEXT NOT NULL,
       failure_code TEXT NOT NULL,
       cause TEXT NOT NULL,
       node_type TEXT,
       first_at ${integer} NOT NULL,
       last_at ${integer} NOT NULL,
       total ${integer} NOT NULL,
       waiting ${integer} NOT NULL,
       unresolved ${integer} NOT NULL,
       announced ${integer} NOT NULL,
       PRIMARY KEY (queue, fingerprint)
     ) ${strict}`,
    `CREATE TABLE dead_letter_edits (
       letter_id TEXT NOT NULL,
       generation ${integer} NOT NULL,
       body ${blob} NOT NULL,
       body_key TEXT,
       content_type TEXT NOT NULL,
       original_hash TEXT NOT NULL,
       edited_hash TEXT NOT NULL,
       actor TEXT NOT NULL,
       reason TEXT NOT NULL,
       at ${integer} NOT NULL,
       PRIMARY KEY (letter_id, generation)
     ) ${strict}`,
    `CREATE TABLE replay_jobs (
       id TEXT NOT NULL PRIMARY KEY,
       state TEXT NOT NULL,
       actor TEXT NOT NULL,
       reason TEXT NOT NULL,
       filter TEXT NOT NULL,
       total ${integer} NOT NULL,
       rate ${integer} NOT NULL,
       created_at ${integer} NOT NULL,
       finished_at ${integer}
     ) ${strict}`,
    'CREATE INDEX replay_jobs_created ON replay_jobs (created_at)',
    `CREATE TABLE operator_acts (
       token TEXT NOT NULL PRIMARY KEY,
       action TEXT NOT NULL,
       actor TEXT NOT NULL,
       at ${integer} NOT NULL,
       result TEXT NOT NULL
     ) ${strict}`,
  ],
};
