/** One document on its way to a partner, without Node-RED. */
import type { Sensitivity } from '../../canonical/index.ts';
import { Failure, toFailure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { Input } from '../../node/inputs.ts';
import { answerOf, bodyOf } from '../body.ts';
import { headerName } from '../client/authentication.ts';
import type { PartnerAnswer, PartnerClient, PartnerRequest } from '../client/client.ts';
import { leastData } from '../least-data.ts';
import { templateOf } from '../template.ts';
import type { PartnerSendConfig } from './partner-send.def.ts';

/** `msg.partner`: what was sent and what came back. */
export interface PartnerOutcome {
  name: string;
  method: string;
  path: string;
  status: number;
  /** True where the partner said (409) that it had the document already. */
  duplicate: boolean;
  /** Media type of the answer. */
  type: string;
  /** Headers that say where the result is or which version it has. */
  headers: Record<string, string>;
  /** The idempotency key that was sent. */
  key?: string;
  /** Milliseconds of the last try. */
  duration: number;
  /** What it said, read by its media type; absent where it is the payload. */
  answer?: unknown;
}

export type Deliver = (message: FlowMessage, traceparent?: string) => Promise<void>;

/** Of an answer, what a flow can use; no cookies, no noise. */
const kept = ['location', 'etag', 'last-modified', 'retry-after', 'x-request-id', 'x-correlation-id', 'link'];
/** RFC 9110 section 9.2.2: done twice is done once. */
const idempotent = new Set(['GET', 'PUT', 'DELETE']);
const bodiless = new Set(['GET', 'DELETE']);

/**
 * Prepares the sending, at deploy.
 * @throws Failure `configuration` for a setting that cannot be used
 */
export function deliveryOf(
  config: PartnerSendConfig,
  client: PartnerClient,
  inputs: { body: Input; key: Input },
): Deliver {
  const path = templateOf(config.path.trim(), 'path');
  if (!config.path.trim().startsWith('/')) throw unusable('path', 'must begin with a slash');
  const headers = config.headers
    .filter(({ name }) => name.trim() !== '')
    .map(({ name, value }) => ({ name: headerName(name), value: templateOf(value, `header ${name}`) }));
  const keyHeader = config.keyHeader.trim() === '' ? undefined : headerName(config.keyHeader);
  const edge = { most: config.most as Sensitivity | 'any', over: config.over };
  const replaces = config.output === 'answer' || (config.output === 'auto' && config.method === 'GET');

  const requestOf = async (message: FlowMessage): Promise<PartnerRequest & { key?: string }> => {
    const key = keyHeader === undefined ? undefined : await keyOf(inputs.key, message);
    const document = bodiless.has(config.method)
      ? undefined
      : bodyOf(leastData(await inputs.body(message), message.event, edge), config.mediaType.trim());
    const sent: Record<string, string> = {};
    for (const { name, value } of headers)
      sent[name] = headerText(
        value(message, (text) => text),
        name,
      );
    if (document !== undefined) sent['Content-Type'] = document.type;
    if (keyHeader !== undefined) sent[keyHeader] = key!;
    return {
      method: config.method,
      path: path(message, encodeURIComponent),
      headers: sent,
      id: key ?? message.event?.id ?? message._msgid ?? 'none',
      repeatable: key !== undefined || idempotent.has(config.method),
      answer: 'bytes',
      ...(key === undefined ? {} : { key }),
      ...(document === undefined ? {} : { body: document.content }),
      ...(message.event?.traceparent === undefined ? {} : { traceparent: message.event.traceparent }),
      ...(key !== undefined && config.conflict === 'done' ? { accept: [409] } : {}),
    };
  };

  return async (message, traceparent) => {
    const own = await requestOf(message);
    const request = traceparent === undefined ? own : { ...own, traceparent };
    const answer = await client.send(request);
    const content = read(answer, client.name, replaces);
    const outcome: PartnerOutcome = {
      name: client.name,
      method: config.method,
      path: request.path,
      status: answer.status,
      duplicate: answer.status === 409,
      type: answer.type,
      headers: Object.fromEntries(
        kept.flatMap((name) => (name in answer.headers ? [[name, answer.headers[name]!]] : [])),
      ),
      duration: answer.duration,
      ...(request.key === undefined ? {} : { key: request.key }),
    };
    if (replaces) message.payload = content;
    else if (content !== undefined) outcome.answer = content;
    message.partner = outcome;
  };
}

/**
 * An answer that is not what its media type says matters only where the flow goes on with it: the document has arrived
 * all the same.
 */
function read(answer: PartnerAnswer, name: string, needed: boolean): unknown {
  try {
    return answerOf(answer);
  } catch (error) {
    if (!needed) return answer.bytes?.toString('utf8');
    throw new Failure(
      'data-quality',
      'PARTNER_ANSWER_UNREADABLE',
      `${name} took the request (${answer.status}), but its answer is not well-formed ${answer.type}. Ask the partner; sending again does not help.`,
      { outcome: 'unknown', cause: error, detail: { code: toFailure(error).code } },
    );
  }
}

async function keyOf(input: Input, message: FlowMessage): Promise<string> {
  const value = await input(message);
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  if (/^[\x21-\x7e]{1,255}$/.test(text)) return text;
  throw new Failure(
    'data-quality',
    'PARTNER_KEY_MISSING',
    'The message has no idempotency key of 1 to 255 printable characters in the chosen place. Choose what names the document, e.g. its number, or send without a key.',
    { outcome: 'none' },
  );
}

function headerText(text: string, name: string): string {
  if (/^[\x20-\x7e]{0,1024}$/.test(text)) return text;
  throw new Failure('data-quality', 'PARTNER_HEADER', `The value for the header ${name} is not printable ASCII text.`, {
    outcome: 'none',
  });
}

function unusable(what: string, why: string): Failure {
  return new Failure('configuration', 'PARTNER_SETTING', `The ${what} of the partner-send node ${why}.`, {
    outcome: 'none',
  });
}
