/** Looking messages up in the journal. Every answer walks an index in the order in which it is shown. */
import {
  defineOperation,
  type Dialect,
  query,
  type Row,
  type SqlValue,
  type Statement,
} from '../../kernel/store/operation.ts';
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

/** Parameters of one statement. */
class Values {
  readonly all: SqlValue[] = [];

  mark(value: SqlValue): string {
    return `$${this.all.push(value)}`;
  }
}

class Condition {
  readonly parts: string[] = [];
  readonly #values: Values;

  constructor(values: Values) {
    this.#values = values;
  }

  among(column: string, values: readonly SqlValue[]): void {
    const marks = values.map((one) => this.#values.mark(one)).join(', ');
    this.parts.push(values.length === 0 ? '1 = 0' : `${column} IN (${marks})`);
  }

  get where(): string {
    return this.parts.length === 0 ? '' : `WHERE ${this.parts.join(' AND ')}`;
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
  function* (args: Search, { dialect }): Step<JournalPage> {
    const limit = Math.min(Math.max(1, args.limit), 200);
    const text = args.filter.text?.trim() ?? '';
    const cursor = cursorOf(args.after);
    if (text === '') return pageOf(yield* walk(args, dialect, cursor, limit + 1), limit);
    const { exact, begun, truncated } = yield* matching(text);
    const more = truncated ? { truncated } : {};
    const first = cursor === undefined || cursor.exact ? yield* walk(args, dialect, cursor, limit + 1, exact) : [];
    if (first.length > limit) return { ...pageOf(first, limit, exactMark), ...more };
    const left = limit - first.length;
    const rest = yield* walk(args, dialect, cursor?.exact ? undefined : cursor, left + 1, begun);
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
  dialect: Dialect,
  cursor: Cursor | undefined,
  limit: number,
  ids?: readonly string[],
): Step<Row[]> {
  if (ids?.length === 0 || scope.flows?.length === 0) return [];
  const ways: Way[] = ids === undefined ? yield* waysOf(filter, scope) : [{}];
  const values = new Values();
  const most = values.mark(limit);
  const after = cursor && `${values.mark(cursor.at)}, ${values.mark(cursor.id)}`;
  const rowsOf = ({ term, outcome, trouble, partner }: Way): string => {
    const condition = new Condition(values);
    const [time, id] = term === undefined ? ['m.started_at', 'm.id'] : ['t.started_at', 't.message_id'];
    if (term !== undefined) condition.parts.push(`t.term = ${values.mark(term)}`);
    if (ids !== undefined) condition.among('m.id', ids);
    if (outcome !== undefined) condition.among('m.outcome', [outcome]);
    else if (filter.outcomes !== undefined) condition.among(asked('m.outcome', dialect), filter.outcomes);
    if (trouble === true) condition.parts.push(troubled);
    if (partner !== undefined) condition.among('m.partner', [partner]);
    const { flow, from, to } = filter;
    for (const partners of [filter.partner === undefined ? undefined : [filter.partner], scope.partners])
      if (partners !== undefined) condition.among(asked('m.partner', dialect), partners);
    if (flow !== undefined && term === undefined) condition.parts.push(passed(values, [flow]));
    // A term names the flow of the filter, else one of the scope.
    if (scope.flows !== undefined && (term === undefined || (flow !== undefined && !scope.flows.includes(flow))))
      condition.parts.push(passed(values, scope.flows));
    if (from !== undefined) condition.parts.push(`${time} >= ${values.mark(from)}`);
    if (to !== undefined) condition.parts.push(`${time} < ${values.mark(to)}`);
    if (after !== undefined) condition.parts.push(`(${time}, ${id}) < (${after})`);
    const table = term === undefined ? '' : 'journal_terms AS t JOIN ';
    return `SELECT ${shown} FROM ${table}journal_messages AS m ${term === undefined ? '' : 'ON m.id = t.message_id'}
      ${condition.where} ORDER BY ${time} DESC, ${id} DESC LIMIT ${most}`;
  };
  const selects = ways.map(rowsOf);
  return yield* query(
    selects.length === 1
      ? selects[0]!
      : `${selects.map((one, i) => `SELECT * FROM (${one}) AS w${i}`).join(' UNION ')}
         ORDER BY started_at DESC, id DESC LIMIT ${most}`,
    ...values.all,
  );
}

/**
 * What is walked in the order of time, by an index that begins with it; the rest of the filter is looked at row by row.
 * The engines are told the way, because they cannot know how rare a partner's dead letters are.
 */
interface Way {
  /** Messages that passed a flow, or a flow for a partner. */
  term?: string;
  outcome?: JournalOutcome;
  partner?: string;
  /** By the index `journal_messages_trouble`. */
  trouble?: true;
}

/** Keeps SQLite from walking by the index of a column; PostgreSQL has figures of its own, which this would hide. */
const asked = (column: string, dialect: Dialect): string => (dialect === 'sqlite' ? `COALESCE(${column}, '')` : column);

/** The condition of the index `journal_messages_trouble`, and the outcomes that it leaves out. */
const troubled = "m.outcome NOT IN ('open', 'queued', 'done')";
const usual: readonly JournalOutcome[] = ['open', 'queued', 'done'];

/** Messages of an outcome that are looked at one by one rather than all of a flow or of a partner. */
const few = 20_000;
/** Ways that are walked beside each other; for more, messages are looked at one by one. */
const waysAtOnce = 20;

function* waysOf(filter: JournalFilter, scope: JournalScope): Step<Way[]> {
  const flows = filter.flow === undefined ? scope.flows : [filter.flow];
  const partners = filter.partner === undefined ? scope.partners : [filter.partner];
  const { outcomes } = filter;
  const ways = function* (): Step<Way[]> {
    if (outcomes !== undefined) {
      if (partners !== undefined && !outcomes.some((one) => usual.includes(one)))
        return partners.flatMap((partner) => outcomes.map((outcome): Way => ({ partner, outcome, trouble: true })));
      if ((flows === undefined && partners === undefined) || (yield* areFew(filter, outcomes)))
        return outcomes.map((outcome): Way => ({ outcome }));
    }
    if (flows === undefined) return partners?.map((partner): Way => ({ partner })) ?? [{}];
    return flows.flatMap(
      (flow) => partners?.map((partner): Way => ({ term: flowOfPartner(flow, partner) })) ?? [{ term: `flow:${flow}` }],
    );
  };
  const found = yield* ways();
  return found.length > 0 && found.length <= waysAtOnce ? found : [{}];
}

function* areFew({ from, to }: JournalFilter, outcomes: readonly JournalOutcome[]): Step<boolean> {
  const values = new Values();
  const counted = outcomes.map((outcome) => {
    const condition = new Condition(values);
    condition.among('m.outcome', [outcome]);
    if (from !== undefined) condition.parts.push(`m.started_at >= ${values.mark(from)}`);
    if (to !== undefined) condition.parts.push(`m.started_at < ${values.mark(to)}`);
    // In an order, so that PostgreSQL counts in the index also where it plans for any outcome.
    return `SELECT * FROM (SELECT 1 AS one FROM journal_messages AS m ${condition.where}
      ORDER BY m.started_at DESC LIMIT ${few + 1}) AS o${values.all.length}`;
  });
  if (counted.length === 0) return true;
  const [row] = yield* query<{ count: number }>(
    `SELECT COUNT(*) AS count FROM (${counted.join(' UNION ALL ')}) AS counted`,
    ...values.all,
  );
  return Number(row!.count) <= few;
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

function passed(values: Values, flows: readonly string[]): string {
  const terms = flows.map((flow) => values.mark(`flow:${flow}`)).join(', ');
  // OFFSET keeps PostgreSQL from joining with all messages of a flow, to find the few that are shown.
  return `EXISTS (SELECT 1 FROM journal_terms AS f
    WHERE f.term IN (${terms}) AND f.started_at = m.started_at AND f.message_id = m.id LIMIT 1 OFFSET 0)`;
}

function addScope(condition: Condition, values: Values, { partners, flows }: JournalScope): void {
  if (partners !== undefined) condition.among('m.partner', partners);
  if (flows !== undefined) condition.parts.push(flows.length === 0 ? '1 = 0' : passed(values, flows));
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
    const values = new Values();
    const condition = new Condition(values);
    condition.parts.push(`m.id = ${values.mark(id)}`);
    addScope(condition, values, scope);
    const [row] = yield* query(`SELECT ${shown} FROM journal_messages AS m ${condition.where}`, ...values.all);
    if (row === undefined) return undefined;
    const message = messageOf(row);
    const chunks = yield* query<{ hops: string }>(
      'SELECT hops FROM journal_hops WHERE message_id = $1 ORDER BY at LIMIT 200',
      id,
    );
    const hops = hopsIn(chunks);
    const related: JournalMessage[] = [];
    if (message.correlationId !== null) {
      const marks = new Values();
      const others = new Condition(marks);
      others.parts.push(
        `m.id IN (SELECT message_id FROM journal_terms WHERE term = ${marks.mark(`corr:${message.correlationId}`)} ORDER BY started_at DESC LIMIT 50)`,
        `m.id <> ${marks.mark(id)}`,
      );
      addScope(others, marks, scope);
      const rows = yield* query(
        `SELECT ${shown} FROM journal_messages AS m ${others.where} ORDER BY m.started_at, m.id LIMIT 50`,
        ...marks.all,
      );
      related.push(...rows.map(messageOf));
    }
    return { message, hops, related };
  },
  { readOnly: true },
);

/** The hops of some messages by their id, in their order; those unknown to the journal are absent. */
export const hopsOfMessages = defineOperation(
  import.meta.url,
  'hopsOfMessages',
  function* ({ ids }: { ids: readonly string[] }): Step<Record<string, JournalHop[]>> {
    const found: [string, JournalHop[]][] = [];
    for (const id of new Set(ids)) {
      const chunks = yield* query<{ hops: string }>(
        'SELECT hops FROM journal_hops WHERE message_id = $1 ORDER BY at LIMIT 200',
        id,
      );
      if (chunks.length > 0) found.push([id, hopsIn(chunks)]);
    }
    return Object.fromEntries(found);
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

const hopsIn = (chunks: readonly { hops: string }[]): JournalHop[] =>
  chunks.flatMap((chunk) => JSON.parse(chunk.hops) as JournalHop[]).sort((a, b) => ended(a) - ended(b));

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
