/** What keeps messages together: the values of some properties, as the dialog names them. */
import { createHash } from 'node:crypto';
import { Failure } from '../kernel/failure.ts';
import { canonicalJson, isForbiddenKey } from '../kernel/json.ts';
import type { FlowMessage } from '../kernel/message.ts';

export type PropertyOf = (message: FlowMessage, path: string) => unknown;

const longest = 1_024;

/**
 * Reads the key of a message. A property may be empty (goods without a lot), not all of them.
 * @param fields properties of the message, separated by commas or lines
 * @throws Failure `configuration` when none is named
 */
export function keyReader(fields: string, property: PropertyOf): (message: FlowMessage) => string {
  const paths = fields
    .split(/[\n,]/)
    .map((field) => field.trim().replace(/^msg\./, ''))
    .filter((field) => field !== '');
  if (paths.length === 0 || paths.some((path) => path.split(/[.[\]'"]+/).some(isForbiddenKey))) {
    throw new Failure(
      'configuration',
      'PACING_KEY',
      'No property is named that keeps messages together. Open the node and name one, such as payload.product.',
    );
  }
  return (message) => {
    const values = paths.map((path) => property(message, path) ?? null);
    if (values.every((value) => value === null || value === '')) {
      throw new Failure('data-quality', 'PACING_KEY_MISSING', `The message has no ${paths.join(', ')} to be kept by.`);
    }
    const key = values.length === 1 && typeof values[0] === 'string' ? values[0] : canonicalJson(values);
    if (key.length <= longest) return key;
    throw new Failure(
      'data-quality',
      'PACING_KEY_INVALID',
      `The key of the message is longer than ${longest} characters.`,
    );
  };
}

/** An event's id is unique together with its source (CloudEvents 1.0 section 3.1.1). */
export function eventIdOf({ event }: FlowMessage): string {
  if (event?.id !== undefined && event.id !== '') return `${event.source ?? ''} ${event.id}`;
  throw new Failure(
    'data-quality',
    'PACING_EVENT_MISSING',
    'The message has no msg.event.id, by which it would be known again when it comes back from its queue.',
  );
}

/** 32 bytes for scope and key. */
export function hashOf({ scope, key }: { scope: string; key: string }): Buffer {
  return createHash('sha256').update(`${scope}\0${key}`).digest();
}
