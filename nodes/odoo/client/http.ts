/**
 * HTTP with Odoo: no redirects (18 sends unknown paths to its login page), no cookies (a cookie of another user outranks
 * the key).
 */
import { Failure } from '../../kernel/failure.ts';
import { type Answer, type Effect, Http, type HttpOptions } from '../../kernel/http/http.ts';
import type { Peer } from '../../kernel/http/peer.ts';
import { retryAfterOf } from '../../kernel/http/retry-after.ts';

export { Http, type HttpOptions };

export const odooPeer: Peer = {
  name: 'Odoo',
  code: 'ODOO',
  node: 'odoo-server',
  example: 'erp.example.org',
  advice: {
    answerTooLarge: 'Name fewer fields or take smaller pages.',
    lostWrite: 'It may have been written all the same.',
  },
};

function after(effect: Effect): string {
  return effect === 'write' ? ` ${odooPeer.advice.lostWrite}` : '';
}

/**
 * The failure for an answer that did not come from Odoo's own error handling: a proxy, a redirect, the page that says
 * no database is selected.
 */
export function failureOfAnswer(answer: Answer, effect: Effect, url: string): Failure {
  const { status } = answer;
  const retryAfter = retryAfterOf(answer);
  const wait = retryAfter === undefined ? {} : { retryAfter };
  const lost = { outcome: effect === 'write' ? ('unknown' as const) : ('none' as const) };
  if (status >= 300 && status < 400) {
    return new Failure(
      'configuration',
      'ODOO_REDIRECTED',
      `${url} redirects, which is not followed. Enter the final address of Odoo (https, without a path), and choose the protocol JSON-RPC for Odoo 18 and older.`,
      { outcome: 'none' },
    );
  }
  switch (status) {
    case 401:
      return new Failure(
        'policy-rejection',
        'ODOO_UNAUTHORIZED',
        `${url} refused the API key: it is wrong, has expired, or its user is archived. Make a new key in Odoo and enter it in the odoo-server node.`,
        { outcome: 'none' },
      );
    case 403:
      return new Failure('policy-rejection', 'ODOO_FORBIDDEN', `${url} refused the request (403).`, {
        outcome: 'none',
      });
    case 404:
      return new Failure(
        'dependency-outage',
        'ODOO_DATABASE_UNAVAILABLE',
        `${url} has no database for this request: the name is wrong, none was given although there are several, or PostgreSQL is down. It is tried again; check the database in the odoo-server node.`,
        { outcome: 'none', ...wait },
      );
    case 413:
      return new Failure(
        'data-quality',
        'ODOO_REQUEST_TOO_LARGE',
        `The document is larger than the proxy in front of ${url} lets through (413).`,
        { outcome: 'none' },
      );
    case 400:
    case 415:
      return new Failure('defect', `ODOO_HTTP_${status}`, `${url} did not understand the request (${status}).`, {
        outcome: 'none',
      });
    case 429:
      return new Failure('saturation', 'ODOO_HTTP_429', `${url} asks for fewer requests (429).`, {
        outcome: 'none',
        ...wait,
      });
    default:
      return status >= 500
        ? new Failure(
            'dependency-outage',
            `ODOO_HTTP_${status}`,
            `${url} is not available (${status}).${after(effect)}`,
            {
              ...lost,
              ...wait,
            },
          )
        : new Failure(
            'configuration',
            'NOT_ODOO',
            `${url} did not answer like Odoo (status ${status}, ${answer.type || 'no content type'}). Check the address.`,
            lost,
          );
  }
}
