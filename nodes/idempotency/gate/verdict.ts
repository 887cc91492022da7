/** What a message becomes by the verdict on its key. */
import { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { ClaimVerdict, StoredReply } from '../keys.ts';

export type GateOutput = 'new' | 'duplicate' | 'in progress' | 'mismatch';

export interface Key {
  /** Id of the `integration-store`. */
  store: string;
  scope: string;
  key: string;
}

/**
 * Puts the verdict on the message and names its output. `new` carries the lease; the others carry none, so that what
 * settles them leaves the holder's key alone. `in progress` and `mismatch` carry a failure, by which `settle` retries a
 * delivery or sends it to the dead letters. A message that came by HTTP gets its answer prepared.
 */
export function apply(message: FlowMessage, verdict: ClaimVerdict, key: Key): GateOutput {
  delete message.idempotency;
  const http = message.res !== undefined;
  switch (verdict.kind) {
    case 'new':
    case 'taken-over':
      message.idempotency = { ...key, token: verdict.token };
      return 'new';
    case 'duplicate':
      message.duplicate = { scope: key.scope, key: key.key, completedAt: new Date(verdict.completedAt).toISOString() };
      if (http) reply(message, replayOf(verdict.reply));
      return 'duplicate';
    case 'in-progress': {
      const failure = new Failure(
        'conflict',
        'IDEMPOTENCY_IN_PROGRESS',
        'A message with this idempotency key is being processed. Send it again later.',
        { retryAfter: verdict.retryAfter },
      );
      fail(message, failure, http ? 409 : undefined);
      return 'in progress';
    }
    case 'mismatch': {
      const failure = new Failure(
        'data-quality',
        'IDEMPOTENCY_MISMATCH',
        'This idempotency key was used before with another document. Use a new key for a new document.',
      );
      fail(message, failure, http ? 422 : undefined);
      return 'mismatch';
    }
  }
}

/** The answer of the first time again, marked as such. */
function replayOf(stored: StoredReply | undefined): StoredReply {
  if (stored === undefined) {
    return {
      statusCode: 200,
      headers: { 'content-type': 'application/json', 'idempotent-replayed': 'true' },
      body: JSON.stringify({ status: 'already-processed' }),
    };
  }
  return { ...stored, headers: { ...stored.headers, 'idempotent-replayed': 'true' } };
}

function reply(message: FlowMessage, { statusCode, headers = {}, body }: StoredReply): void {
  message.statusCode = statusCode;
  message.headers = headers;
  message.payload = body === undefined ? '' : typeof body === 'string' ? body : textOrBytes(Buffer.from(body), headers);
}

function textOrBytes(body: Buffer, headers: Record<string, string>): string | Buffer {
  const type = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
  return /^text\/|[/+](json|xml)\b/i.test(type) ? body.toString('utf8') : body;
}

/** RFC 9457 problem details, with the statuses of draft-ietf-httpapi-idempotency-key-header section 2.7. */
function fail(message: FlowMessage, failure: Failure, statusCode: 409 | 422 | undefined): void {
  message.failure = failure.toRecord({ at: new Date().toISOString(), attempt: message.delivery?.attempt ?? 1 });
  if (statusCode === undefined) return;
  const wait = failure.retryAfter === undefined ? undefined : Math.max(1, Math.ceil(failure.retryAfter / 1000));
  const correlationId = message.event?.correlationid;
  reply(message, {
    statusCode,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(wait === undefined ? {} : { 'retry-after': String(wait) }),
    },
    body: JSON.stringify({
      type: `urn:healthflows:problem:${failure.class}:${failure.code.toLowerCase().replaceAll('_', '-')}`,
      title: statusCode === 409 ? 'A request is outstanding for this key' : 'This key was used for another request',
      status: statusCode,
      detail: failure.message,
      code: failure.code,
      ...(correlationId === undefined ? {} : { correlationId }),
    }),
  });
}
