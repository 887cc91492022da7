import type { Migration } from './migration.ts';

/**
 * Requests for approval, who may decide them, what was voted, who stands in for whom, and the links that were used.
 * The document and what was edited in it are in `body`, sealed; the other columns are what an inbox lists.
 * `due_at` is the next moment at which the clock has something to do with an open request.
 */
export const approvals: Migration = {
  version: 9,
  name: 'approvals',
  statements: ({ integer, blob, strict }) => [
    `CREATE TABLE approval_requests (
       id TEXT NOT NULL PRIMARY KEY,
       process TEXT NOT NULL,
       message_id TEXT NOT NULL,
       generation ${integer} NOT NULL,
       document_hash TEXT NOT NULL,
       correlation_id TEXT,
       title TEXT NOT NULL,
       amount TEXT,
       currency TEXT,
       category TEXT,
       cost_centre TEXT,
       requester TEXT,
       reason TEXT,
       rule TEXT NOT NULL,
       policy TEXT NOT NULL,
       terms TEXT NOT NULL,
       body ${blob} NOT NULL,
       body_key TEXT,
       revision ${integer} NOT NULL,
       version ${integer} NOT NULL,
       state TEXT NOT NULL,
       outcome TEXT,
       decided_by TEXT,
       decided_at ${integer},
       decision_reason TEXT,
       emergency ${integer} NOT NULL,
       created_at ${integer} NOT NULL,
       escalated_at ${integer},
       remind_at ${integer},
       escalate_at ${integer},
       deadline_at ${integer} NOT NULL,
       due_at ${integer} NOT NULL,
       review_state TEXT,
       review_due_at ${integer},
       reviewed_by TEXT,
       reviewed_at ${integer},
       review_reason TEXT,
       lease_until ${integer} NOT NULL,
       next_try_at ${integer} NOT NULL,
       fence ${integer} NOT NULL,
       failures ${integer} NOT NULL,
       failure_code TEXT,
       failure_message TEXT,
       closed_at ${integer},
       UNIQUE (process, message_id, generation)
     ) ${strict}`,
    "CREATE INDEX approval_requests_due ON approval_requests (process, due_at) WHERE state = 'open'",
    "CREATE INDEX approval_requests_decided ON approval_requests (process, id) WHERE state = 'decided'",
    'CREATE INDEX approval_requests_state ON approval_requests (state, id)',
    "CREATE INDEX approval_requests_review ON approval_requests (review_due_at) WHERE review_state = 'due'",
    'CREATE INDEX approval_requests_closed ON approval_requests (process, closed_at) WHERE closed_at IS NOT NULL',
    `CREATE TABLE approval_people (
       request_id TEXT NOT NULL,
       person TEXT NOT NULL,
       PRIMARY KEY (request_id, person)
     ) ${strict}`,
    'CREATE INDEX approval_people_person ON approval_people (person, request_id)',
    `CREATE TABLE approval_votes (
       request_id TEXT NOT NULL,
       revision ${integer} NOT NULL,
       person TEXT NOT NULL,
       verdict TEXT NOT NULL,
       on_behalf_of TEXT,
       authorities TEXT NOT NULL,
       reason TEXT NOT NULL,
       token TEXT NOT NULL,
       at ${integer} NOT NULL,
       PRIMARY KEY (request_id, revision, person)
     ) ${strict}`,
    'CREATE INDEX approval_votes_person ON approval_votes (person, request_id)',
    `CREATE TABLE approval_delegations (
       id TEXT NOT NULL PRIMARY KEY,
       from_person TEXT NOT NULL,
       to_person TEXT NOT NULL,
       process TEXT NOT NULL,
       starts_at ${integer} NOT NULL,
       ends_at ${integer} NOT NULL,
       made_by TEXT NOT NULL,
       reason TEXT NOT NULL,
       made_at ${integer} NOT NULL,
       ended_at ${integer}
     ) ${strict}`,
    `CREATE TABLE approval_lock (
       name TEXT NOT NULL PRIMARY KEY,
       holder TEXT NOT NULL
     ) ${strict}`,
    'CREATE INDEX approval_delegations_ends ON approval_delegations (ends_at)',
    `CREATE TABLE approval_links (
       nonce TEXT NOT NULL PRIMARY KEY,
       request_id TEXT NOT NULL,
       person TEXT NOT NULL,
       used_at ${integer} NOT NULL
     ) ${strict}`,
    'CREATE INDEX approval_links_request ON approval_links (request_id)',
  ],
};
