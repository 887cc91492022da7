/** Writing the journal: a flush of many messages at a time, and the end of their retention. */
import { forgetOriginals } from '../../evidence/index.ts';
import {
  defineOperation,
  query,
  type Row,
  rowsOf,
  type SqlValue,
  type Statement,
} from '../../kernel/store/operation.ts';
import { hopLimit, type JournalEntry } from './entry.ts';

type Step<R> = Generator<Statement, R, Row[]>;

const columns = [
  'id',
  'started_at',
  'changed_at',
  'outcome',
  'outcome_at',
  'partner',
  'correlation_id',
  'event_type',
  'subject',
  'flow',
  'failure_class',
  'failure_code',
  'failure_message',
  'failure_node',
  'odoo_model',
  'odoo_ids',
  'attempts',
  'hops',
  'terms',
] as const;

const numbers: readonly string[] = ['started_at', 'changed_at', 'outcome_at', 'attempts', 'hops'];

const newer = 'excluded.outcome_at > m.outcome_at';
const failed = ['failure_class', 'failure_code', 'failure_message', 'failure_node']
  // What failed before stays readable after a later success; a later failure takes its place.
  .map(
    (column) =>
      `${column} = CASE WHEN excluded.failure_class IS NOT NULL AND excluded.changed_at >= m.changed_at THEN excluded.${column} ELSE m.${column} END`,
  )
  .join(', ');

/** Another process may have begun the row: what it knows is kept, what is news is taken. */
const merged = `ON CONFLICT (id) DO UPDATE SET
  changed_at = CASE WHEN excluded.changed_at > m.changed_at THEN excluded.changed_at ELSE m.changed_at END,
  outcome = CASE WHEN ${newer} THEN excluded.outcome ELSE m.outcome END,
  outcome_at = CASE WHEN ${newer} THEN excluded.outcome_at ELSE m.outcome_at END,
  partner = COALESCE(m.partner, excluded.partner),
  correlation_id = COALESCE(m.correlation_id, excluded.correlation_id),
  event_type = COALESCE(excluded.event_type, m.event_type),
  subject = COALESCE(excluded.subject, m.subject),
  flow = COALESCE(m.flow, excluded.flow),
  ${failed},
  odoo_model = COALESCE(excluded.odoo_model, m.odoo_model),
  odoo_ids = COALESCE(excluded.odoo_ids, m.odoo_ids),
  attempts = CASE WHEN excluded.attempts > m.attempts THEN excluded.attempts ELSE m.attempts END,
  hops = m.hops + excluded.hops,
  terms = CASE WHEN excluded.terms = '' THEN m.terms WHEN m.terms = '' THEN excluded.terms
               WHEN length(m.terms) > 20000 THEN m.terms ELSE m.terms || chr10 || excluded.terms END
RETURNING id, started_at, hops`;

function rowOf(entry: JournalEntry): Record<(typeof columns)[number], SqlValue> {
  const { failure, odoo } = entry;
  return {
    id: entry.id,
    started_at: entry.startedAt,
    changed_at: entry.changedAt,
    outcome: entry.outcome ?? 'open',
    outcome_at: entry.outcome === undefined ? 0 : entry.outcomeAt,
    partner: entry.partner || null,
    correlation_id: entry.correlationId ?? null,
    event_type: entry.eventType || null,
    subject: entry.subject ?? null,
    flow: entry.flow ?? null,
    failure_class: failure?.class ?? null,
    failure_code: failure?.code ?? null,
    failure_message: failure?.message ?? null,
    failure_node: failure?.node ?? null,
    odoo_model: odoo?.model ?? null,
    odoo_ids: odoo?.ids ?? null,
    attempts: entry.attempts,
    hops: entry.hops.length,
    terms: entry.terms.join('\n'),
  };
}

type Written = { id: string; started_at: number; hops: number };

/** Adds news of messages, each id once. Terms carry the time at which the row began, whoever began it. */
export const writeJournal = defineOperation(
  import.meta.url,
  'writeJournal',
  function* (entries: readonly JournalEntry[], { dialect }): Step<void> {
    // In one order, so that two processes never wait for each other.
    const ordered = [...entries].sort((a, b) => (a.id < b.id ? -1 : 1));
    const rows = ordered.map(rowOf);
    const written: Written[] = [];
    const names = columns.join(', ');
    if (dialect === 'postgresql') {
      const types = columns.map((name) => `${name} ${numbers.includes(name) ? 'bigint' : 'text'}`).join(', ');
      written.push(
        ...(yield* query<Written>(
          `INSERT INTO journal_messages AS m (${names})
           SELECT ${names} FROM json_to_recordset($1::json) AS r (${types}) ${merged.replace('chr10', 'chr(10)')}`,
          rowsOf(rows),
        )),
      );
    } else {
      for (const some of inSlices(rows)) {
        written.push(
          ...(yield* query<Written>(
            insertOf('journal_messages AS m', columns, some.length, merged.replace('chr10', 'char(10)')),
            ...some.flatMap((row) => columns.map((name) => row[name])),
          )),
        );
      }
    }
    const began = new Map(written.map((row) => [row.id, row]));
    const terms: Row[] = [];
    const hops: Row[] = [];
    for (const entry of ordered) {
      const row = began.get(entry.id);
      if (row === undefined) continue;
      for (const term of entry.terms) terms.push({ term, started_at: row.started_at, message_id: entry.id });
      const room = hopLimit - (Number(row.hops) - entry.hops.length);
      const kept = entry.hops.slice(0, Math.max(0, room));
      if (kept.length > 0) hops.push({ message_id: entry.id, at: Math.floor(kept[0]!.t), hops: JSON.stringify(kept) });
    }
    yield* addAll('journal_terms', ['term text', 'started_at bigint', 'message_id text'], terms, dialect);
    yield* addAll('journal_hops', ['message_id text', 'at bigint', 'hops text'], hops, dialect);
  },
);

function* addAll(table: string, typed: readonly string[], rows: readonly Row[], dialect: string): Step<void> {
  if (rows.length === 0) return;
  const names = typed.map((column) => column.split(' ')[0]!);
  const conflict = table === 'journal_terms' ? ' ON CONFLICT DO NOTHING' : '';
  if (dialect === 'postgresql') {
    yield* query(
      `INSERT INTO ${table} (${names.join(', ')})
       SELECT ${names.join(', ')} FROM json_to_recordset($1::json) AS r (${typed.join(', ')})${conflict}`,
      rowsOf(rows),
    );
    return;
  }
  for (const some of inSlices(rows)) {
    yield* query(
      insertOf(table, names, some.length, conflict),
      ...some.flatMap((row) => names.map((name) => row[name] ?? null)),
    );
  }
}

/** Rows of one INSERT on SQLite: few sizes, because statements are cached by their text. */
const sizes = [50, 10, 1] as const;

function* inSlices<T>(rows: readonly T[]): Generator<T[]> {
  for (let start = 0; start < rows.length; ) {
    const size = sizes.find((each) => each <= rows.length - start)!;
    yield rows.slice(start, start + size);
    start += size;
  }
}

const inserts = new Map<string, string>();

function insertOf(table: string, names: readonly string[], rows: number, rest: string): string {
  const known = `${table} ${rows}`;
  let text = inserts.get(known);
  if (text === undefined) {
    const marks = (row: number) => names.map((_, index) => `$${row * names.length + index + 1}`).join(', ');
    const values = Array.from({ length: rows }, (_, row) => `(${marks(row)})`).join(', ');
    text = `INSERT INTO ${table} (${names.join(', ')}) VALUES ${values} ${rest}`;
    inserts.set(known, text);
  }
  return text;
}

/** Removes at most `limit` messages that began before `before`. @returns how many */
export const purgeJournal = defineOperation(
  import.meta.url,
  'purgeJournal',
  function* ({ before, limit }: { before: number; limit: number }, { dialect }): Step<number> {
    const skip = dialect === 'postgresql' ? ' FOR UPDATE SKIP LOCKED' : '';
    const gone = yield* query<{ id: string; started_at: number; terms: string }>(
      `DELETE FROM journal_messages WHERE id IN (
         SELECT id FROM journal_messages WHERE started_at < $1 ORDER BY started_at LIMIT $2${skip})
       RETURNING id, started_at, terms`,
      before,
      limit,
    );
    const terms: Row[] = gone.flatMap(({ id, started_at, terms }) =>
      terms === '' ? [] : terms.split('\n').map((term) => ({ term, started_at, message_id: id })),
    );
    // An original is found from its message alone.
    yield* forgetOriginals(
      gone.map(({ id }) => id),
      dialect,
    );
    if (dialect === 'postgresql') {
      if (gone.length === 0) return 0;
      yield* query(
        `DELETE FROM journal_terms AS t USING json_to_recordset($1::json) AS r (term text, started_at bigint, message_id text)
         WHERE t.term = r.term COLLATE "C" AND t.started_at = r.started_at AND t.message_id = r.message_id`,
        rowsOf(terms),
      );
      yield* query(
        `DELETE FROM journal_hops AS h USING json_to_recordset($1::json) AS r (id text) WHERE h.message_id = r.id`,
        rowsOf(gone.map(({ id }) => ({ id }))),
      );
      return gone.length;
    }
    for (const { term, started_at, message_id } of terms) {
      yield* query(
        'DELETE FROM journal_terms WHERE term = $1 AND started_at = $2 AND message_id = $3',
        term!,
        started_at!,
        message_id!,
      );
    }
    for (const { id } of gone) yield* query('DELETE FROM journal_hops WHERE message_id = $1', id);
    return gone.length;
  },
);

/** When the oldest message beyond the newest `limit` began; undefined when there are no more than that. */
export const journalOverflow = defineOperation(
  import.meta.url,
  'journalOverflow',
  function* ({ limit }: { limit: number }): Step<number | undefined> {
    const [row] = yield* query<{ started_at: number }>(
      'SELECT started_at FROM journal_messages ORDER BY started_at DESC LIMIT 1 OFFSET $1',
      limit,
    );
    return row === undefined ? undefined : Number(row.started_at);
  },
  { readOnly: true },
);
