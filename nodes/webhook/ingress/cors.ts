/**
 * Cross-origin requests of browsers (WHATWG Fetch section 3.2): off, unless origins are listed. It lets their pages
 * read our replies; what a request has to prove is not changed by it.
 *
 * With Node-RED's default roots the editor's API comes before the flows' routes and, in Node-RED 4, gives every page
 * leave. So the routes of the verifier answer preflights themselves and take back what was given before them.
 */
import { Failure } from '../../kernel/failure.ts';
import type { HttpRequest, HttpResponse } from './http.ts';

const fieldNames = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}(?:\s*,\s*[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}){0,31}$/;
const grants = [
  'Access-Control-Allow-Origin',
  'Access-Control-Allow-Methods',
  'Access-Control-Allow-Headers',
  'Access-Control-Allow-Credentials',
];
/** Seconds that a browser may keep the answer to a preflight. */
const preflightAge = '600';

export class CorsPolicy {
  readonly #origins: ReadonlySet<string>;

  /** @throws Failure `configuration` `ORIGIN_INVALID` */
  constructor(origins: readonly string[]) {
    for (const origin of origins) {
      const url = URL.canParse(origin) ? new URL(origin) : undefined;
      if (url === undefined || url.origin !== origin) {
        throw new Failure(
          'configuration',
          'ORIGIN_INVALID',
          `"${origin.slice(0, 64)}" is not an origin like https://portal.example.org: scheme, host and port, no path. Origins are listed one by one; * is not taken.`,
        );
      }
    }
    this.#origins = new Set(origins);
  }

  /** Adds to a reply what lets a listed page read it. @returns whether the origin is listed */
  apply(request: HttpRequest, response: HttpResponse): boolean {
    for (const name of grants) response.removeHeader(name);
    if (this.#origins.size === 0) return false;
    response.appendHeader('Vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined || !this.#origins.has(origin)) return false;
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Expose-Headers', 'X-Correlation-Id, Retry-After');
    return true;
  }

  /** Answers a preflight; a page that is not listed gets no leave. */
  preflight(request: HttpRequest, response: HttpResponse, method: string): void {
    const names = request.headers['access-control-request-headers'];
    if (this.apply(request, response)) {
      response.setHeader('Access-Control-Allow-Methods', method);
      if (typeof names === 'string' && fieldNames.test(names))
        response.setHeader('Access-Control-Allow-Headers', names);
      response.setHeader('Access-Control-Max-Age', preflightAge);
    }
    response.writeHead(204, { 'Content-Length': '0' });
    response.end();
  }
}

/** @param list origins between commas or blanks @throws Failure `configuration` `ORIGIN_INVALID` */
export function corsPolicy(list: string): CorsPolicy {
  return new CorsPolicy(list.split(/[\s,]+/).filter((origin) => origin !== ''));
}
