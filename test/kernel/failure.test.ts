import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure, failureClasses, toFailure } from '../../nodes/kernel/failure.ts';

test('a failure survives being written down and read again', () => {
  for (const failureClass of failureClasses) {
    const failure = new Failure(failureClass, 'CODE', 'A sentence.', {
      retryAfter: 5,
      outcome: 'unknown',
      detail: { pointer: '/a' },
    });
    assert.deepEqual(Failure.fromRecord(JSON.parse(JSON.stringify(failure.toRecord()))).toRecord(), failure.toRecord());
  }
});

test('outage, saturation and conflict are retried by default, the others are not', () => {
  const retryable = failureClasses.filter((failureClass) => new Failure(failureClass, 'C', 'm').retryable);
  assert.deepEqual(retryable, ['dependency-outage', 'saturation', 'conflict']);
  assert(!new Failure('saturation', 'C', 'm', { retryable: false }).retryable);
});

test('class, code and cause are own properties, because Catch copies only those', () => {
  const failure = new Failure('conflict', 'C', 'm', { cause: new Error('inner') });
  for (const name of ['class', 'code', 'cause', 'message']) assert(Object.hasOwn(failure, name), name);
});

test('what a socket throws is an outage, anything unforeseen a defect whose text does not travel', () => {
  assert.equal(toFailure(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })).class, 'dependency-outage');
  for (const thrown of [new TypeError('patient Secret'), 'patient Secret', null, undefined, { secret: 'Secret' }]) {
    const failure = toFailure(thrown);
    assert.equal(failure.class, 'defect');
    assert(!JSON.stringify(failure.toRecord()).includes('Secret'));
  }
  const failure = new Failure('conflict', 'C', 'm');
  assert.equal(toFailure(failure), failure);
});
