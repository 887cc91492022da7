/** The schemes that the dialog offers. */
import { Failure } from '../../kernel/failure.ts';
import { clientCertificate } from './client-certificate.ts';
import { httpSignature } from './http-signature.ts';
import { jwsDetached } from './jws-detached.ts';
import { jwt } from './jwt.ts';
import type { Scheme } from './scheme.ts';
import { apiKey, basic, odoo } from './shared-secret.ts';
import { standardWebhooks } from './standard-webhooks.ts';
import { twilio } from './twilio.ts';
import { genericHmac, square, vendorSchemes } from './vendor-hmac.ts';

const schemes: ReadonlyMap<string, Scheme> = new Map(
  [
    standardWebhooks,
    ...vendorSchemes,
    square,
    twilio,
    genericHmac,
    httpSignature,
    jwt,
    jwsDetached,
    apiKey,
    basic,
    odoo,
    clientCertificate,
  ].map((scheme) => [scheme.id, scheme]),
);

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
