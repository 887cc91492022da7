/** One correction for many documents: a field, named by JSON Pointer, is set where it stands. */
import { hash } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import { isForbiddenKey, parseJson } from '../../kernel/json.ts';
import type { Edit } from './act.ts';
import type { PayloadCipher } from './cipher.ts';
import { sealContext } from './replay.ts';

export interface Change {
  /** JSON Pointer (RFC 6901); a segment `*` stands for every item of a list. */
  pointer: string;
  /** Only where the field holds this; absent: wherever the field is. */
  from?: string;
  /** The new value, as the field's own kind: a text stays a text, a number a number. */
  to: string;
}

export type Edited = { body: Buffer } | { why: 'no JSON' | 'field not there' | 'other value' | 'nothing to change' };

const textLimit = 1_000;
const segmentLimit = 32;

/** @throws Failure `data-quality` `CHANGE_INVALID` */
export function changeOf(value: unknown): Change {
  const { pointer, from, to } = (value ?? {}) as Record<string, unknown>;
  if (typeof pointer !== 'string' || !pointer.startsWith('/') || pointer.length > textLimit)
    throw invalid('name the field, e.g. /lines/*/unit');
  const segments = segmentsOf(pointer);
  if (segments.length > segmentLimit || segments.some(isForbiddenKey)) throw invalid('this field cannot be named');
  if (typeof to !== 'string' || to.length > textLimit)
    throw invalid(`the new value is text of at most ${textLimit} characters`);
  if (from !== undefined && from !== '' && (typeof from !== 'string' || from.length > textLimit))
    throw invalid('the present value is text');
  return { pointer, to, ...(typeof from === 'string' && from !== '' ? { from } : {}) };
}

function invalid(why: string): Failure {
  return new Failure('data-quality', 'CHANGE_INVALID', `The change cannot be made: ${why}.`);
}

const segmentsOf = (pointer: string): string[] =>
  pointer
    .slice(1)
    .split('/')
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));

/** ECMA-262 proposal "JSON.parse source text access", in Node since 21; the compiler's library lacks it. */
const exact = JSON as unknown as {
  rawJSON(text: string): object;
  isRawJSON(value: unknown): value is { rawJSON: string };
};

/** The document with the change made; what is not changed stays as it was written, to the last digit. */
export function applyChange(contentType: string, body: Buffer, change: Change): Edited {
  if (!/[/+]json\b/i.test(contentType)) return { why: 'no JSON' };
  let document: unknown;
  try {
    const text = body.toString('utf8');
    // For its bounds and refused keys; what is edited keeps every number as it was written.
    parseJson(text);
    document = JSON.parse(text, (_key, value, context?: { source?: string }) =>
      typeof value === 'number' && context?.source !== undefined ? exact.rawJSON(context.source) : value,
    );
  } catch {
    return { why: 'no JSON' };
  }
  let seen = 0;
  let changed = 0;
  const set = (parent: Record<string, unknown>, key: string): void => {
    const present = parent[key];
    const number = exact.isRawJSON(present);
    if (present === null || (typeof present === 'object' && !number)) return;
    seen++;
    const before = number ? present.rawJSON : String(present);
    if (before === change.to || (change.from !== undefined && before !== change.from)) return;
    const next = likewise(present, number, change.to);
    if (next === undefined) return;
    parent[key] = next;
    changed++;
  };
  walk(document, segmentsOf(change.pointer), set);
  if (seen === 0) return { why: 'field not there' };
  if (changed === 0) return { why: change.from === undefined ? 'nothing to change' : 'other value' };
  return { body: Buffer.from(JSON.stringify(document)) };
}

const jsonNumber = /^-?(0|[1-9]\d{0,30})(\.\d{1,30})?$/;

/** The new value in the kind of the present one; undefined when it is not of that kind. */
function likewise(present: unknown, number: boolean, to: string): unknown {
  if (number) return jsonNumber.test(to) ? exact.rawJSON(to) : undefined;
  if (typeof present === 'boolean') return to === 'true' ? true : to === 'false' ? false : undefined;
  return to;
}

function walk(value: unknown, segments: string[], set: (parent: Record<string, unknown>, key: string) => void): void {
  const [segment, ...rest] = segments;
  if (segment === undefined || typeof value !== 'object' || value === null) return;
  if (segment === '*' && Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      if (rest.length === 0) set(value as never, String(index));
      else walk(item, rest, set);
    }
    return;
  }
  if (!Object.hasOwn(value, segment)) return;
  const parent = value as Record<string, unknown>;
  if (rest.length === 0) set(parent, segment);
  else walk(parent[segment], rest, set);
}

const changeContext = (jobId: string): string => JSON.stringify(['replay-change', jobId]);

/** A change for the time until the last letter of its job has it. */
export function sealChange(cipher: PayloadCipher, jobId: string, change: Change) {
  return { change: cipher.seal(Buffer.from(JSON.stringify(change)), changeContext(jobId)), key: cipher.keyId };
}

export function openChange(
  cipher: PayloadCipher,
  jobId: string,
  kept: { sealed: Uint8Array; key: string | null },
): Change {
  return JSON.parse(cipher.open(kept.sealed, kept.key, changeContext(jobId)).toString()) as Change;
}

/** An edited body as it is kept, for the replay `generation` of a letter. */
export function sealEdit(
  cipher: PayloadCipher,
  letter: { queue: string; messageId: string; generation: number; contentType: string },
  original: Uint8Array,
  edited: Uint8Array,
): Edit {
  const { queue, messageId, generation, contentType } = letter;
  return {
    body: cipher.seal(edited, sealContext(queue, messageId, generation)),
    bodyKey: cipher.keyId,
    contentType,
    originalHash: hash('sha256', original, 'hex'),
    editedHash: hash('sha256', edited, 'hex'),
  };
}
