/**
 * The bytes in which documents came, kept for an auditor in an integration store for the days that the journal
 * keeps messages. Off unless a node is told to: least data.
 */
export { idLimit, type Keeper, keeperOf } from './keeper.ts';
export {
  forgetOriginals,
  keepOriginal,
  latestOriginals,
  type Original,
  type OriginalBody,
  originalLimit,
  originalsOf,
  purgeOriginals,
  readOriginals,
  revealOriginal,
} from './originals.ts';
export { senderOf } from './sender.ts';
export { journalDays, journalDaysDefault } from './retention.ts';
