import type { FlowMessage } from '../kernel/message.ts';

const senderLimit = 200;

/**
 * Who sent a message: the name that its proof gave, else the event's source; empty where nothing tells. In the form in
 * which both engines take it, and in which people's partner scopes name it.
 */
export function senderOf({ verification, event }: Pick<FlowMessage, 'verification' | 'event'>): string {
  const name = verification?.client ?? event?.source ?? '';
  return name.slice(0, senderLimit).replaceAll('\0', '').toWellFormed();
}
