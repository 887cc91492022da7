import type { Migration } from './migration.ts';

/**
 * `recon_runs`: one row a run of a comparison, each proof over the one before. `recon_breaks`: what differed, open or
 * resolved; a key has one open break at most.
 */
export const reconciliation: Migration = {
  version: 11,
  name: 'reconciliation',
  statements: ({ integer, strict }) => [
    `CREATE TABLE recon_runs (
       scope TEXT NOT NULL,
       number ${integer} NOT NULL,
       run TEXT NOT NULL,
       as_of ${integer},
       at ${integer} NOT NULL,
       digest TEXT NOT NULL,
       summary TEXT NOT NULL,
       proof TEXT NOT NULL,
       PRIMARY KEY (scope, number)
     ) ${strict}`,
    'CREATE INDEX recon_runs_run ON recon_runs (scope, run)',
    'CREATE INDEX recon_runs_at ON recon_runs (at)',
    `CREATE TABLE recon_breaks (
       id TEXT NOT NULL PRIMARY KEY,
       scope TEXT NOT NULL,
       key TEXT NOT NULL,
       key_shown TEXT NOT NULL,
       key_text TEXT NOT NULL,
       occurrence ${integer} NOT NULL,
       state TEXT NOT NULL,
       class TEXT NOT NULL,
       certain ${integer} NOT NULL,
       left_quantity TEXT NOT NULL,
       right_quantity TEXT NOT NULL,
       difference TEXT NOT NULL,
       value TEXT,
       because TEXT NOT NULL,
       proposal TEXT NOT NULL,
       owner TEXT,
       opened_at ${integer} NOT NULL,
       opened_run TEXT NOT NULL,
       seen_at ${integer} NOT NULL,
       seen_run TEXT NOT NULL,
       times ${integer} NOT NULL,
       resolved_at ${integer},
       resolved_by TEXT,
       resolution TEXT,
       reason TEXT
     ) ${strict}`,
    "CREATE UNIQUE INDEX recon_breaks_open ON recon_breaks (scope, key) WHERE state = 'open'",
    'CREATE INDEX recon_breaks_state ON recon_breaks (state, opened_at)',
    'CREATE INDEX recon_breaks_key ON recon_breaks (scope, key, occurrence)',
  ],
};
