/** Requests that change something or reach out come from our own pages. */
import { Failure } from '../kernel/failure.ts';
import type { AdminRequest } from './node-red.ts';

/**
 * A page of another site must not press our buttons through the browser of a person who may.
 * @throws Failure `policy-rejection` `FOREIGN_ORIGIN`
 */
export function requireOwnOrigin(request: AdminRequest): void {
  const { origin, host } = request.headers;
  // What the browser itself says (W3C Fetch Metadata) holds behind a proxy that changes the host too.
  if (origin === undefined || request.headers['sec-fetch-site'] === 'same-origin') return;
  let from: string | undefined;
  try {
    from = new URL(origin).host;
  } catch {
    from = undefined;
  }
  const forwarded = request.headers['x-forwarded-host'];
  if (from !== undefined && (from === host || from === forwarded)) return;
  throw new Failure('policy-rejection', 'FOREIGN_ORIGIN', 'This request comes from a page of another site.');
}
