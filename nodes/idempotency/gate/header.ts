import { Failure } from '../../kernel/failure.ts';

/**
 * The key out of an `Idempotency-Key` field: a string of RFC 8941 section 3.3.3 as draft-ietf-httpapi-idempotency-key-header
 * section 2.1 asks for, or the bare text that most senders use.
 *
 * @throws Failure `data-quality`: `IDEMPOTENCY_KEY_MISSING`, or `IDEMPOTENCY_KEY_INVALID` when it is sent twice, not
 *   closed or not printable ASCII
 */
export function keyFromHeader(value: unknown, name: string): string {
  const text = typeof value === 'string' ? value.trim() : value;
  if (text === undefined || text === null || text === '' || text === '""') {
    throw new Failure(
      'data-quality',
      'IDEMPOTENCY_KEY_MISSING',
      `The request has no ${name} header. Send one that is unique to the operation and the same on every retry of it.`,
    );
  }
  const key = typeof text !== 'string' ? undefined : text.startsWith('"') ? unquote(text) : bare(text);
  if (key === undefined) {
    throw new Failure(
      'data-quality',
      'IDEMPOTENCY_KEY_INVALID',
      `The ${name} header is not one quoted string of printable ASCII characters, e.g. "8e03978e-40d5-43e8-bc93".`,
    );
  }
  return key;
}

function unquote(text: string): string | undefined {
  const match = /^"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"$/.exec(text);
  return match?.[1]?.replace(/\\(["\\])/g, '$1');
}

/** Node joins repeated fields with ", ", so a comma means that there were two. */
function bare(text: string): string | undefined {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(text) ? text : undefined;
}
