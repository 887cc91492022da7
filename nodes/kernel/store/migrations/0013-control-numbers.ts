import type { Migration } from './migration.ts';

/**
 * Numbers of outbound X12 interchanges: a series for each pair of sender and receiver, and which document has which
 * number, so that one that is written again keeps its own.
 */
export const controlNumbers: Migration = {
  version: 13,
  name: 'control-numbers',
  statements: ({ integer, strict }) => [
    `CREATE TABLE control_series (
       series TEXT NOT NULL PRIMARY KEY,
       last ${integer} NOT NULL,
       used_at ${integer} NOT NULL
     ) ${strict}`,
    `CREATE TABLE control_numbers (
       series TEXT NOT NULL,
       document TEXT NOT NULL,
       number ${integer} NOT NULL,
       given_at ${integer} NOT NULL,
       PRIMARY KEY (series, document)
     ) ${strict}`,
    'CREATE INDEX control_numbers_given ON control_numbers (series, given_at)',
  ],
};
