/**
 * Reading what changed, in pages that miss nothing.
 *
 * Odoo keeps `write_date` in microseconds, tells it in whole seconds, compares it in microseconds up to 18 and in
 * whole seconds from 19 on, and always sorts by microseconds. So neither `>` nor `=` on a value read back means the
 * same everywhere, and within a second the order is not by id. What holds on all: `>= second` and `< second + 1`. Pages
 * therefore end with a whole second; a second that is larger than a page (one transaction that wrote many records) is
 * paged by id.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import type { OdooClient } from '../client/client.ts';
import type { ModelFields } from '../client/fields.ts';
import { count, type OdooRecord, searchRead } from '../client/read.ts';
import type { Candidate } from './checkpoint.ts';

export interface ReaderOptions {
  client: OdooClient;
  model: string;
  /** By their names in Odoo 19. */
  fields: readonly string[];
  /** Which records; an Odoo domain. */
  domain: readonly unknown[];
  /** Archived records too. */
  archived: boolean;
  /** Records in one call and in the flow at once. */
  page: number;
}

export interface ReadRecord extends Candidate {
  /** The named fields, and `id`. */
  record: OdooRecord;
}

export interface ChangesPage {
  records: ReadRecord[];
  /** All of earlier seconds has been read. Seconds since the epoch. */
  through: number;
  /** The second of the last record that was read. */
  newest: number;
  last: boolean;
}

/** Ids in one call of the search for deleted records. */
const idsAtOnce = 2_000;

export class ChangesReader {
  readonly #options: ReaderOptions;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  get model(): string {
    return this.#options.model;
  }

  /** Pages of what was written in the second `from` or later. */
  async *pages(from: number, signal: AbortSignal): AsyncGenerator<ChangesPage> {
    const { page } = this.#options;
    let at = from;
    for (;;) {
      const records = await this.#read([['write_date', '>=', instant(at)]], 'write_date, id', page, signal);
      const newest = records.reduce((latest, { writeDate }) => Math.max(latest, writeDate), at);
      if (records.length < page) {
        yield { records, through: newest, newest, last: true };
        return;
      }
      const whole = records.filter(({ writeDate }) => writeDate < newest);
      if (whole.length > 0) {
        yield { records: whole, through: newest, newest, last: false };
        at = newest;
      } else {
        yield* this.#second(newest, signal);
        at = newest + 1;
      }
    }
  }

  /** Pages of one second, by id. */
  async *#second(second: number, signal: AbortSignal): AsyncGenerator<ChangesPage> {
    const { page } = this.#options;
    for (let after = 0; ; ) {
      const records = await this.#read(
        [
          ['write_date', '>=', instant(second)],
          ['write_date', '<', instant(second + 1)],
          ['id', '>', after],
        ],
        'id',
        page,
        signal,
      );
      yield { records, through: second, newest: second, last: false };
      if (records.length < page) return;
      after = records.at(-1)!.id;
    }
  }

  /** Records by id, as far as they are there and match. */
  async byId(ids: readonly number[], signal: AbortSignal): Promise<ReadRecord[]> {
    return await this.#read([['id', 'in', [...ids]]], 'id', ids.length, signal);
  }

  /** The latest `write_date` of the model: Odoo's clock has come to it at least. Undefined without records. */
  async newest(signal: AbortSignal): Promise<number | undefined> {
    const { client, model } = this.#options;
    const [latest] = await searchRead(client, model, [['write_date', '>=', instant(0)]], {
      fields: ['write_date'],
      order: 'write_date desc, id desc',
      limit: 1,
      page: 1,
      context: { active_test: false },
      signal,
    });
    return latest === undefined ? undefined : secondsOf(latest.write_date);
  }

  /** How many records were written in the second `from` or later. */
  async count(from: number, signal: AbortSignal): Promise<number> {
    const { client, model, domain } = this.#options;
    return await count(client, model, [['write_date', '>=', instant(from)], ...domain], {
      context: this.#context(),
      signal,
    });
  }

  /** Ids after one, ascending, of the records that match, archived or not. */
  async idsAfter(id: number, signal: AbortSignal): Promise<number[]> {
    return await this.#ids([['id', '>', id], ...this.#options.domain], idsAtOnce, signal);
  }

  /** Whether there are no ids beyond these. */
  isLast(ids: readonly number[]): boolean {
    return ids.length < idsAtOnce;
  }

  /** Those of the ids that exist, whether they match or not. */
  async existing(ids: readonly number[], signal: AbortSignal): Promise<number[]> {
    return await this.#ids([['id', 'in', [...ids]]], ids.length, signal);
  }

  async #ids(domain: unknown[], limit: number, signal: AbortSignal): Promise<number[]> {
    const { client, model } = this.#options;
    const rows = await searchRead(client, model, domain, {
      fields: ['id'],
      limit,
      page: limit,
      context: { active_test: false },
      signal,
    });
    return rows.map(({ id }) => id);
  }

  async #read(terms: unknown[], order: string, limit: number, signal: AbortSignal): Promise<ReadRecord[]> {
    const { client, model, domain } = this.#options;
    const known = await client.fields(model);
    const fields = known.asked(this.#options.fields);
    const added = addedFields(known, fields);
    const rows = await searchRead(client, model, [...terms, ...domain], {
      fields: [...fields, ...added],
      order,
      limit,
      page: limit,
      context: this.#context(),
      signal,
    });
    const stored = fields.filter((name) => known.get(name).store).map((name) => known.nameOut(known.get(name).name));
    const names = hash(stored);
    return rows.map((row) => {
      const archived = known.has('active') && row.active === false;
      return {
        id: row.id,
        writeDate: secondsOf(row.write_date),
        createDate: secondsOf(row.create_date),
        archived,
        fields: names,
        values: hash([archived, ...stored.map((name) => comparable(row[name]))]),
        record: without(row, added),
      };
    });
  }

  #context(): Record<string, unknown> {
    return this.#options.archived ? { active_test: false } : {};
  }
}

/** What is read besides, and does not go out. */
function addedFields(known: ModelFields, fields: readonly string[]): string[] {
  if (!known.all.get('write_date')?.store || !known.all.has('create_date')) {
    throw new Failure(
      'configuration',
      'ODOO_NO_WRITE_DATE',
      `${known.model} keeps no write_date, so its changes cannot be followed. Follow the model that its records belong to.`,
      { outcome: 'none' },
    );
  }
  const wanted = ['write_date', 'create_date', ...(known.all.has('active') ? ['active'] : [])];
  return wanted.filter((name) => !fields.includes(name));
}

function without(row: OdooRecord, names: readonly string[]): OdooRecord {
  if (names.length === 0) return row;
  return Object.fromEntries(Object.entries(row).filter(([name]) => !names.includes(name))) as OdooRecord;
}

/** A related record's name may change without a change of this one. */
function comparable(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'id' in value ? value.id : value;
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}

/** Seconds since the epoch of an RFC 3339 instant. */
function secondsOf(value: unknown): number {
  const milliseconds = typeof value === 'string' ? Date.parse(value) : 0;
  return Math.floor((Number.isNaN(milliseconds) ? 0 : milliseconds) / 1000);
}

export function instant(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
