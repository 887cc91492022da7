/** What other slices may use. The operations are also safe to import in the store's worker thread. */
export {
  type Claim,
  type ClaimVerdict,
  type Completion,
  claim,
  complete,
  completeAll,
  find,
  type HeldKey,
  type KeyReference,
  type KeyState,
  keyHash,
  purge,
  release,
  renew,
  renewAll,
  type StoredReply,
} from './keys.ts';
export { type IntegrationStoreService, integrationStore } from './service.ts';
