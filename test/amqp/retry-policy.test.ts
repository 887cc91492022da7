import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  decide,
  defaultRetryPolicy,
  parseSteps,
  type RetryPolicy,
  stepOf,
  withJitter,
  words,
} from '../../nodes/amqp/retry-policy.ts';
import { type FailureClass, failureClasses } from '../../nodes/kernel/failure.ts';

const policy: RetryPolicy = { attempts: 4, steps: [10_000, 60_000], jitter: 0, cap: 60_000, giveUpAfter: 3_600_000 };
const now = 1_700_000_000_000;
const failed = (failureClass: FailureClass, more: object = {}) => ({ class: failureClass, retryable: true, ...more });

describe('Retry policy', () => {
  test('a failure that is not retryable goes to the dead letters at the first try, whatever its class', () => {
    for (const each of failureClasses) {
      assert.equal(decide({ class: each, retryable: false }, 1, now, policy, now).kind, 'dead-letter');
    }
  });

  test('an outage walks up the steps, repeats the last, and ends after the tries', () => {
    const decisions = [1, 2, 3, 4].map((attempt) => decide(failed('dependency-outage'), attempt, now, policy, now));
    assert.deepEqual(decisions, [
      { kind: 'retry', delay: 10_000 },
      { kind: 'retry', delay: 60_000 },
      { kind: 'retry', delay: 60_000 },
      { kind: 'dead-letter', reason: 'Tried 4 of 4 times.' },
    ]);
  });

  test('being told to come later is no reason to give up before the age is reached', () => {
    assert.equal(decide(failed('saturation'), 50, now - 1_000, policy, now).kind, 'retry');
    const late = decide(failed('saturation'), 50, now - 3_600_000, policy, now);
    assert.deepEqual(late, { kind: 'dead-letter', reason: 'Still failing 1h after the first failure.' });
  });

  test('what the other side asks for is honoured up to the cap', () => {
    assert.deepEqual(decide(failed('saturation', { retryAfter: 25_000 }), 1, now, policy, now), {
      kind: 'retry',
      delay: 25_000,
    });
    assert.deepEqual(decide(failed('saturation', { retryAfter: 900_000 }), 1, now, policy, now), {
      kind: 'retry',
      delay: 60_000,
    });
    // Less than the step does not make it hurry.
    assert.deepEqual(decide(failed('saturation', { retryAfter: 1 }), 1, now, policy, now), {
      kind: 'retry',
      delay: 10_000,
    });
  });

  test('a conflict is tried again soon; a defect three times', () => {
    assert.deepEqual(decide(failed('conflict'), 1, now, policy, now), { kind: 'retry', delay: 1_000 });
    assert.equal(decide(failed('defect'), 2, now, policy, now).kind, 'retry');
    assert.equal(decide(failed('defect'), 3, now, policy, now).kind, 'dead-letter');
  });

  test('jitter only adds, and at most its share', () => {
    assert.equal(
      withJitter(1_000, 0.1, () => 0),
      1_000,
    );
    assert.equal(
      withJitter(1_000, 0.1, () => 1),
      1_100,
    );
  });

  test('durations are read and written as people do', () => {
    assert.deepEqual(parseSteps('10s 1m, 5m\n30m 2h'), [...defaultRetryPolicy.steps]);
    assert.deepEqual(parseSteps('200ms 1.5s'), [200, 1_500]);
    for (const bad of ['', '10', 'soon', '0s', '-1s', '9999h', '1s '.repeat(21)]) {
      assert.equal(parseSteps(bad), undefined, bad);
    }
    assert.deepEqual([200, 1_500, 10_000, 60_000, 90_000, 7_200_000].map(words), [
      '200ms',
      '1500ms',
      '10s',
      '1m',
      '90s',
      '2h',
    ]);
    assert.equal(stepOf([1, 2], 9), 2);
  });
});
