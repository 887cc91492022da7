/**
 * The fingerprint of a cause: failures that differ only in ids, numbers, times and quoted values are one group, so
 * that five thousand letters of one mistake are one line on the operator's screen.
 */
import { createHash } from 'node:crypto';

export interface Cause {
  class: string;
  code: string;
  message: string;
  /** Type of the node that failed, when it is known. */
  nodeType?: string;
}

/** Longest part of a message that takes part; the rest is detail. */
const considered = 1000;

/** In this order: what is more specific first. Each pattern is linear in the length of the text. */
const variableParts: [pattern: RegExp, stands: string][] = [
  [/"[^"]*"|“[^”]*”|«[^»]*»|`[^`]*`|(?<![\p{L}\p{N}])'[^']*'(?![\p{L}\p{N}])/gu, '…'],
  [/\b[a-z][a-z0-9+.-]{1,15}:\/\/\S+/gi, '<address>'],
  [/\b[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}/g, '<e-mail>'],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi, '<id>'],
  [/\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?/g, '<time>'],
  [/\b\d{1,2}:\d{2}(?::\d{2})?\b/g, '<time>'],
  // A word with a digit in it is an identifier: order numbers with their prefix, hashes, SKUs, ports, amounts.
  [/(?:[\p{L}\p{N}_]+[-./:])*[\p{L}\p{N}_]*\d[\p{L}\p{N}_]*(?:[-./:][\p{L}\p{N}_]*\d[\p{L}\p{N}_]*)*/gu, '#'],
  [/#(?:[\s,;]+#)+/g, '#'],
  [/\s+/g, ' '],
];

/** The message with everything taken out that differs between documents; it titles the group. */
export function generalise(message: string): string {
  let general = message.slice(0, considered);
  for (const [pattern, stands] of variableParts) general = general.replace(pattern, stands);
  return general.trim();
}

/** 16 hexadecimal digits, equal for equal causes. */
export function fingerprintOf(cause: Cause): string {
  return createHash('sha256')
    .update([cause.class, cause.code, cause.nodeType ?? '', generalise(cause.message)].join('\n'))
    .digest('hex')
    .slice(0, 16);
}
