/** What others see of an outage: availability of a dependency, and probing until it is back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../nodes/kernel/failure.ts';
import { Breaker } from '../../../nodes/kernel/resilience/breaker.ts';
import {
  dependency,
  onDependencies,
  outageWords,
  registerDependency,
  unavailable,
} from '../../../nodes/kernel/resilience/dependencies.ts';
import { keepProbing } from '../../../nodes/kernel/resilience/recovery.ts';

const outage = () => new Failure('dependency-outage', 'ECONNREFUSED', 'Nobody there.', { outcome: 'none' });
const fail = (breaker: Breaker) => breaker.run(() => Promise.reject(outage())).catch(() => undefined);

test('a dependency is unavailable from the first opening until the breaker closes, probes included', async () => {
  let now = 1_000;
  const breaker = new Breaker({ name: 'x', minimum: 1, openFor: 10, probes: 2, now: () => now });
  const off = registerDependency('server', 'Odoo', breaker);
  const seen: string[] = [];
  const unsubscribe = onDependencies(() => seen.push(dependency('server')?.availability.kind ?? 'gone'));
  await fail(breaker);
  assert.deepEqual(dependency('server')?.availability, { kind: 'unavailable', since: 1_000, cause: 'ECONNREFUSED' });
  now += 20;
  await fail(breaker);
  now += 40;
  await breaker.run(async () => 1);
  assert.equal(breaker.state.kind, 'half-open');
  assert.deepEqual(
    unavailable(['other', 'server']).map(({ name, availability }) => [name, availability]),
    [['Odoo', { kind: 'unavailable', since: 1_000, cause: 'ECONNREFUSED' }]],
  );
  await breaker.run(async () => 1);
  assert.deepEqual(unavailable(['server']), []);
  off();
  assert.equal(dependency('server'), undefined);
  assert.deepEqual(seen, ['unavailable', 'available', 'gone']);
  unsubscribe();
});

test('a system that a person takes away is not called down, whether it was or not, and the person is named', async () => {
  const breaker = new Breaker({ name: 'x', minimum: 1 });
  const off = registerDependency('taken', 'Odoo', breaker);
  const said: string[] = [];
  const unsubscribe = onDependencies(() => said.push(outageWords(unavailable(['taken']))));
  await fail(breaker);
  dependency('taken')!.isolate('ward.operator');
  dependency('taken')!.release();
  dependency('taken')!.isolate();
  assert.deepEqual(said, ['Odoo is down', 'Odoo is out of service, by ward.operator', '', 'Odoo is out of service']);
  unsubscribe();
  off();
});

test('a redeployed config node keeps its registration when the old one closes late', () => {
  const old = registerDependency('again', 'old', new Breaker({ name: 'old' }));
  const off = registerDependency('again', 'new', new Breaker({ name: 'new' }));
  old();
  assert.equal(dependency('again')?.name, 'new');
  off();
});

test('without any traffic a breaker is probed until it closes, more and more seldom', async () => {
  const breaker = new Breaker({ name: 'x', minimum: 1, openFor: 1, openMost: 5, probes: 2 });
  let calls = 0;
  const stop = keepProbing(breaker, async () => {
    if (++calls <= 3) throw outage();
  });
  const closed = new Promise<void>((resolve) => {
    breaker.onChange((state) => state.kind === 'closed' && resolve());
  });
  await fail(breaker);
  // The probe's timer holds no process open.
  const alive = setInterval(() => undefined, 1_000);
  await closed;
  clearInterval(alive);
  assert.equal(calls, 5);
  stop();
});

test('after a busy time a dead dependency is found by failures in a row, which its earlier successes do not outweigh', async () => {
  const breaker = new Breaker({ name: 'x', minimum: 5 });
  for (let n = 0; n < 1_000; n++) await breaker.run(async () => n);
  for (let n = 0; n < 9; n++) await fail(breaker);
  await breaker.run(async () => 'one came through');
  for (let n = 0; n < 9; n++) await fail(breaker);
  assert.equal(breaker.state.kind, 'closed');
  await fail(breaker);
  assert.equal(breaker.state.kind, 'open');
});
