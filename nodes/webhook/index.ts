/** What other slices may use of the webhook slice. */
export { readStandardKey } from './schemes/standard-webhooks.ts';
