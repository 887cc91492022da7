/** What the audit trail tells of a document, in words short enough to compare: from its acceptance to its last settle. */
import assert from 'node:assert/strict';
import type { Stack } from './stack.ts';

interface Entry {
  action: string;
  actor: string;
  correlationId?: string;
  reason?: string;
  detail: Record<string, unknown>;
}

/** An entry in words: `message.accepted inventory.stock.moved`, `message.settled done inventory.movements`. */
function words({ action, actor, reason, detail }: Entry): string {
  const short = (name: unknown) =>
    String(name)
      .replace(/^healthflows\./, '')
      .replace(/\.v1$/, '');
  switch (action) {
    case 'message.accepted':
      return `${action} ${short(detail.routingKey)}`;
    case 'message.settled':
      return [action, detail.outcome, short(detail.queue), ...(reason === undefined ? [] : [reason])].join(' ');
    case 'approval.requested':
      return `${action} ${String(detail.process)}`;
    case 'approval.resumed':
      return `${action} ${String(detail.decision)}`;
    default:
      return `${action} by ${actor}`;
  }
}

/** Every entry under the correlation of a message, sorted: what happened at once has no order of its own. */
export async function trailOf(stack: Stack, messageId: string): Promise<string[]> {
  const read = async (query: string) => (await stack.console<{ records: Entry[] }>(`audit?${query}`)).records;
  const [first] = await read(`subject=${encodeURIComponent(messageId)}`);
  assert.ok(first?.correlationId !== undefined, `The trail knows nothing of ${messageId}.`);
  const entries = await read(`correlationId=${encodeURIComponent(first.correlationId)}`);
  return entries.map(words).sort();
}

export const accepted = (event: string): string => `message.accepted ${event}`;
export const done = (queue: string): string => `message.settled done ${queue}`;

/** An event that is published, the end of the work that led to it, and its being taken where the flow shows it. */
export const told = (event: string, work: string, events: string): string[] => [
  accepted(event),
  done(work),
  done(events),
];

/** A request that nobody had to decide. */
export const passed = (process: string): string[] => [
  `approval.requested ${process}`,
  'approval.approved by policy',
  'approval.resumed approved',
];

/** A request that the last of these people has decided. */
export const decided = (process: string, verdict: 'approved' | 'rejected', ...people: string[]): string[] => [
  `approval.requested ${process}`,
  ...people.map((person) => `approval.voted by ${person}`),
  `approval.${verdict} by ${people.at(-1)}`,
  `approval.resumed ${verdict}`,
];
