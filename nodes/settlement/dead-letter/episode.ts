import type { FlowMessage } from '../../kernel/message.ts';
import type { Announcement } from '../letters/groups.ts';

const told: Record<Announcement['kind'], (group: Announcement) => string> = {
  first: ({ queue, class: failureClass, cause }) => `Dead letters in ${queue} (${failureClass}): ${cause}`,
  growing: ({ queue, unresolved, cause }) => `${unresolved} dead letters in ${queue} now: ${cause}`,
  cleared: ({ queue, cause }) => `No dead letters left in ${queue} for: ${cause}`,
};

/** One message an episode, ready for an e-mail or chat node: a sentence in `topic`, the facts in `payload`. */
export function episodeMessage(announcement: Announcement): FlowMessage {
  const { kind, queue, fingerprint, code, cause, nodeType, unresolved, total, firstAt, lastAt } = announcement;
  return {
    topic: told[kind](announcement),
    payload: {
      episode: kind,
      queue,
      fingerprint,
      class: announcement.class,
      code,
      cause,
      nodeType,
      unresolved,
      total,
      firstAt: new Date(firstAt).toISOString(),
      lastAt: new Date(lastAt).toISOString(),
    },
  };
}
