import { Failure } from '../../failure.ts';

/**
 * What an error means for the transaction it happened in:
 * - `operation`: one statement is wrong, the database is fine;
 * - `contention`: somebody else was there; alone and later it may pass;
 * - `engine`: the server cannot commit now;
 * - `connection`: the connection is gone or no longer to be trusted.
 */
export type ErrorKind = 'operation' | 'contention' | 'engine' | 'connection';

/** SQLSTATE, or its class of two characters, to kind (PostgreSQL manual, appendix A). */
const kinds: Record<string, ErrorKind> = {
  '40': 'contention', // serialization failure, deadlock
  '55P03': 'contention', // lock timeout
  '57014': 'contention', // statement timeout
  '53': 'engine', // disk full, out of memory, too many connections
  '58': 'engine', // input/output error of the server
  XX: 'engine', // internal error, damaged data
  '08': 'connection',
  '25006': 'connection', // read-only transaction: the server has become a standby
  '57P': 'connection', // the server shuts down, crashed or is not up yet
  '26000': 'connection', // prepared statement unknown: a pooler in between gave us another session
  '0A000': 'connection', // "cached plan must not change result type", after a migration by another process
};

export function sqlState(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** An error without an SQLSTATE came from the socket or the driver. */
export function kindOf(error: unknown): ErrorKind {
  if (error instanceof Failure) return 'operation';
  const state = sqlState(error);
  if (state === undefined) return isConnectionError(error) ? 'connection' : 'operation';
  return kinds[state] ?? kinds[state.slice(0, 3)] ?? kinds[state.slice(0, 2)] ?? 'operation';
}

/** Errors that the body of an operation throws (TypeError and the like) are not the connection's fault. */
function isConnectionError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ((error as NodeJS.ErrnoException).syscall !== undefined) return true;
  return /connection|terminated|timeout|socket|client/i.test(error.message) && error.constructor === Error;
}

const trouble: Record<string, (where: string) => Failure> = {
  '53100': (where) =>
    new Failure(
      'dependency-outage',
      'STORE_FULL',
      `The disk of the PostgreSQL server ${where} is full. Nothing was accepted; make room and it goes on by itself.`,
    ),
};

/** The Failure for an error of kind `engine` or `connection` on a working set-up. */
export function outage(error: unknown, where: string, outcome?: 'unknown'): Failure {
  const known = trouble[sqlState(error) ?? ''];
  if (known !== undefined) return known(where);
  const code = sqlState(error) ?? (error as NodeJS.ErrnoException | undefined)?.code;
  return new Failure(
    'dependency-outage',
    'STORE_UNAVAILABLE',
    `The integration store on PostgreSQL ${where} does not answer${code === undefined ? '' : ` (${code})`}. It is tried again by itself.`,
    { cause: error, ...(outcome === undefined ? {} : { outcome }) },
  );
}

/** Why connecting failed, when trying again cannot help: by SQLSTATE, TLS or resolver code. */
const misconfigured: Record<string, string> = {
  '28P01': 'refuses the password. Correct user and password in the integration-store.',
  '28000': 'refuses the user. Correct the user, or allow it in pg_hba.conf.',
  '3D000': 'has no such database. Create it, or correct the URL.',
  '42501': 'does not let this user create what the store needs. Grant it CREATE on the database or on the schema.',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a certificate that is not trusted. Give its CA certificate.',
  SELF_SIGNED_CERT_IN_CHAIN: 'has a certificate that is not trusted. Give its CA certificate.',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'has a certificate that is not trusted. Give its CA certificate.',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'has a certificate that is not trusted. Give its CA certificate.',
  CERT_HAS_EXPIRED: 'has a certificate that has expired.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a certificate for another host name.',
};

/** The Failure for a connection that could not be made. Quotes neither user nor password. */
export function connectFailure(error: unknown, where: string): Failure {
  if (error instanceof Failure) return error;
  const reason = misconfigured[(error as NodeJS.ErrnoException).code ?? ''];
  if (reason !== undefined) {
    return new Failure('configuration', 'STORE_MISCONFIGURED', `PostgreSQL ${where} ${reason}`, { cause: error });
  }
  if (error instanceof Error && /does not support SSL/i.test(error.message)) {
    return new Failure(
      'configuration',
      'STORE_MISCONFIGURED',
      `PostgreSQL ${where} does not offer TLS. Switch TLS on there, or choose to go without (sslmode=disable) on a network you trust.`,
    );
  }
  return outage(error, where);
}
