import { failureOfAnswer, type Http } from './http.ts';
import type { OdooVersion } from './transport.ts';
import { versionOf } from './version.ts';

export type Detected = { protocol: 'json2'; version: OdooVersion } | { protocol: 'jsonrpc' };

/**
 * Which protocol a server speaks: `GET /json/version` answers JSON from 19 on; 18 and older redirect it to the login
 * page or answer 404. Redirects are not followed.
 *
 * @throws Failure when the server does not answer, or answers something that says neither
 */
export async function detect(http: Http, signal?: AbortSignal): Promise<Detected> {
  const answer = await http.exchange({
    method: 'GET',
    path: '/json/version',
    effect: 'read',
    ...(signal === undefined ? {} : { signal }),
  });
  const version = answer.status === 200 ? versionOf(answer.text) : undefined;
  if (version !== undefined) return { protocol: 'json2', version };
  if (answer.status === 404 || (answer.status >= 300 && answer.status < 400)) return { protocol: 'jsonrpc' };
  throw failureOfAnswer(answer, 'read', http.url);
}
