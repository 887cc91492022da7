/**
 * Keys that a partner publishes as a JSON Web Key Set (RFC 7517 section 5): fetched once for all who ask at a time,
 * kept, fetched again when a token names a key that is not among them (rotation), and used for a bounded time when
 * the partner cannot be reached.
 */
import { Failure } from '../../kernel/failure.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { type Material, readJsonObject, readPublicJwk } from './jose.ts';
import { type Load, loadKeySet } from './key-set-load.ts';
import type { Key } from './keys.ts';
import type { SchemeHost, SchemeOptions } from './scheme.ts';

/** Milliseconds until a set is fetched again. */
export const freshTime = 10 * 60_000;
/** Milliseconds between two attempts, whatever tokens ask for. */
export const cooldown = 30_000;
/** Milliseconds that a set is used while it cannot be fetched again: a revoked key must end some time. */
export const staleTime = 24 * 3_600_000;

const mostKeysInSet = 64;

export interface KeySetSource {
  load?: Load;
  /** Milliseconds, monotonic. */
  clock?: () => number;
}

export class KeySet {
  readonly #url: URL;
  readonly #load: Load;
  readonly #clock: () => number;
  readonly #host: SchemeHost | undefined;
  #keys: readonly Key<Material>[] = [];
  #fetchedAt = -Infinity;
  #attemptedAt = -Infinity;
  #inFlight: Promise<void> | undefined;

  constructor(url: URL, host?: SchemeHost, { load = loadKeySet, clock = () => performance.now() }: KeySetSource = {}) {
    this.#url = url;
    this.#host = host;
    this.#load = load;
    this.#clock = clock;
  }

  /** The keys; undefined when none were ever had, or too long ago. */
  get keys(): readonly Key<Material>[] | undefined {
    return this.#clock() - this.#fetchedAt < staleTime ? this.#keys : undefined;
  }

  /**
   * Fetches the set where that is due. Never rejects.
   * @param kid of a token that waits to be verified; without one the set is only kept fresh
   * @returns what the token has to wait for; undefined when nothing will change for it now
   */
  ready(kid: string | undefined): Promise<void> | undefined {
    const now = this.#clock();
    const known = this.keys?.some(({ id }) => kid === undefined || id === kid) === true;
    if (known && now - this.#fetchedAt < freshTime) return undefined;
    if (this.#inFlight === undefined) {
      if (now - this.#attemptedAt < cooldown) return undefined;
      this.#attemptedAt = now;
      this.#inFlight = this.#fetch().finally(() => {
        this.#inFlight = undefined;
      });
    }
    return known ? undefined : this.#inFlight;
  }

  async #fetch(): Promise<void> {
    try {
      this.#keys = parseKeySet(await this.#load(this.#url));
      this.#fetchedAt = this.#clock();
      telemetry.count('webhook_key_set_fetches_total', { outcome: 'ok' });
      this.#host?.keySet({ kind: 'fetched', keys: this.#keys.length });
    } catch (error) {
      telemetry.count('webhook_key_set_fetches_total', { outcome: 'failed' });
      const problem = error instanceof Error ? error.message : 'it could not be fetched';
      this.#host?.keySet({ kind: 'failed', problem, usable: this.keys !== undefined });
    }
  }
}

/**
 * The keys that can verify; others (for encryption, of another kind, too weak, without a name) are passed over, as
 * RFC 7517 section 5 asks. Two keys with one name are both tried.
 * @throws Failure `dependency-outage` `KEY_SET_INVALID`
 */
export function parseKeySet(body: Buffer): readonly Key<Material>[] {
  const set = readJsonObject(body)?.keys;
  if (!Array.isArray(set) || set.length > mostKeysInSet) throw invalid(`is no list of at most ${mostKeysInSet} keys`);
  const keys: Key<Material>[] = [];
  for (const jwk of set as unknown[]) {
    if (typeof jwk !== 'object' || jwk === null) continue;
    const { kid } = jwk as { kid?: unknown };
    if (typeof kid !== 'string' || kid === '' || kid.length > 128) continue;
    const read = readPublicJwk(jwk as Record<string, unknown>);
    if ('material' in read) keys.push({ id: kid, material: read.material, notBefore: -Infinity, notAfter: Infinity });
  }
  if (keys.length === 0) throw invalid('has no key that can verify');
  return keys;
}

function invalid(what: string): Failure {
  return new Failure('dependency-outage', 'KEY_SET_INVALID', `The key set ${what}.`);
}

const loopback = new Set(['127.0.0.1', '[::1]', 'localhost']);

/**
 * The address of the key set: https, and of a host that was named, so that a mistyped or planted address does not
 * make this server call another. `loopbackHttp` lets a test's own server do without a certificate.
 *
 * @param issuer its host needs no naming
 * @throws Failure `configuration` `KEY_SET_URL_INVALID`
 */
export function keySetUrl(options: SchemeOptions, issuer = ''): URL | undefined {
  const text = String(options.jwksUrl ?? '').trim();
  if (text === '') return undefined;
  const refuse = (why: string): Failure => new Failure('configuration', 'KEY_SET_URL_INVALID', why);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.username !== '' || url.password !== '' || url.hash !== '')
    throw refuse('The address of the key set is not like https://login.example.org/keys.');
  const local = options.loopbackHttp === true && url.protocol === 'http:' && loopback.has(url.hostname);
  if (url.protocol !== 'https:' && !local)
    throw refuse('The address of the key set must begin with https://, else anybody on the way could change the keys.');
  const hosts = String(options.jwksHosts ?? '')
    .toLowerCase()
    .split(/[\s,]+/);
  const issuerHost = URL.canParse(issuer) ? new URL(issuer).host : undefined;
  if (!local && url.host !== issuerHost && !hosts.includes(url.host))
    throw refuse(
      `Keys may be fetched from the issuer's host only. Name ${url.host} under allowed hosts if it is right.`,
    );
  return url;
}
