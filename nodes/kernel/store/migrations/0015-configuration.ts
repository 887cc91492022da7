import type { Migration } from './migration.ts';

/**
 * How the nodes were set up when it was last looked at, so that a change is seen also when it was made while Node-RED
 * was stopped. Hashes only: of each setting, and of all credentials of a node together (scrypt, salted).
 */
export const configuration: Migration = {
  version: 15,
  name: 'configuration',
  statements: ({ strict }) => [
    `CREATE TABLE configuration_nodes (
       instance TEXT NOT NULL,
       node TEXT NOT NULL,
       type TEXT NOT NULL,
       name TEXT NOT NULL,
       settings TEXT NOT NULL,
       credentials TEXT NOT NULL,
       PRIMARY KEY (instance, node)
     ) ${strict}`,
  ],
};
