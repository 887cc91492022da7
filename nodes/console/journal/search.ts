/** Looking messages up in the journal. Every answer walks an index in the order in which it is shown. */
import { defineOperation, query, type Row, type SqlValue, type Statement } from '../../kernel/store/operation.ts';
import { clean, flowOfPartner, foldKey, type JournalHop, type JournalOutcome } from './entry.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface JournalFilter {
  /** A business key or its beginning, a message id or a correlation id. */
  text?: string;
  partner?: string;
  /** Flow (tab) id: messages that passed it. */
  flow?: string;
  outcomes?: JournalOutcome[];
  /** Milliseconds since the epoch, by the time the message was first seen; `to` is exclusive. */
  from?: number;
  to?: number;
}

/** What a partner-scoped person may see; both lists hold when both are given. */
export interface JournalScope {
  partners?: string[];
  flows?: string[];
}

export interface JournalMessage {
  id: string;
  startedAt: number;
  changedAt: number;
  outcome: JournalOutcome;
  partner: string | null;
  correlationId: string | null;
  eventType: string | null;
  subject: string | null;
  flow: string | null;
  failure: { class: string; code: string; message: string; node: string } | null;
  odoo: { model: string; ids: number[] } | null;
  attempts: number;
  hops: number;
}

export interface JournalPage {
  messages: JournalMessage[];
  /** Cursor of the next page; absent on the last. */
  next?: string;
  /** More keys begin with the text than are looked through. */
  truncated?: boolean;
}

/** Matches of a prefix that are looked through. */
const prefixLimit = 1_000;

const shown = `m.id, m.started_at, m.changed_at, m.outcome, m.partner, m.correlation_id, m.event_type, m.subject, m.flow,
  m.failure_class, m.failure_code, m.failure_message, m.failure_node, m.odoo_model, m.odoo_ids, m.attempts, m.hops`;

class Condition {
  readonly values: SqlValue[] = [];
  readonly parts: string[] = [];

  parameter(value: SqlValue): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  among(column: string, values: readonly SqlValue[]): void {
    this.parts.push(
      values.length === 0 ? '1 = 0' : `${column} IN (${values.map((one) => this.parameter(one)).join(', ')})`,
    );
  }
}

interface Search {
  filter: JournalFilter;
  scope?: JournalScope;
  limit: number;
  after?: string;
}

/**
 * One page: what a text names exactly, then what begins with it; each newest first. `limit` is at most 200.
 */
export const searchJournal = defineOperation(
  import.meta.url,
  'searchJournal',
  function* (args: Search): Step<JournalPage> {
    const limit = Math.min(Math.max(1, args.limit), 200);
    const text = args.filter.text?.trim() ?? '';
    const cursor = cursorOf(args.after);
    if (text === '') return pageOf(yield* walk(args, cursor, limit + 1), limit);
    const { exact, begun, truncated } = yield* matching(text);
    const more = truncated ? { truncated } : {};
    const first = cursor === undefined || cursor.exact ? yield* walk(args, cursor, limit + 1, exact) : [];
    if (first.length > limit) return { ...pageOf(first, limit, exactMark), ...more };
    const left = limit - first.length;
    const rest = yield* walk(args, cursor?.exact ? undefined : cursor, left + 1, begun);
    const page = pageOf(rest, left);
    // The page is full of exact ones: the next begins with the rest.
    const next = left === 0 && rest.length > 0 ? `${Number.MAX_SAFE_INTEGER}~` : page.next;
    return {
      messages: [...first.map(messageOf), ...page.messages],
      ...(next === undefined ? {} : { next }),
      ...more,
    };
  },
  { readOnly: true },
);

/** In front of a cursor among the exact matches of a text. */
const exactMark = '=';

function pageOf(rows: readonly Row[], limit: number, mark = ''): JournalPage {
  const messages = rows.slice(0, limit).map(messageOf);
  const last = messages.at(-1);
  return {
    messages,
    ...(rows.length > limit && last !== undefined ? { next: `${mark}${last.startedAt}~${last.id}` } : {}),
  };
}

/** Rows of the filter, newest first; of `ids` alone where these are given. */
function* walk(
  { filter, scope = {} }: Search,
  cursor: Cursor | undefined,
  limit: number,
  ids?: readonly string[],
): Step<Row[]> {
  if (ids?.length === 0) return [];
  const condition = new Condition();
  // By what the answer is walked: matches of a text, a flow's messages, or the messages themselves.
  let from = 'journal_messages AS m';
  let time = 'm.started_at';
  let id = 'm.id';
  if (ids !== undefined) {
    condition.among('m.id', ids);
    if (filter.flow !== undefined) condition.parts.push(passed(condition, [filter.flow]));
  } else if (filter.flow !== undefined) {
    from = 'journal_terms AS t JOIN journal_messages AS m ON m.id = t.message_id';
    time = 't.started_at';
    id = 't.message_id';
    const term = filter.partner === undefined ? `flow:${filter.flow}` : flowOfPartner(filter.flow, filter.partner);
    condition.parts.push(`t.term = ${condition.parameter(term)}`);
  }
  if (filter.partner !== undefined) condition.parts.push(`m.partner = ${condition.parameter(filter.partner)}`);
  if (filter.outcomes !== undefined) condition.among('m.outcome', filter.outcomes);
  if (filter.from !== undefined) condition.parts.push(`${time} >= ${condition.parameter(filter.from)}`);
  if (filter.to !== undefined) condition.parts.push(`${time} < ${condition.parameter(filter.to)}`);
  addScope(condition, scope);
  if (cursor !== undefined) {
    condition.parts.push(`(${time}, ${id}) < (${condition.parameter(cursor.at)}, ${condition.parameter(cursor.id)})`);
  }
  return yield* query(
    `SELECT ${shown} FROM ${from} ${condition.parts.length === 0 ? '' : `WHERE ${condition.parts.join(' AND ')}`}
     ORDER BY ${time} DESC, ${id} DESC LIMIT ${condition.parameter(limit)}`,
    ...condition.values,
  );
}

/** Ids of messages that a text names: exactly, or as the beginning of a business key. */
function* matching(text: string): Step<{ exact: string[]; begun: string[]; truncated: boolean }> {
  const key = foldKey(text);
  const named = yield* query<{ message_id: string }>(
    `SELECT message_id FROM journal_terms WHERE term IN ($1, $2) ORDER BY term, started_at DESC LIMIT ${prefixLimit}`,
    `key:${key}`,
    `corr:${clean(text)}`,
  );
  const prefixed = yield* query<{ message_id: string }>(
    `SELECT message_id FROM journal_terms WHERE term > $1 AND term < $2 ORDER BY term LIMIT ${prefixLimit}`,
    `key:${key}`,
    // The last code point: nothing that begins with the key sorts behind it.
    `key:${key}\u{10ffff}`,
  );
  const exact = new Set([clean(text), ...named.map(({ message_id }) => message_id)]);
  const begun = new Set(prefixed.map(({ message_id }) => message_id).filter((id) => !exact.has(id)));
  return {
    exact: [...exact],
    begun: [...begun],
    truncated: named.length >= prefixLimit || prefixed.length >= prefixLimit,
  };
}

function passed(condition: Condition, flows: readonly string[]): string {
  const terms = flows.map((flow) => condition.parameter(`flow:${flow}`)).join(', ');
  return `EXISTS (SELECT 1 FROM journal_terms AS f WHERE f.term IN (${terms}) AND f.started_at = m.started_at AND f.message_id = m.id)`;
}

function addScope(condition: Condition, { partners, flows }: JournalScope): void {
  if (partners !== undefined) condition.among('m.partner', partners);
  if (flows !== undefined) condition.parts.push(flows.length === 0 ? '1 = 0' : passed(condition, flows));
}

interface Cursor {
  at: number;
  id: string;
  /** Among the exact matches of a text. */
  exact: boolean;
}

function cursorOf(after: string | undefined): Cursor | undefined {
  if (after === undefined) return undefined;
  const exact = after.startsWith(exactMark);
  const text = exact ? after.slice(exactMark.length) : after;
  const mark = text.indexOf('~');
  const at = Number(text.slice(0, mark));
  return mark > 0 && Number.isSafeInteger(at) ? { at, id: text.slice(mark + 1), exact } : undefined;
}

export interface MessageLife {
  message: JournalMessage;
  hops: JournalHop[];
  /** Other messages of the same business process, oldest first. */
  related: JournalMessage[];
}

/** Everything the journal holds of one message; undefined when it is unknown or out of scope. */
export const readLife = defineOperation(
  import.meta.url,
  'readLife',
  function* ({ id, scope = {} }: { id: string; scope?: JournalScope }): Step<MessageLife | undefined> {
    const condition = new Condition();
    condition.parts.push(`m.id = ${condition.parameter(id)}`);
    addScope(condition, scope);
    const [row] = yield* query(
      `SELECT ${shown} FROM journal_messages AS m WHERE ${condition.parts.join(' AND ')}`,
      ...condition.values,
    );
    if (row === undefined) return undefined;
    const message = messageOf(row);
    const chunks = yield* query<{ hops: string }>(
      'SELECT hops FROM journal_hops WHERE message_id = $1 ORDER BY at LIMIT 200',
      id,
    );
    const hops = chunks.flatMap((chunk) => JSON.parse(chunk.hops) as JournalHop[]).sort((a, b) => ended(a) - ended(b));
    const related: JournalMessage[] = [];
    if (message.correlationId !== null) {
      const others = new Condition();
      others.parts.push(
        `m.id IN (SELECT message_id FROM journal_terms WHERE term = ${others.parameter(`corr:${message.correlationId}`)} ORDER BY started_at DESC LIMIT 50)`,
        `m.id <> ${others.parameter(id)}`,
      );
      addScope(others, scope);
      const rows = yield* query(
        `SELECT ${shown} FROM journal_messages AS m WHERE ${others.parts.join(' AND ')} ORDER BY m.started_at, m.id LIMIT 50`,
        ...others.values,
      );
      related.push(...rows.map(messageOf));
    }
    return { message, hops, related };
  },
  { readOnly: true },
);

/** The partners of the journal, by jumping from one to the next in the index rather than reading every row. */
export const journalPartners = defineOperation(
  import.meta.url,
  'journalPartners',
  function* (_: undefined): Step<string[]> {
    const rows = yield* query<{ partner: string }>(
      `WITH RECURSIVE p (partner, n) AS (
         SELECT (SELECT MIN(partner) FROM journal_messages), 1
         UNION ALL
         SELECT (SELECT MIN(m.partner) FROM journal_messages AS m WHERE m.partner > p.partner), n + 1
         FROM p WHERE p.partner IS NOT NULL AND n < 200
       ) SELECT partner FROM p WHERE partner IS NOT NULL`,
    );
    return rows.map(({ partner }) => partner);
  },
  { readOnly: true },
);

/** A process notes hops as they end; whole milliseconds, because that is what its clock tells. */
const ended = ({ t, d }: JournalHop): number => Math.round(t + d);

function messageOf(row: Row): JournalMessage {
  const text = (column: string) => row[column] as string | null;
  const failureClass = text('failure_class');
  const model = text('odoo_model');
  return {
    id: row.id as string,
    startedAt: Number(row.started_at),
    changedAt: Number(row.changed_at),
    outcome: row.outcome as JournalOutcome,
    partner: text('partner'),
    correlationId: text('correlation_id'),
    eventType: text('event_type'),
    subject: text('subject'),
    flow: text('flow'),
    failure:
      failureClass === null
        ? null
        : {
            class: failureClass,
            code: text('failure_code') ?? '',
            message: text('failure_message') ?? '',
            node: text('failure_node') ?? '',
          },
    odoo: model === null ? null : { model, ids: (text('odoo_ids') ?? '').split(',').filter(Boolean).map(Number) },
    attempts: Number(row.attempts),
    hops: Number(row.hops),
  };
}
