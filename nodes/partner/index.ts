/** What other slices may use of the partner slice. */
import type { ConfigNodeKind } from '../node/index.ts';
import type { PartnerEndpoint } from './partner-endpoint/partner-endpoint.ts';

/** For `context.resolve(partnerEndpoint, config.endpoint)`. */
export const partnerEndpoint: ConfigNodeKind<PartnerEndpoint> = { type: 'partner-endpoint' };

export type { PartnerEndpoint } from './partner-endpoint/partner-endpoint.ts';
export { type PartnerAnswer, PartnerClient, type PartnerOptions, type PartnerRequest } from './client/client.ts';
