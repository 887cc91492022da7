import type { Answer } from './http.ts';

/** Milliseconds that a `Retry-After` header asks for (RFC 9110 section 10.2.3: seconds or a date). */
export function retryAfterOf(answer: Pick<Answer, 'headers'>): number | undefined {
  const text = answer.headers['retry-after'];
  if (text === undefined) return undefined;
  if (/^\d{1,7}$/.test(text.trim())) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
