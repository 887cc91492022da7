/** The schemes that the dialog offers. */
import { Failure } from '../../kernel/failure.ts';
import type { Scheme } from './scheme.ts';
import { standardWebhooks } from './standard-webhooks.ts';

const schemes: ReadonlyMap<string, Scheme> = new Map([standardWebhooks].map((scheme) => [scheme.id, scheme]));

export const schemeIds: readonly string[] = [...schemes.keys()];

/** @throws Failure `configuration` `SCHEME_UNKNOWN` */
export function schemeOf(id: string): Scheme {
  const scheme = schemes.get(id);
  if (scheme === undefined) {
    throw new Failure(
      'configuration',
      'SCHEME_UNKNOWN',
      'The verification scheme is not known. Open the node and pick one.',
    );
  }
  return scheme;
}
