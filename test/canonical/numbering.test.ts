/** Control numbers of X12 interchanges: a series for each pair of partners, kept in the store. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMapper, type Mapper } from '../../nodes/canonical/mapper.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { takeControlNumber } from '../../nodes/canonical/numbering.ts';
import { openStore } from '../../nodes/kernel/store/index.ts';
import type { Store } from '../../nodes/kernel/store/store.ts';
import { setLast } from './operations.ts';
import { type StoreFixture, storesUnderTest } from '../support/store.ts';

const library = new MappingLibrary();
const sample = library.source('order-to-x12-850').sample as Record<string, unknown>;

const writerOf = (store: Store, mapping = library.get('order-to-x12-850')): Mapper =>
  createMapper({ mode: 'from-canonical', mapping }, 'node', (series, document) =>
    store.run(takeControlNumber, { series, document }),
  );

async function written(write: Mapper, id: string, payload: object = sample): Promise<string> {
  const message = {
    payload: structuredClone(payload) as unknown,
    event: { specversion: '1.0' as const, id, source: 'test', type: 'order', time: '2026-11-23T10:15:00+01:00' },
  };
  await write(message);
  return message.payload as string;
}

/** ISA13, GS06, GE02 and IEA02 of an interchange. */
function numbers(text: string): number[] {
  const lines = text.split('~').map((line) => line.trim().split('*'));
  const element = (name: string, at: number): number => Number(lines.find(([segment]) => segment === name)![at]);
  return [element('ISA', 13), element('GS', 6), element('GE', 2), element('IEA', 2)];
}

const receivedBy = (receiver: string) => {
  const file = structuredClone(library.source('order-to-x12-850')) as unknown as {
    target: { options: Record<string, unknown> };
  };
  file.target.options.receiver = receiver;
  return library.compile(file);
};

for (const under of storesUnderTest()) {
  const fresh = (): Promise<StoreFixture> => under.fresh();

  test(
    `interchanges count upwards for each pair of partners, over a restart (${under.name})`,
    under.options,
    async () => {
      await using fixture = await fresh();
      const write = writerOf(fixture.store);
      assert.deepEqual(numbers(await written(write, 'a')), [1, 1, 1, 1]);
      assert.deepEqual(numbers(await written(write, 'b')), [2, 2, 2, 2]);
      const other = writerOf(fixture.store, receivedBy('OTHER'));
      assert.deepEqual(numbers(await written(other, 'a')), [1, 1, 1, 1], 'another pair has a series of its own');
      const again = openStore(fixture.options);
      try {
        assert.deepEqual(numbers(await written(writerOf(again), 'c')), [3, 3, 3, 3]);
      } finally {
        await again.close();
      }
    },
  );

  test(`a message that is mapped again is the same interchange (${under.name})`, under.options, async () => {
    await using fixture = await fresh();
    const write = writerOf(fixture.store);
    const first = await written(write, 'a');
    await written(write, 'b');
    assert.equal(await written(write, 'a'), first);
    assert.deepEqual(numbers(await written(write, 'c')), [3, 3, 3, 3], 'and takes no number away');
  });

  test(`documents at the same time have different numbers without a gap (${under.name})`, under.options, async () => {
    await using fixture = await fresh();
    const write = writerOf(fixture.store);
    const all = await Promise.all(Array.from({ length: 40 }, (_, i) => written(write, `m${i % 30}`)));
    const given = new Set(all.map((text) => numbers(text)[0]!));
    assert.deepEqual(
      [...given].sort((a, b) => a - b),
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
  });

  test(`a document that cannot be written takes no number (${under.name})`, under.options, async () => {
    await using fixture = await fresh();
    const write = writerOf(fixture.store);
    const bad = { ...sample, number: 'PO*1' };
    await assert.rejects(async () => written(write, 'bad', bad), { code: 'X12_WRITE' });
    assert.deepEqual(numbers(await written(write, 'good')), [1, 1, 1, 1]);
  });

  test(`after the last number a series begins again (${under.name})`, under.options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const take = (document: string) => store.run(takeControlNumber, { series: 's', document });
    await take('first');
    await store.run(setLast, { series: 's', last: 999_999_998 });
    assert.equal(await take('last'), 999_999_999);
    assert.equal(await take('next'), 1);
    assert.equal(await take('last'), 999_999_999);
  });
}
