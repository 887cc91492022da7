/** One Odoo in memory: its database, who may log in, and calls in transactions. Knows nothing of HTTP. */
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';
import {
  accessDenied,
  attributeError,
  missingError,
  OdooError,
  serializationFailure,
  serializationText,
  toOdooError,
  userError,
} from './errors.ts';
import type { Fault } from './faults.ts';
import type { Row } from './fields.ts';
import { bind, methodOf } from './methods.ts';
import { defineModels } from './models/index.ts';
import { type Args, type Context, Database, Env, type Method, type Model, text } from './orm.ts';
import { seed } from './seed.ts';
import { type Effects, Transaction } from './table.ts';
import { python, timestamp } from './values.ts';
import type { VersionProfile } from './versions.ts';

export interface Call {
  uid: number;
  model: string;
  method: string;
  ids: number[];
  positional: readonly unknown[];
  named: Args;
  context: Context;
  /** `performance.now()` when the request arrived: the start of its snapshot. */
  arrivedAt: number;
}

export interface Done {
  result: unknown;
  effects: Effects;
}

export interface EngineOptions {
  profile: VersionProfile;
  /** First is the one that holds the data; the others exist and know no key. */
  databases: readonly string[];
  /** Append-only file of committed changes, replayed at start. */
  data?: string;
}

export class Engine {
  readonly profile: VersionProfile;
  readonly databases: readonly string[];
  readonly db: Database;
  private readonly data: string | undefined;
  private lastInstant = 0;
  /** When an external id was last loaded, on the clock of {@link Call.arrivedAt}. */
  private readonly loadedAt = new Map<string, number>();

  constructor(options: EngineOptions) {
    this.profile = options.profile;
    this.databases = options.databases;
    this.data = options.data;
    this.db = new Database(options.profile);
    defineModels(this.db);
    const tx = new Transaction(this.instant());
    const env = new Env(this.db, 1, {}, tx, true);
    seed(env);
    env.flush();
    if (this.data !== undefined && existsSync(this.data)) this.replay(this.data);
  }

  /** The user of an API key, or undefined for an unknown, expired, archived user's or wrong-scope one. */
  userOfKey(key: string): number | undefined {
    const [id] = this.db.get('res.users.apikeys').table.lookup('key', key) ?? [];
    const row = id === undefined ? undefined : this.db.get('res.users.apikeys').table.rows.get(id);
    if (!row || (row.scope !== null && row.scope !== 'rpc')) return undefined;
    if (row.expiration_date !== null && text(row, 'expiration_date') < timestamp(Date.now())) return undefined;
    const user = this.db.get('res.users').table.rows.get(row.user_id as number);
    return user?.active ? user.id : undefined;
  }

  /** `common.authenticate`: the uid for a login with its password or API key. */
  authenticate(login: unknown, secret: unknown): number | false {
    const [id] = this.db.get('res.users').table.lookup('login', String(login)) ?? [];
    if (id === undefined || typeof secret !== 'string') return false;
    return this.mayLogIn(id, secret) ? id : false;
  }

  /** `execute_kw`'s own check. @throws MissingError for an unknown uid, AccessDenied for a wrong secret */
  checkUser(uid: unknown, secret: unknown): number {
    const user = this.db.get('res.users').table.rows.get(uid as number);
    if (!user) throw missingError(`Record does not exist or has been deleted.\n(Record: res.users(${python(uid)},))`);
    if (typeof secret !== 'string' || !this.mayLogIn(user.id, secret)) throw accessDenied('Access Denied');
    return user.id;
  }

  private mayLogIn(id: number, secret: string): boolean {
    const user = this.db.get('res.users').table.rows.get(id);
    if (!user?.active) return false;
    return (user.password !== null && user.password === secret) || this.userOfKey(secret) === id;
  }

  model(name: string): Model | undefined {
    return this.db.models.get(name);
  }

  /** A method that may be called from outside. */
  method(target: Model, name: string): Method | undefined {
    return methodOf(this.readEnv(), target, name);
  }

  /** Runs a call in a transaction of its own; anything thrown leaves nothing behind. */
  run(call: Call, target: Model, method: Method, mismatch: (message: string) => Error, faults: Fault[]): Done {
    const tx = new Transaction(this.instant());
    try {
      const lang = call.context.lang;
      if (lang !== undefined && lang !== null && (lang as unknown) !== false) this.checkLanguage(lang);
      const env = new Env(this.db, call.uid, call.context, tx);
      if (call.context.allowed_company_ids) env.companies();
      const args = bind(target, call.method, method, call.positional, call.named, mismatch);
      const failure = injected(faults, call.method) ?? this.contention(faults, call, args);
      if (failure instanceof OdooError) throw failure;
      if (failure) return { result: failure, effects: tx.effects() };
      const result = method.run(env, call.ids, args);
      env.flush();
      const effects = tx.effects();
      this.commit(tx);
      if (call.method === 'load' && contended(faults)) {
        for (const id of externalIds(args)) this.loadedAt.set(id, performance.now());
      }
      return { result, effects };
    } catch (thrown) {
      tx.rollback();
      throw toOdooError(thrown);
    }
  }

  /** Environment outside of any call, for pages and look-ups; never written with. */
  readEnv(): Env {
    return new Env(this.db, 1, {}, new Transaction(timestamp(Date.now())), true);
  }

  /** Puts several changes in one transaction, as a test's own hand in the database. */
  transaction<T>(work: (env: Env) => T): T {
    const tx = new Transaction(this.instant());
    try {
      const env = new Env(this.db, 1, {}, tx, true);
      const result = work(env);
      env.flush();
      this.commit(tx);
      return result;
    } catch (thrown) {
      tx.rollback();
      throw thrown;
    }
  }

  /** Snapshot isolation: of two loads of one external id that overlap in time, the later to commit loses. */
  private contention(faults: Fault[], call: Call, args: Args): object | undefined {
    if (call.method !== 'load' || !contended(faults)) return undefined;
    const lost = externalIds(args).some((id) => (this.loadedAt.get(id) ?? 0) > call.arrivedAt);
    return lost ? notSerializable() : undefined;
  }

  private checkLanguage(lang: unknown): void {
    const known = [...this.db.get('res.lang').table.rows.values()].some((row) => row.code === lang && row.active);
    if (!known) throw userError(`Invalid language code: ${String(lang)}`);
  }

  private commit(tx: Transaction): void {
    if (this.data !== undefined) {
      let lines = '';
      for (const change of tx.changes()) {
        if (!this.db.get(change.model).transient) lines += `${JSON.stringify(change)}\n`;
      }
      if (lines !== '') appendFileSync(this.data, lines);
    }
    for (const hook of tx.afterCommit) hook();
  }

  private replay(file: string): void {
    const text = readFileSync(file, 'utf8');
    // The last line of a killed process may be cut short: it never happened, and must not stand before new lines.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
    for (const line of whole.split('\n')) {
      if (line === '') continue;
      const change = JSON.parse(line) as { model: string; id: number; row: Row | null };
      this.db.restore(change.model, change.id, change.row);
    }
  }

  /** Now in microseconds, never twice the same, as PostgreSQL's clock would give two transactions. */
  private instant(): string {
    this.lastInstant = Math.max(this.lastInstant + 1, Math.floor((performance.timeOrigin + performance.now()) * 1000));
    return timestamp(Math.floor(this.lastInstant / 1000), this.lastInstant % 1000);
  }
}

/** What an injected conflict makes of the call: an error, or for `load()` its answer. */
function injected(faults: Fault[], method: string): OdooError | object | undefined {
  for (const fault of faults) {
    if (fault.kind === 'conflict') {
      if (method !== 'load') return serializationFailure(serializationText);
      return notSerializable();
    }
    if (fault.kind === 'lock') {
      return new OdooError('psycopg2.errors.LockNotAvailable', 500, 'could not obtain lock on row in relation');
    }
    if (fault.kind === 'error')
      return new OdooError(fault.name, fault.status ?? 500, fault.message ?? 'Injected error');
  }
  return undefined;
}

const contended = (faults: Fault[]): boolean => faults.some((fault) => fault.kind === 'contention');

function notSerializable(): object {
  const message = { type: 'error', message: serializationText, record: 0, rows: { from: 0, to: 0 } };
  return { ids: false, messages: [message], nextrow: 0 };
}

function externalIds({ fields, data }: Args): string[] {
  const column = (fields as string[]).indexOf('id');
  return column < 0 ? [] : (data as string[][]).map((row) => row[column] ?? '').filter((id) => id !== '');
}

/** Private methods: a leading underscore, `@api.private`, or anything that is no method at all. */
export function isPrivate(name: string): boolean {
  return name.startsWith('_') || name === 'init';
}

export const noSuchMethod = (model: string, method: string): OdooError =>
  attributeError(`The method '${model}.${method}' does not exist`);
