/** Rows of one model with their indexes, and the transaction that can undo what was done to them. */
import type { Row, Stored } from './fields.ts';

export class Table {
  readonly model: string;
  readonly rows = new Map<number, Row>();
  private readonly indexes = new Map<string, Map<Stored, Set<number>>>();
  /** Like a PostgreSQL sequence: a rolled-back insert leaves a gap. */
  private sequence = 0;

  constructor(model: string, indexed: Iterable<string>) {
    this.model = model;
    for (const field of indexed) this.indexes.set(field, new Map());
  }

  nextId(): number {
    return ++this.sequence;
  }

  /** Ids whose indexed field holds the value; undefined when the field has no index. */
  lookup(field: string, value: Stored): ReadonlySet<number> | undefined {
    const index = this.indexes.get(field);
    return index && (index.get(value) ?? nobody);
  }

  insert(row: Row): void {
    this.rows.set(row.id, row);
    if (row.id > this.sequence) this.sequence = row.id;
    for (const [field, index] of this.indexes) add(index, row[field] ?? null, row.id);
  }

  remove(id: number): Row | undefined {
    const row = this.rows.get(id);
    if (!row) return undefined;
    this.rows.delete(id);
    for (const [field, index] of this.indexes) index.get(row[field] ?? null)?.delete(id);
    return row;
  }

  /** Changes a row in place and returns the former values of what changed. */
  update(row: Row, changes: Record<string, Stored>): Record<string, Stored> {
    const former: Record<string, Stored> = {};
    for (const [field, value] of Object.entries(changes)) {
      const old = row[field] ?? null;
      former[field] = old;
      row[field] = value;
      const index = this.indexes.get(field);
      if (index && old !== value) {
        index.get(old)?.delete(row.id);
        add(index, value, row.id);
      }
    }
    return former;
  }
}

const nobody: ReadonlySet<number> = new Set();

function add(index: Map<Stored, Set<number>>, value: Stored, id: number): void {
  const ids = index.get(value);
  if (ids) ids.add(id);
  else index.set(value, new Set([id]));
}

/** What one call did, by model; kept in the call log so that a test can assert "created once". */
export interface Effects {
  created: Record<string, number[]>;
  updated: Record<string, number[]>;
  deleted: Record<string, number[]>;
}

export class Transaction {
  /** Start of the transaction: Odoo stamps every row it writes with this instant, not with the commit's. */
  readonly startedAt: string;
  /** Rows whose stored computed fields must be recalculated before anyone looks. */
  readonly dirty = new Map<string, Set<number>>();
  readonly afterCommit: (() => void)[] = [];
  private readonly undo: (() => void)[] = [];
  private readonly touched = new Map<Table, Map<number, 'created' | 'updated' | 'deleted'>>();

  constructor(startedAt: string) {
    this.startedAt = startedAt;
  }

  insert(table: Table, row: Row): void {
    table.insert(row);
    this.undo.push(() => table.remove(row.id));
    this.note(table, row.id, 'created');
  }

  update(table: Table, row: Row, changes: Record<string, Stored>): void {
    const former = table.update(row, changes);
    this.undo.push(() => table.update(row, former));
    this.note(table, row.id, 'updated');
  }

  remove(table: Table, id: number): void {
    const row = table.remove(id);
    if (!row) return;
    this.undo.push(() => table.insert(row));
    this.note(table, id, 'deleted');
  }

  /** A savepoint to roll back to, as `load()` uses one. */
  savepoint(): () => void {
    const depth = this.undo.length;
    const queued = this.afterCommit.length;
    return () => {
      while (this.undo.length > depth) this.undo.pop()!();
      this.afterCommit.length = queued;
      this.dirty.clear();
      if (depth === 0) this.touched.clear();
    };
  }

  rollback(): void {
    while (this.undo.length > 0) this.undo.pop()!();
    this.afterCommit.length = 0;
    this.dirty.clear();
    this.touched.clear();
  }

  effects(): Effects {
    const effects: Effects = { created: {}, updated: {}, deleted: {} };
    for (const [table, ids] of this.touched) {
      for (const [id, what] of ids) {
        const list = effects[what][table.model];
        if (list) list.push(id);
        else effects[what][table.model] = [id];
      }
    }
    return effects;
  }

  /** Final state of everything touched, for the journal. */
  *changes(): Generator<{ model: string; id: number; row: Row | null }> {
    for (const [table, ids] of this.touched) {
      for (const id of ids.keys()) yield { model: table.model, id, row: table.rows.get(id) ?? null };
    }
  }

  private note(table: Table, id: number, what: 'created' | 'updated' | 'deleted'): void {
    const ids = this.touched.get(table) ?? new Map<number, 'created' | 'updated' | 'deleted'>();
    this.touched.set(table, ids);
    const before = ids.get(id);
    if (before === 'created' && what === 'updated') return;
    if (before === 'created' && what === 'deleted') ids.delete(id);
    else ids.set(id, what);
  }
}
