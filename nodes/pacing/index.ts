/** What other slices may use. The operations are also safe to import in the store's worker thread. */
export { endTurn, type Turn } from './turn.ts';
