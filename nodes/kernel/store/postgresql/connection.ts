/** Where the database is, and connections set up for the store. */
import pg from 'pg';
import { Failure } from '../../failure.ts';
import { migrations } from '../migrations/index.ts';
import { migrate, type Stand, standOf } from '../migrations/migrate.ts';
import { drive } from '../drive.ts';
import type { Row, SqlValue, Statement } from '../operation.ts';

/** `verify`: encrypted, certificate and host name checked. `encrypt`: encrypted only. */
export type TlsMode = 'off' | 'encrypt' | 'verify';

export interface PostgresqlAddress {
  /** `postgres://user:password@host:5432/database?sslmode=…`; `host` may be a query parameter for a Unix socket. */
  url: string;
  /** Instead of those in the URL. */
  user?: string;
  password?: string;
  /** Default: as `sslmode` in the URL says; without it `verify`, or `off` to this machine itself. */
  tls?: TlsMode;
  /** CA certificates (PEM) to trust instead of the system's. */
  ca?: string;
  /** Schema for the store's tables, made when absent. Default `healthflows`. */
  schema?: string;
}

const tlsModes: Record<string, TlsMode> = {
  disable: 'off',
  require: 'encrypt',
  'verify-ca': 'verify',
  'verify-full': 'verify',
};

/** An address taken apart and checked. `where` names it in messages, without user and password. */
export interface Target {
  config: pg.ClientConfig;
  schema: string;
  where: string;
}

/** @throws Failure `configuration` `STORE_URL_INVALID`, which never quotes the URL because it may hold a password */
export function targetOf(address: PostgresqlAddress): Target {
  const invalid = (why: string) =>
    new Failure('configuration', 'STORE_URL_INVALID', `The URL of the PostgreSQL store is not valid: ${why}`);
  let url: URL;
  try {
    url = new URL(address.url);
  } catch {
    throw invalid('expected postgres://user@host:5432/database, with special characters percent-encoded.');
  }
  if (!/^postgres(ql)?:$/.test(url.protocol)) throw invalid('it must begin with postgres://.');
  const database = decodeURIComponent(url.pathname.slice(1));
  if (database === '') throw invalid('the name of the database is missing at its end.');
  const host =
    url.searchParams.get('host') ?? (decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '') || 'localhost');
  const port = Number(url.port || 5432);
  const sslmode = url.searchParams.get('sslmode');
  if (sslmode !== null && tlsModes[sslmode] === undefined) {
    throw invalid(`sslmode must be one of ${Object.keys(tlsModes).join(', ')}.`);
  }
  const schema = address.schema ?? 'healthflows';
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) throw invalid('a schema is lower-case letters, digits and underscores.');
  const user = address.user ?? decodeURIComponent(url.username);
  const password = address.password ?? decodeURIComponent(url.password);
  const tls = address.tls ?? (sslmode === null ? (isLocal(host) ? 'off' : 'verify') : tlsModes[sslmode]!);
  return {
    schema,
    where: `${host}:${port}/${database}`,
    config: {
      host,
      port,
      database,
      ...(user === '' ? {} : { user }),
      ...(password === '' ? {} : { password }),
      ssl:
        tls === 'off'
          ? false
          : { rejectUnauthorized: tls === 'verify', ...(address.ca === undefined ? {} : { ca: address.ca }) },
      application_name: 'healthflows-integration',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      types: { getTypeParser: parserOf },
    },
  };
}

function isLocal(host: string): boolean {
  return host.startsWith('/') || host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** BIGINT (20) and NUMERIC (1700, what SUM of BIGINT gives) as numbers: everything the store counts is below 2^53. */
const parserOf = ((oid: number, format?: 'text' | 'binary') =>
  oid === 20 || oid === 1700 ? Number : pg.types.getTypeParser(oid, format as 'text')) as typeof pg.types.getTypeParser;

/** Milliseconds. */
const statementTimeout = 15_000;

/** Settings of a session; by statement and not as start-up parameters, which poolers refuse. */
export async function setUpSession({ client, schema }: { client: pg.ClientBase; schema: string }): Promise<void> {
  await client.query(
    `SELECT set_config('search_path', $1, false), set_config('statement_timeout', $2, false),
       set_config('idle_in_transaction_session_timeout', '30000', false),
       CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`,
    [schema, String(statementTimeout)],
  );
}

/**
 * The writer looks rows up by key. A statement is prepared once, maybe while its table is empty, and would go on reading
 * the whole table when that has grown; with this it is planned for the index from the start.
 */
export async function preferIndexes(client: pg.ClientBase): Promise<void> {
  await client.query('SET enable_seqscan = off');
}

/** Any number that no other program is likely to use for its advisory lock. */
const migrationLock = 0x48_46_53;

interface Server {
  version: string;
  /** Whether the schema is there, and whether it, or the database, lets this user make something in it. */
  present: boolean;
  may_create: boolean;
}

/** @throws Failure when the server is too old, or a standby */
async function checkServer(client: pg.ClientBase, { schema, where }: Target): Promise<Server> {
  const { rows } = await client.query<Server & { number: string; standby: boolean }>(
    `SELECT current_setting('server_version') AS version, current_setting('server_version_num') AS number,
       pg_is_in_recovery() AS standby, to_regnamespace($1) IS NOT NULL AS present,
       CASE WHEN to_regnamespace($1) IS NULL THEN has_database_privilege(current_database(), 'CREATE')
         ELSE has_schema_privilege(to_regnamespace($1), 'CREATE') END AS may_create`,
    [schema],
  );
  const server = rows[0]!;
  if (Number(server.number) < 130_000) {
    throw new Failure(
      'configuration',
      'STORE_SERVER_TOO_OLD',
      `PostgreSQL ${where} is version ${server.version}; the integration store needs 13 or later.`,
    );
  }
  if (server.standby) {
    throw new Failure(
      'dependency-outage',
      'STORE_UNAVAILABLE',
      `PostgreSQL ${where} is a standby and takes no writes. Use the primary's address.`,
    );
  }
  return server;
}

/** What is in the schema; changes nothing. @throws Failure as {@link prepareSchema} would */
export async function standOfSchema(client: pg.ClientBase, target: Target): Promise<Stand & { server: string }> {
  const { version: server, present, may_create } = await checkServer(client, target);
  const stand: Stand = present
    ? await drive(standOf(migrations, 'postgresql'), (statement) => execute(client, statement))
    : { kind: 'empty' };
  // As the server itself would say it: insufficient_privilege.
  if (!may_create && (stand.kind === 'empty' || stand.pending > 0)) throw Object.assign(new Error(), { code: '42501' });
  return { ...stand, server };
}

/**
 * Checks the server and brings the schema forward; processes that start together wait for one another.
 *
 * @returns the server's version
 */
export async function prepareSchema(client: pg.ClientBase, target: Target): Promise<string> {
  const { version, present } = await checkServer(client, target);
  try {
    await client.query('BEGIN');
    await client.query('SET LOCAL statement_timeout = 0');
    await client.query('SELECT pg_advisory_xact_lock($1)', [migrationLock]);
    if (!present) await client.query(`CREATE SCHEMA IF NOT EXISTS ${target.schema}`);
    await drive(migrate(migrations, 'postgresql', Date.now()), (statement) => execute(client, statement));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
  return version;
}

const names = new Map<string, string>();
const nameLimit = 300;

/** Runs one statement, prepared once a connection under a name of its own. */
export async function execute(client: pg.ClientBase, { text, values }: Statement): Promise<Row[]> {
  let name = names.get(text);
  if (name === undefined && names.size < nameLimit) {
    name = `hf${names.size}`;
    names.set(text, name);
  }
  const result = await client.query<Row>({
    text,
    values: values as SqlValue[],
    ...(name === undefined ? {} : { name }),
  });
  return result.rows;
}
