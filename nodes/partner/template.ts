/** Texts with places for values of the message: `/orders/{payload.number}`. */
import { Failure } from '../kernel/failure.ts';
import { isForbiddenKey } from '../kernel/json.ts';
import type { FlowMessage } from '../kernel/message.ts';

type Part = string | { path: string[] };

export type Template = (message: FlowMessage, encode: (value: string) => string) => string;

/**
 * @param what names the text in failures
 * @throws Failure `configuration` for a place that is not closed or names nothing
 */
export function templateOf(text: string, what: string): Template {
  const parts: Part[] = [];
  let rest = text;
  while (rest !== '') {
    const open = rest.indexOf('{');
    if (open < 0) {
      parts.push(rest);
      break;
    }
    const close = rest.indexOf('}', open);
    const path = rest
      .slice(open + 1, close)
      .trim()
      .replace(/^msg\./, '')
      .replace(/\[(\d+)\]/g, '.$1')
      .split('.');
    if (close < 0 || path.some((key) => !/^[A-Za-z0-9_$-]{1,64}$/.test(key) || isForbiddenKey(key))) {
      throw new Failure(
        'configuration',
        'PARTNER_SETTING',
        `The ${what} of the partner-send node has a place in braces that names nothing. Write {payload.number}.`,
        { outcome: 'none' },
      );
    }
    parts.push(rest.slice(0, open), { path });
    rest = rest.slice(close + 1);
  }
  return (message, encode) =>
    parts.map((part) => (typeof part === 'string' ? part : encode(valueAt(message, part.path, what)))).join('');
}

function valueAt(message: FlowMessage, path: readonly string[], what: string): string {
  let value: unknown = message;
  for (const key of path) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<string, unknown>)[key]
        : undefined;
  }
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  // "." and ".." would lead elsewhere even when they are encoded (RFC 3986 section 5.2.4).
  if (text !== '' && text.length <= 1_024 && !/^\.{1,2}$/.test(text)) return text;
  throw new Failure(
    'data-quality',
    'PARTNER_VALUE_MISSING',
    `The ${what} needs msg.${path.join('.')}, which this message does not have as a short text or number.`,
    { outcome: 'none' },
  );
}
