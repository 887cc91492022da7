/** Which letters: the same filter lists them, counts them for a dry run, replays and discards them. */
import { Failure, failureClasses } from '../../kernel/failure.ts';
import type { SqlValue } from '../../kernel/store/operation.ts';
import { type LetterState, letterStates } from './state.ts';

export interface LetterFilter {
  ids?: string[];
  states?: LetterState[];
  class?: string;
  /** Leaves out what a policy has refused. */
  exceptPolicyRejections?: boolean;
  queue?: string;
  fingerprint?: string;
  /** Any of these groups. */
  causes?: { queue: string; fingerprint: string }[];
  job?: string;
  /** Part of a business key, message id, correlation id or cause; without regard to case. */
  text?: string;
  /** Milliseconds since the epoch, by the time the letter was collected. */
  since?: number;
  until?: number;
}

const idLimit = 1_000;
const textLimit = 200;
const causesLimit = 200;

/** The filter as a condition whose first parameter is `$<first>`. */
export function conditionOf(filter: LetterFilter, first: number): { text: string; values: SqlValue[] } {
  const values: SqlValue[] = [];
  const parameter = (value: SqlValue) => {
    values.push(value);
    return `$${first + values.length - 1}`;
  };
  const parts: string[] = [];
  const among = (column: string, all: readonly string[]) =>
    parts.push(all.length === 0 ? '1 = 0' : `${column} IN (${all.map(parameter).join(', ')})`);
  if (filter.ids !== undefined) among('id', filter.ids);
  if (filter.states !== undefined) among('state', filter.states);
  if (filter.class !== undefined) parts.push(`failure_class = ${parameter(filter.class)}`);
  if (filter.exceptPolicyRejections === true) parts.push("failure_class <> 'policy-rejection'");
  if (filter.queue !== undefined) parts.push(`queue = ${parameter(filter.queue)}`);
  if (filter.fingerprint !== undefined) parts.push(`fingerprint = ${parameter(filter.fingerprint)}`);
  if (filter.causes !== undefined) {
    const each = filter.causes.map(
      (cause) => `(queue = ${parameter(cause.queue)} AND fingerprint = ${parameter(cause.fingerprint)})`,
    );
    parts.push(each.length === 0 ? '1 = 0' : `(${each.join(' OR ')})`);
  }
  if (filter.job !== undefined) parts.push(`job_id = ${parameter(filter.job)}`);
  if (filter.since !== undefined) parts.push(`received_at >= ${parameter(filter.since)}`);
  if (filter.until !== undefined) parts.push(`received_at < ${parameter(filter.until)}`);
  if (filter.text !== undefined && filter.text !== '') {
    const pattern = parameter(`%${filter.text.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`);
    const columns = ['business_key', 'message_id', 'correlation_id', 'failure_message'];
    parts.push(`(${columns.map((column) => `lower(${column}) LIKE ${pattern} ESCAPE '\\'`).join(' OR ')})`);
  }
  return { text: parts.length === 0 ? '1 = 1' : parts.join(' AND '), values };
}

/**
 * A filter as it came from outside.
 * @throws Failure `data-quality` `FILTER_INVALID`
 */
export function parseFilter(value: unknown): LetterFilter {
  if (value === undefined || value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('it is not an object');
  const filter: LetterFilter = {};
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined || member === null || member === '') continue;
    switch (key) {
      case 'ids':
        if (!isTexts(member) || member.length > idLimit) throw invalid(`"ids" must be at most ${idLimit} texts`);
        filter.ids = member;
        break;
      case 'states':
        if (!isTexts(member) || !member.every((state) => (letterStates as readonly string[]).includes(state)))
          throw invalid(`"states" must be of ${letterStates.join(', ')}`);
        filter.states = member as LetterState[];
        break;
      case 'class':
        if (!(failureClasses as readonly unknown[]).includes(member)) throw invalid('"class" is no failure class');
        filter.class = member as string;
        break;
      case 'causes':
        if (!isCauses(member)) throw invalid(`"causes" must be at most ${causesLimit} of queue and fingerprint`);
        filter.causes = member.map(({ queue, fingerprint }) => ({ queue, fingerprint }));
        break;
      case 'queue':
      case 'fingerprint':
      case 'job':
      case 'text':
        if (typeof member !== 'string' || member.length > textLimit) throw invalid(`"${key}" must be a short text`);
        filter[key] = member;
        break;
      case 'since':
      case 'until':
        if (!Number.isSafeInteger(member)) throw invalid(`"${key}" must be milliseconds since the epoch`);
        filter[key] = member as number;
        break;
      default:
        throw invalid(`"${key}" is unknown`);
    }
  }
  return filter;
}

function isCauses(value: unknown): value is { queue: string; fingerprint: string }[] {
  return (
    Array.isArray(value) &&
    value.length <= causesLimit &&
    value.every((one: unknown) => {
      const { queue, fingerprint } = (one ?? {}) as Record<string, unknown>;
      return isTexts([queue, fingerprint]) && `${queue}`.length <= textLimit && `${fingerprint}`.length <= textLimit;
    })
  );
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function invalid(why: string): Failure {
  return new Failure('data-quality', 'FILTER_INVALID', `The filter of dead letters cannot be used: ${why}.`);
}
