/**
 * What a verification scheme is: data plus one pure function. The function sees the request's exact bytes, the keys
 * and the time, and nothing else; it never throws on what a caller can send.
 */
import type { Verification } from '../../kernel/message.ts';
import type { HeaderFields } from './headers.ts';

/** A request as its sender addressed and signed it. */
export interface SignedRequest {
  method: string;
  /** The full URL the sender used: the configured public URL where a proxy re-writes it. */
  url: string;
  /** Path as sent, without the query. */
  path: string;
  /** Query as sent, without the question mark. */
  query: string;
  headers: HeaderFields;
  /** Path parameters. */
  parameters: Readonly<Record<string, string>>;
  body: Buffer;
  /** Address of the connection's other end. */
  peer: string;
  /** Address of the client: the peer's, or what trusted proxies say. */
  client: string;
}

/**
 * Why a request was not verified:
 * - `missing`: it carries no proof; `ambiguous`: it carries several where one is needed
 * - `malformed`: the proof cannot be read; `invalid`: it does not match
 * - `stale`: it matches, but its signed time is out of tolerance
 * - `key-not-current`: it matches a key that is not valid yet or no longer
 * - `not-allowed`: it comes from where it may not
 * - `unavailable`: the keys cannot be had at present
 */
export type Reason =
  | 'missing'
  | 'ambiguous'
  | 'malformed'
  | 'invalid'
  | 'stale'
  | 'key-not-current'
  | 'not-allowed'
  | 'unavailable';

export interface Verified {
  kind: 'verified';
  verification: Verification;
  /**
   * Equal for two requests that prove the very same thing, whatever else they carry: a digest of what was signed, not
   * of the signature header, to which a replayer could add an entry that is ignored.
   */
  proof(): string;
}

export interface Rejected {
  kind: 'rejected';
  reason: Reason;
  /** For the audit trail and the dialog's check; says which step failed, quotes no secret and no signature. */
  step: string;
}

export type Verdict = Verified | Rejected;

/** Told of each step, for the dialog's check. */
export type Trace = (step: string, passed: boolean, note?: string) => void;

/** A key as configured, with its secret at hand. */
export interface KeyEntry {
  id: string;
  secret: string;
  /** Milliseconds since the epoch. */
  notBefore?: number;
  notAfter?: number;
}

export type SchemeOptions = Readonly<Record<string, string | number | boolean>>;

export interface Verify {
  /** @param now milliseconds since the epoch */
  (request: SignedRequest, now: number, trace?: Trace): Verdict;
  /**
   * Fetches what verifying this request needs and is not at hand; without a request, what any will need. Never
   * rejects: what could not be had makes the verdict `unavailable`.
   * @returns undefined when there is nothing to wait for
   */
  ready?(request: SignedRequest | undefined): Promise<void> | undefined;
}

/** Who runs the scheme and wants to know of the keys that it fetches. */
export interface SchemeHost {
  keySet(event: { kind: 'fetched'; keys: number } | { kind: 'failed'; problem: string; usable: boolean }): void;
}

export interface SecretPlaces {
  headers?: readonly string[];
  /** Path parameters. */
  parameters?: readonly string[];
  /** Query parameters. */
  queries?: readonly string[];
}

export interface Scheme {
  id: string;
  /** Whether a signed time bounds the age of a request. */
  timed: boolean;
  /** `WWW-Authenticate` of a 401 (RFC 9110 section 11.6.1). */
  challenge: string;
  /** A key belongs to one sender, whom its name says: another key does not take its place. */
  keyPerSender?: true;
  /** Where the secret itself travels, to be taken off `msg.req`. */
  secretPlaces?: (options: SchemeOptions) => SecretPlaces;
  /**
   * Reads keys and options once.
   * @throws Failure `configuration` when a secret is too short or malformed
   */
  prepare(keys: readonly KeyEntry[], options: SchemeOptions, host?: SchemeHost): Verify;
}

export const mostKeys = 8;
export const mostSignatures = 8;

export function rejected(reason: Reason, step: string, trace?: Trace, note?: string): Rejected {
  trace?.(step, false, note);
  return { kind: 'rejected', reason, step };
}
