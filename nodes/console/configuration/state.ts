/** What the store knows of the nodes' setup, and the entries of the audit trail when it has changed. */
import type { AuditEntry } from '../../kernel/audit/index.ts';
import { defineOperation, query } from '../../kernel/store/operation.ts';

export interface NodeState {
  id: string;
  type: string;
  name: string;
  /** Hash of each setting by its name. */
  settings: Record<string, string>;
  /** Salt and hash of the credentials; empty without any. */
  credentials: string;
}

export const readConfiguration = defineOperation(
  import.meta.url,
  'readConfiguration',
  function* ({ instance }: { instance: string }) {
    const rows = yield* query<{ node: string; type: string; name: string; settings: string; credentials: string }>(
      'SELECT node, type, name, settings, credentials FROM configuration_nodes WHERE instance = $1 ORDER BY node',
      instance,
    );
    return rows.map(
      ({ node, settings, ...row }): NodeState => ({
        ...row,
        id: node,
        settings: JSON.parse(settings) as Record<string, string>,
      }),
    );
  },
  { readOnly: true },
);

export interface Saved {
  instance: string;
  /** New and changed ones. */
  nodes: readonly NodeState[];
  /** Ids. */
  removed: readonly string[];
  entries: readonly AuditEntry[];
}

/** Keeps the present setup, with what the trail says of its changes, in one transaction. */
export const saveConfiguration = defineOperation(
  import.meta.url,
  'saveConfiguration',
  function* ({ instance, nodes, removed, entries }: Saved, context) {
    for (const { id, type, name, settings, credentials } of nodes) {
      yield* query(
        `INSERT INTO configuration_nodes (instance, node, type, name, settings, credentials)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (instance, node) DO UPDATE SET type = excluded.type, name = excluded.name,
           settings = excluded.settings, credentials = excluded.credentials`,
        instance,
        id,
        type,
        name,
        JSON.stringify(settings),
        credentials,
      );
    }
    for (const id of removed) {
      yield* query('DELETE FROM configuration_nodes WHERE instance = $1 AND node = $2', instance, id);
    }
    for (const entry of entries) context.audit(entry);
  },
);
