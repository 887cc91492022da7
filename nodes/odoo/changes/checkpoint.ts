/**
 * What survives of following a model: store operations. A change is written down before it goes out and marked when
 * it was settled, so that a crash at any instruction repeats exactly what was not settled, under the same event id.
 */
import type { FailureRecord } from '../../kernel/failure.ts';
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';

export type ChangeKind = 'created' | 'changed' | 'archived' | 'deleted';

export interface Checkpoint {
  /** Every change of an earlier second is settled. Seconds since the epoch. */
  watermark: number;
  /** The search for deleted records has come to this id. */
  sweepPosition: number;
  /** Milliseconds since the epoch at which the last complete search ended. */
  sweptAt?: number;
  /** Changes that the flow refused for good. */
  setAside: number;
}

/** A record as it was read. */
export interface Candidate {
  id: number;
  /** Seconds since the epoch. */
  writeDate: number;
  createDate: number;
  archived: boolean;
  /** Hash of the names of the fields, and of their values. */
  fields: string;
  values: string;
}

export interface OpenedChange {
  id: number;
  writeDate: number;
  kind: ChangeKind;
  eventId: string;
}

interface OfSource {
  source: string;
}

/** Operations of one source run one after the other; those of others never touch its rows. */
const key = ({ source }: OfSource) => `odoo-changes ${source}`;

export const loadCheckpoint = defineOperation(
  import.meta.url,
  'loadCheckpoint',
  function* ({ source }: OfSource): Generator<Statement, Checkpoint | undefined, Row[]> {
    const [row] = yield* query(
      'SELECT watermark, sweep_position, swept_at FROM odoo_checkpoints WHERE source = $1',
      source,
    );
    if (row === undefined) return undefined;
    const [aside] = yield* query('SELECT count(*) AS n FROM odoo_set_aside WHERE source = $1', source);
    return {
      watermark: Number(row.watermark),
      sweepPosition: Number(row.sweep_position),
      ...(row.swept_at === null ? {} : { sweptAt: Number(row.swept_at) }),
      setAside: Number(aside?.n ?? 0),
    };
  },
  { readOnly: true, key },
);

/** Moves the watermark forward, never back, and forgets what lies before it. */
export const advance = defineOperation(
  import.meta.url,
  'advance',
  function* ({ source, watermark }: OfSource & { watermark: number }, { now }): Generator<Statement, void, Row[]> {
    yield* query(
      `INSERT INTO odoo_checkpoints (source, watermark, sweep_position, swept_at, updated_at) VALUES ($1, $2, 0, NULL, $3)
       ON CONFLICT (source) DO UPDATE SET watermark = excluded.watermark, updated_at = excluded.updated_at
       WHERE odoo_checkpoints.watermark < excluded.watermark`,
      source,
      watermark,
      now,
    );
    yield* query('DELETE FROM odoo_changes WHERE source = $1 AND write_date < $2', source, watermark);
  },
  { key },
);

export interface OpenPage extends OfSource {
  model: string;
  candidates: readonly Candidate[];
  /** `emit` what is new; `note` it as settled without handing it out; `again`: also what was settled before. */
  mode: 'emit' | 'note' | 'again';
  /** Records earlier than the watermark are old news: for hints. */
  onlyNew?: boolean;
  /** Remember the ids, to find out when one is deleted. */
  track: boolean;
}

/**
 * Of what was read, what must go out. A record is known by id and `write_date`, which Odoo tells in whole seconds: a
 * second write within the second, or of a transaction that began in it and ended later, shows in the values alone. It
 * goes out too, under an id of its own.
 */
export const openPage = defineOperation(
  import.meta.url,
  'openPage',
  function* (page: OpenPage): Generator<Statement, OpenedChange[], Row[]> {
    const { source, candidates, mode } = page;
    if (candidates.length === 0) return [];
    const [checkpoint] = yield* query('SELECT watermark FROM odoo_checkpoints WHERE source = $1', source);
    const watermark = checkpoint === undefined ? undefined : Number(checkpoint.watermark);
    const known = yield* priorOf(source, candidates);
    const opened: OpenedChange[] = [];
    const rows: [number, number, string, string][] = [];
    for (const candidate of candidates) {
      const { id, writeDate, fields, values } = candidate;
      if (page.onlyNew === true && watermark !== undefined && writeDate < watermark) continue;
      const earlier = known.get(id) ?? [];
      const prior = earlier.find((row) => row.writeDate === writeDate);
      // Other fields were chosen since: their values say nothing of a change.
      const same = prior !== undefined && (prior.fields !== fields || prior.values === values);
      if (prior?.settled === true && same && mode !== 'again') continue;
      const base = `${page.model}:${id}:${new Date(writeDate * 1000).toISOString().slice(0, 19)}Z`;
      const eventId = prior === undefined ? base : same ? prior.eventId : `${base}~${values.slice(0, 8)}`;
      rows.push([id, writeDate, `${fields}.${values}`, eventId]);
      // Had it gone out before, it would be known: its write_date is not before its create_date.
      const first =
        (watermark === undefined || candidate.createDate >= watermark) && !earlier.some(({ settled }) => settled);
      opened.push({
        id,
        writeDate,
        eventId,
        kind: candidate.archived ? 'archived' : first ? 'created' : 'changed',
      });
    }
    if (rows.length > 0) yield* writeDown(source, rows, mode === 'note');
    if (page.track)
      yield* rememberIds(
        source,
        candidates.map(({ id }) => id),
      );
    return mode === 'note' ? [] : opened;
  },
  { key },
);

/** Records are different, so that no row meets another of the same statement. */
function* writeDown(
  source: string,
  rows: readonly [number, number, string, string][],
  settled: boolean,
): Generator<Statement, void, Row[]> {
  const places = rows.map((_, i) => {
    const at = 4 * i + 3;
    return `($1, $${at}, $${at + 1}, $${at + 2}, $${at + 3}, $2)`;
  });
  yield* query(
    `INSERT INTO odoo_changes (source, record_id, write_date, fingerprint, event_id, settled) VALUES ${places.join(', ')}
     ON CONFLICT (source, record_id, write_date)
     DO UPDATE SET fingerprint = excluded.fingerprint, event_id = excluded.event_id, settled = excluded.settled`,
    source,
    settled ? 1 : 0,
    ...rows.flat(),
  );
}

interface Prior {
  writeDate: number;
  fields: string;
  values: string;
  eventId: string;
  settled: boolean;
}

function* priorOf(source: string, candidates: readonly Candidate[]): Generator<Statement, Map<number, Prior[]>, Row[]> {
  const rows = yield* query(
    `SELECT record_id, write_date, fingerprint, event_id, settled FROM odoo_changes
     WHERE source = $1 AND record_id IN (${candidates.map((_, i) => `$${i + 2}`).join(', ')})`,
    source,
    ...candidates.map(({ id }) => id),
  );
  const known = new Map<number, Prior[]>();
  for (const row of rows) {
    const id = Number(row.record_id);
    const [fields = '', values = ''] = String(row.fingerprint).split('.');
    const prior: Prior = {
      writeDate: Number(row.write_date),
      fields,
      values,
      eventId: String(row.event_id),
      settled: Number(row.settled) === 1,
    };
    known.set(id, [...(known.get(id) ?? []), prior]);
  }
  return known;
}

export interface SettledChange {
  change: OpenedChange;
  /** Why the flow refused it for good; absent when it is done. */
  refused?: FailureRecord;
}

export const settleChanges = defineOperation(
  import.meta.url,
  'settleChanges',
  function* (
    { source, settled }: OfSource & { settled: readonly SettledChange[] },
    { now },
  ): Generator<Statement, void, Row[]> {
    const written = settled.filter(({ change }) => change.kind !== 'deleted').map(({ change }) => change);
    if (written.length > 0) {
      yield* query(
        `UPDATE odoo_changes SET settled = 1
         WHERE source = $1 AND (${written.map((_, i) => `record_id = $${2 * i + 2} AND write_date = $${2 * i + 3}`).join(' OR ')})`,
        source,
        ...written.flatMap(({ id, writeDate }) => [id, writeDate]),
      );
    }
    const idsOf = (list: readonly SettledChange[]) => list.map(({ change }) => change.id);
    yield* removeIds('odoo_record_ids', source, idsOf(settled.filter(({ change }) => change.kind === 'deleted')));
    yield* removeIds('odoo_set_aside', source, idsOf(settled));
    for (const { change, refused } of settled) {
      if (refused === undefined) continue;
      yield* query(
        `INSERT INTO odoo_set_aside (source, record_id, kind, event_id, failure_class, failure_code, failure_message, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
        source,
        change.id,
        change.kind,
        change.eventId,
        refused.class,
        refused.code,
        refused.message.slice(0, 1000),
        now,
      );
    }
  },
  { key },
);

export interface SetAside {
  id: number;
  kind: ChangeKind;
  eventId: string;
}

/** What was set aside, by id. */
export const listSetAside = defineOperation(
  import.meta.url,
  'listSetAside',
  function* ({
    source,
    after,
    limit,
  }: OfSource & { after: number; limit: number }): Generator<Statement, SetAside[], Row[]> {
    const rows = yield* query(
      'SELECT record_id, kind, event_id FROM odoo_set_aside WHERE source = $1 AND record_id > $2 ORDER BY record_id LIMIT $3',
      source,
      after,
      limit,
    );
    return rows.map((row) => ({
      id: Number(row.record_id),
      kind: String(row.kind) as ChangeKind,
      eventId: String(row.event_id),
    }));
  },
  { readOnly: true, key },
);

export interface SweptPart extends OfSource {
  /** Ids after this one were asked for. */
  after: number;
  /** Those that Odoo has, ascending. */
  ids: readonly number[];
  /** There are none beyond. */
  last: boolean;
}

/** Ids compared in one transaction. */
const compared = 5_000;

/** Compares a part of Odoo's ids with the known ones, and remembers new ones. */
export const compareIds = defineOperation(
  import.meta.url,
  'compareIds',
  function* ({
    source,
    after,
    ids,
    last,
  }: SweptPart): Generator<Statement, { missing: number[]; through?: number }, Row[]> {
    const end = last ? Number.MAX_SAFE_INTEGER : ids.at(-1)!;
    const rows = yield* query(
      `SELECT record_id FROM odoo_record_ids WHERE source = $1 AND record_id > $2 AND record_id <= $3
       ORDER BY record_id LIMIT ${compared}`,
      source,
      after,
      end,
    );
    const known = rows.map((row) => Number(row.record_id));
    // More are known than were compared: the rest is for the next part.
    const cut = known.length === compared ? known.at(-1)! : undefined;
    const present = new Set(ids);
    const now = cut === undefined ? ids : ids.filter((id) => id <= cut);
    yield* rememberIds(source, now);
    const through = cut ?? (last ? undefined : end);
    return { missing: known.filter((id) => !present.has(id)), ...(through === undefined ? {} : { through }) };
  },
  { key },
);

/** Forgets ids that only left the filter. */
export const forgetIds = defineOperation(
  import.meta.url,
  'forgetIds',
  function* ({ source, ids }: OfSource & { ids: readonly number[] }): Generator<Statement, void, Row[]> {
    yield* removeIds('odoo_record_ids', source, ids);
  },
  { key },
);

/** The search has come to `through`, or to its end. */
export const sweptThrough = defineOperation(
  import.meta.url,
  'sweptThrough',
  function* ({ source, through }: OfSource & { through?: number }, { now }): Generator<Statement, void, Row[]> {
    if (through === undefined) {
      yield* query('UPDATE odoo_checkpoints SET sweep_position = 0, swept_at = $2 WHERE source = $1', source, now);
    } else {
      yield* query('UPDATE odoo_checkpoints SET sweep_position = $2 WHERE source = $1', source, through);
    }
  },
  { key },
);

/** Forgets everything of a source: it begins anew. */
export const forgetSource = defineOperation(
  import.meta.url,
  'forgetSource',
  function* ({ source }: OfSource): Generator<Statement, void, Row[]> {
    for (const table of ['odoo_checkpoints', 'odoo_changes', 'odoo_record_ids', 'odoo_set_aside']) {
      yield* query(`DELETE FROM ${table} WHERE source = $1`, source);
    }
  },
  { key },
);

function* rememberIds(source: string, ids: readonly number[]): Generator<Statement, void, Row[]> {
  for (let from = 0; from < ids.length; from += 500) {
    const part = ids.slice(from, from + 500);
    yield* query(
      `INSERT INTO odoo_record_ids (source, record_id) VALUES ${part.map((_, i) => `($1, $${i + 2})`).join(', ')}
       ON CONFLICT (source, record_id) DO NOTHING`,
      source,
      ...part,
    );
  }
}

function* removeIds(
  table: 'odoo_record_ids' | 'odoo_set_aside',
  source: string,
  ids: readonly number[],
): Generator<Statement, void, Row[]> {
  if (ids.length === 0) return;
  yield* query(
    `DELETE FROM ${table} WHERE source = $1 AND record_id IN (${ids.map((_, i) => `$${i + 2}`).join(', ')})`,
    source,
    ...ids,
  );
}
