/**
 * A message between two parts of a flow, as bytes: what it carries, without what it owes. Request, delivery and lease
 * are settled when the request is stored; the HTTP response cannot wait for a person.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../kernel/failure.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { FlowMessage } from '../kernel/message.ts';

/** One field that a person changed. */
export interface FieldEdit {
  path: string;
  from: unknown;
  to: unknown;
  by: string;
}

export interface Envelope {
  message: Record<string, unknown>;
  edits: FieldEdit[];
}

/** Left behind: live things, debts, and where the message was in a division that ended here. */
const left = new Set(['req', 'res', 'delivery', 'idempotency', 'failure', 'error', 'settlement', 'parts', 'approval']);
const deepest = 64;
/** Marks bytes; a document that holds this key itself keeps it, because it has other members or no text. */
const bytesKey = '$healthflows:bytes';

/**
 * @param limit bytes
 * @throws Failure `data-quality` `APPROVAL_TOO_LARGE`, `APPROVAL_NOT_STORABLE`
 */
export function pack(message: FlowMessage, limit: number): Buffer {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(message)) {
    if (!left.has(key) && value !== undefined && typeof value !== 'function') kept[key] = stored(value, key, 0);
  }
  return packed({ message: kept, edits: [] }, limit);
}

/** An envelope that was opened and changed. @throws Failure `data-quality` `APPROVAL_TOO_LARGE` */
export function repack(envelope: Envelope, limit: number): Buffer {
  return packed({ ...envelope, message: stored(envelope.message, 'msg', 0) as Record<string, unknown> }, limit);
}

export function unpack(bytes: Uint8Array): Envelope {
  const { message, edits } = JSON.parse(Buffer.from(bytes).toString('utf8')) as Envelope;
  return { message: restored(message) as Record<string, unknown>, edits };
}

/** By which a repeated message is told from another document under the same id. */
export function documentHash({ payload }: FlowMessage): string {
  return createHash('sha256')
    .update(canonicalJson(stored(payload ?? null, 'payload', 0)))
    .digest('hex');
}

/** What a message is, over redeliveries. A part of a divided message is one of its own. */
export function messageIdOf({ event, parts, _msgid }: FlowMessage): string {
  const path: number[] = [];
  let part = parts as { index?: unknown; type?: unknown; parts?: unknown } | undefined;
  for (; typeof part?.type === 'string' && Number.isInteger(part.index); part = part.parts as typeof part) {
    path.unshift(part.index as number);
  }
  const id = event?.id === undefined ? `node-red ${_msgid ?? ''}` : `${event.source ?? ''} ${event.id}`;
  const whole = path.length === 0 ? id : `${id} part ${path.join('.')}`;
  return whole.length <= 500 ? whole : `sha256 ${createHash('sha256').update(whole).digest('hex')}`;
}

function packed(envelope: Envelope, limit: number): Buffer {
  const bytes = Buffer.from(JSON.stringify(envelope));
  if (bytes.byteLength <= limit) return bytes;
  throw new Failure(
    'data-quality',
    'APPROVAL_TOO_LARGE',
    `The message has ${bytes.byteLength} bytes; this approval keeps ${limit} at most. Send a reference instead of attachments, or raise the limit.`,
  );
}

function stored(value: unknown, where: string, depth: number): unknown {
  if (depth > deepest) throw notStorable(where, 'is nested too deeply');
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (value instanceof Uint8Array) return { [bytesKey]: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) {
    return value.map((item, index) => (item === undefined ? null : stored(item, `${where}[${index}]`, depth + 1)));
  }
  if (typeof value === 'object') {
    const prototype = Object.getPrototypeOf(value) as unknown;
    if (prototype !== Object.prototype && prototype !== null && !isForeignPlain(prototype)) {
      throw notStorable(where, 'is no plain data');
    }
    const kept: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(value)) {
      if (member === undefined || typeof member === 'function') continue;
      kept[key] = stored(member, `${where}.${key}`, depth + 1);
    }
    return kept;
  }
  throw notStorable(where, `is a ${typeof value}`);
}

/** A function node makes its objects in another context, with an `Object.prototype` of its own. */
function isForeignPlain(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, 'isPrototypeOf');
}

function restored(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(restored);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const only = entries.length === 1 ? entries[0]! : undefined;
  if (only?.[0] === bytesKey && typeof only[1] === 'string') return Buffer.from(only[1], 'base64');
  return Object.fromEntries(entries.map(([key, member]) => [key, restored(member)]));
}

function notStorable(where: string, problem: string): Failure {
  return new Failure(
    'data-quality',
    'APPROVAL_NOT_STORABLE',
    `msg.${where} ${problem}, so the message cannot wait for a person. Remove it before the approval.`,
  );
}
