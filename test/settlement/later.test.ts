/** Records that a store did not take: written when it can, each store for itself, and none given up in silence. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../nodes/kernel/failure.ts';
import { addTelemetrySink } from '../../nodes/kernel/telemetry/telemetry.ts';
import { Later } from '../../nodes/settlement/later.ts';
import { waitUntil } from '../support/processes.ts';

const away = () => Promise.reject(new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'The store is away.'));

const counts = new Map<string, number>();
addTelemetrySink({
  count: (name, { reason = '' }, by) => {
    if (name === 'settle_records_dropped_total') counts.set(reason, counted(reason) + by);
  },
});
const counted = (reason: string) => counts.get(reason) ?? 0;

test('a record of which the key has long ended is told and counted', async (t) => {
  const later = new Later();
  const dropped: string[] = [];
  const before = counted('expired');
  later.add({ store: 's1', write: away, dropped: (reason) => dropped.push(reason) });
  const now = performance.now.bind(performance);
  t.mock.method(performance, 'now', () => now() + 10 * 60_000);
  await waitUntil('it is given up', () => later.waiting === 0);
  assert.deepEqual(dropped, ['expired']);
  assert.equal(counted('expired'), before + 1);
});

test('a store that is away holds up no record of another', async () => {
  const later = new Later();
  const written: string[] = [];
  later.add({ store: 'away', write: away });
  later.add({ store: 'there', write: async () => written.push('there') });
  await waitUntil('the other store has its record', () => written.length === 1);
  assert.equal(later.waiting, 1);
});

test('records of one store are written in their order', async () => {
  const later = new Later();
  const written: number[] = [];
  let refused = false;
  for (const number of [1, 2, 3]) {
    const write = async () => {
      if (number === 2 && !refused) {
        refused = true;
        await away();
      }
      written.push(number);
    };
    later.add({ store: 's1', write });
  }
  await waitUntil('all are written', () => later.waiting === 0);
  assert.deepEqual(written, [1, 2, 3]);
});

test('one record too many is told and counted', () => {
  const later = new Later();
  const dropped: string[] = [];
  const before = counted('full');
  for (let index = 0; index < 1_001; index++) {
    later.add({ store: 's1', write: away, dropped: (reason) => dropped.push(`${index} ${reason}`) });
  }
  assert.deepEqual(dropped, ['1000 full']);
  assert.equal(counted('full'), before + 1);
  later.add({ store: 's2', write: away, dropped: (reason) => dropped.push(reason) });
  assert.equal(dropped.length, 1, 'another store has room');
});

test('a record that the store will never take is told and counted, and the next is written', async () => {
  const later = new Later();
  const dropped: string[] = [];
  const before = counted('refused');
  const bad = () => Promise.reject(new Failure('defect', 'BROKEN', 'Nobody foresaw this.'));
  later.add({ store: 's1', write: bad, dropped: (reason, failure) => dropped.push(`${reason} ${failure?.code}`) });
  let written = false;
  later.add({ store: 's1', write: async () => (written = true) });
  await waitUntil('the next is written', () => written);
  assert.deepEqual(dropped, ['refused BROKEN']);
  assert.equal(counted('refused'), before + 1);
});
