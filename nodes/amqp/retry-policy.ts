/**
 * When a failed message is tried again and when it goes to the dead letters. Pure, so that the dialog, the engines
 * and the tests share one rule.
 */
import type { FailureClass, FailureRecord } from '../kernel/failure.ts';

export interface RetryPolicy {
  /** Tries in all, the first included. Default 6: one try and the five steps. */
  attempts: number;
  /** Delay before the second, third… try in milliseconds; the last one repeats. Default 10 s, 1 m, 5 m, 30 m, 2 h. */
  steps: readonly number[];
  /** Share of the delay that is added at random, where the engine can delay exactly: 0 to 1. Default 0.1. */
  jitter: number;
  /** Longest delay in milliseconds, also for what a dependency asks (`retryAfter`). Default 2 h. */
  cap: number;
  /** Milliseconds after the first failure at which a message is given up. Default 24 h. */
  giveUpAfter: number;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 6,
  steps: [10_000, 60_000, 300_000, 1_800_000, 7_200_000],
  jitter: 0.1,
  cap: 7_200_000,
  giveUpAfter: 86_400_000,
};

export type Decision = { kind: 'retry'; delay: number } | { kind: 'dead-letter'; reason: string };

interface ClassRule {
  /** Tries at most, whatever the policy allows. */
  attempts?: number;
  /** Only age ends it: being told "later" is no proof that the message is bad. */
  untilGivenUp?: boolean;
  /** Delays of its own instead of the policy's steps. */
  steps?: readonly number[];
}

/** What a class changes about the policy when its failure is retryable at all. */
const rules: Record<FailureClass, ClassRule> = {
  'dependency-outage': {},
  saturation: { untilGivenUp: true },
  // Somebody else holds it: that is over soon.
  conflict: { steps: [1_000, 5_000] },
  'data-quality': {},
  'policy-rejection': {},
  configuration: {},
  // A bug seldom heals by waiting; three quick tries cover the transient ones.
  defect: { attempts: 3 },
};

/**
 * @param attempt the try that just failed; 1 for the first
 * @param firstFailedAt when the message failed for the first time, milliseconds since the epoch
 */
export function decide(
  failure: Pick<FailureRecord, 'class' | 'retryable' | 'retryAfter'>,
  attempt: number,
  firstFailedAt: number,
  policy: RetryPolicy,
  now: number,
): Decision {
  if (!failure.retryable) return { kind: 'dead-letter', reason: `A ${failure.class} failure is not retried.` };
  const rule = rules[failure.class];
  const attempts = Math.min(policy.attempts, rule.attempts ?? Number.POSITIVE_INFINITY);
  if (rule.untilGivenUp !== true && attempt >= attempts) {
    return { kind: 'dead-letter', reason: `Tried ${attempt} of ${attempts} times.` };
  }
  const delay = Math.min(policy.cap, Math.max(stepOf(rule.steps ?? policy.steps, attempt), failure.retryAfter ?? 0));
  if (now + delay - firstFailedAt > policy.giveUpAfter) {
    return {
      kind: 'dead-letter',
      reason: `Still failing ${words(Math.round((now - firstFailedAt) / 60_000) * 60_000)} after the first failure.`,
    };
  }
  return { kind: 'retry', delay };
}

/** The delay before the try after `attempt`. */
export function stepOf(steps: readonly number[], attempt: number): number {
  return steps[Math.min(Math.max(attempt, 1), steps.length) - 1] ?? 0;
}

/** The delay with up to `jitter` of itself added, so that what failed together does not return together. */
export function withJitter(delay: number, jitter: number, random: () => number = Math.random): number {
  return Math.round(delay * (1 + jitter * random()));
}

const units: [number, string][] = [
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
  [1, 'ms'],
];

/** `90000` → `90s`, `60000` → `1m`: the largest unit that divides it. Also the suffix of a retry step's queue. */
export function words(milliseconds: number): string {
  const [size, unit] = units.find(([unitSize]) => milliseconds >= unitSize && milliseconds % unitSize === 0) ?? [
    1,
    'ms',
  ];
  return `${milliseconds / size}${unit}`;
}

const duration = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)$/;

/** Reads `10s 1m 5m 30m 2h` (blanks or commas between). Returns undefined for anything it cannot read. */
export function parseSteps(text: string): number[] | undefined {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  const steps = parts.map((part) => {
    const match = duration.exec(part);
    const size = units.find(([, unit]) => unit === match?.[2])?.[0];
    return match === null || size === undefined ? Number.NaN : Math.round(Number(match[1]) * size);
  });
  return steps.length > 0 && steps.length <= 20 && steps.every((step) => step > 0 && step <= 7 * 86_400_000)
    ? steps
    : undefined;
}
