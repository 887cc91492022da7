/** Access tokens by OAuth 2.0 client credentials (RFC 6749 section 4.4): asked for once, kept until shortly before they end. */
import { Failure } from '../../kernel/failure.ts';
import type { Http } from '../../kernel/http/http.ts';
import { retryAfterOf } from '../../kernel/http/retry-after.ts';
import { parseJson } from '../../kernel/json.ts';

export interface TokenOptions {
  tokenUrl: string;
  clientId: string;
  clientSecret: string;
  /** Space-separated; empty = what the partner gives by itself. */
  scope: string;
  /** Some servers want to know for whom the token is; empty = not sent. */
  audience: string;
  /** How the client proves itself: in the Authorization header (RFC 6749 section 2.3.1), or in the form. */
  clientAuthentication: 'header' | 'form';
}

interface Token {
  text: string;
  /** Milliseconds since the epoch from which it is no longer used. */
  until: number;
}

/** What a server that tells no lifetime gets. */
const unknownLifetime = 300_000;
/** A token is not used in its last part: it has to arrive before it ends. */
const margin = 30_000;

export class ClientCredentials {
  readonly #options: TokenOptions;
  readonly #http: Http;
  readonly #now: () => number;
  #token: Token | undefined;
  #asking: Promise<Token> | undefined;

  constructor(options: TokenOptions, http: Http, now: () => number = Date.now) {
    this.#options = options;
    this.#http = http;
    this.#now = now;
  }

  /**
   * One question at a time, whoever asks; so nobody's giving up ends it for the others.
   * @throws Failure `PARTNER_TOKEN*`; nothing was sent to the partner then
   */
  async token(): Promise<string> {
    if (this.#token !== undefined && this.#token.until > this.#now()) return this.#token.text;
    this.#asking ??= this.#ask()
      .then((token) => {
        this.#token = token;
        return token;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return (await this.#asking).text;
  }

  /** The partner does not take the token any more. */
  forget(): void {
    this.#token = undefined;
  }

  async #ask(): Promise<Token> {
    const { clientId, clientSecret, scope, audience, clientAuthentication } = this.#options;
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    if (scope !== '') form.set('scope', scope);
    if (audience !== '') form.set('audience', audience);
    const headers: Record<string, string> = { 'Content-Type': 'application/x-www-form-urlencoded' };
    if (clientAuthentication === 'header') {
      // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
      const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
      headers.Authorization = `Basic ${Buffer.from(pair).toString('base64')}`;
    } else {
      form.set('client_id', clientId);
      form.set('client_secret', clientSecret);
    }
    const asked = this.#now();
    // Asking twice harms nothing, so a lost answer leaves nothing unknown.
    const answer = await this.#http.exchange({
      method: 'POST',
      path: '',
      headers,
      body: form.toString(),
      effect: 'read',
    });
    if (answer.status >= 500 || answer.status === 429) {
      const retryAfter = retryAfterOf(answer);
      throw new Failure(
        answer.status === 429 ? 'saturation' : 'dependency-outage',
        'PARTNER_TOKEN_UNAVAILABLE',
        `The token endpoint ${this.#http.url} gives no token now (${answer.status}); the document was not sent.`,
        { outcome: 'none', ...(retryAfter === undefined ? {} : { retryAfter }) },
      );
    }
    const body = tokenOf(answer.text);
    if (answer.status !== 200 || body.token === undefined) {
      throw new Failure(
        'policy-rejection',
        'PARTNER_TOKEN_REFUSED',
        `The token endpoint ${this.#http.url} refused the client (${answer.status}${body.error === undefined ? '' : `, ${body.error}`}). Check client id, secret and scope in the partner-endpoint node; the document was not sent.`,
        { outcome: 'none' },
      );
    }
    const lifetime = body.lifetime ?? unknownLifetime;
    return { text: body.token, until: asked + Math.max(lifetime - margin, lifetime / 2) };
  }
}

function tokenOf(text: string): { token?: string; lifetime?: number; error?: string } {
  let body: unknown;
  try {
    body = parseJson(text);
  } catch {
    return {};
  }
  const { access_token: token, token_type: type, expires_in: seconds, error } = (body ?? {}) as Record<string, unknown>;
  const lifetime = Number(seconds) * 1000;
  return {
    // RFC 6749 section 7.1: a kind of token that is not understood must not be used.
    ...(typeof token === 'string' && /^[\x21-\x7e]{1,8192}$/.test(token) && /^bearer$/i.test(String(type))
      ? { token }
      : {}),
    ...(lifetime > 0 && lifetime < 1e10 ? { lifetime } : {}),
    // RFC 6749 section 5.2: a closed set of short words, and others may invent more.
    ...(typeof error === 'string' && /^[a-z_]{1,40}$/.test(error) ? { error } : {}),
  };
}
