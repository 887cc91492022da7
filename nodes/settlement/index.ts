/** What other slices may use of settlement. */
export { type Desk, openDesk, openDesks } from './desk.ts';
export { discharge, type MessageSettlement, type Reach } from './discharge.ts';
export { type PayloadCipher, payloadCipher } from './letters/cipher.ts';
export { type HttpReply, type ProblemDetails, problemReply } from './problem.ts';
export { type DeliverySource, deliverySource, offerDeliveries } from './sources.ts';
export * from './letters/act.ts';
export { applyChange, type Change, changeOf, sealChange, sealEdit } from './letters/change.ts';
export { type LetterFilter, parseFilter } from './letters/filter.ts';
export { letterTotals, type LetterGroup, type LetterTotals, listGroups } from './letters/groups.ts';
export {
  getLetter,
  type KeptLetter,
  type Letter,
  type LetterEdit,
  type LetterPage,
  type LetterSummary,
  listBodies,
  listLetters,
  type Preview,
  previewAct,
} from './letters/inspect.ts';
export { assignCauses, type CauseStory, type Owner, causeOwners, causeStory, causeTrends } from './letters/causes.ts';
export { listJobs, type ReplayJob, sealContext } from './letters/replay.ts';
export { type LetterState, letterStates } from './letters/state.ts';
