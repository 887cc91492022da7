/** Breaks from run to run, on both stores: stable ids, resolved by itself or by a person, and proofs that hold. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { listAudit, verifyAudit } from '../../nodes/kernel/audit/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import {
  assignBreaks,
  breakId,
  listBreaks,
  listRuns,
  overviewOfBreaks,
  recordRun,
  resolveBreaks,
  verifyRuns,
} from '../../nodes/reconciliation/breaks.ts';
import { compareSides } from '../../nodes/reconciliation/compare.ts';
import { sql } from '../kernel/store/operations.ts';
import { type StoreFixture, storesUnderTest } from '../support/store.ts';

type Stock = Record<string, string>;
const scope = 'inventory.central';
const names = { left: 'the count', right: 'Odoo' };

function comparison(left: Stock, right: Stock) {
  const rows = (stock: Stock) => Object.entries(stock).map(([product, quantity]) => ({ product, quantity }));
  return compareSides(
    { left: rows(left), right: rows(right) },
    { keys: ['product'], lot: '', quantity: 'quantity', pack: 'pack', price: '', tolerance: '0', names },
  );
}

const run = ({ store }: StoreFixture, name: string, left: Stock, right: Stock, asOf?: number) =>
  store.run(recordRun, {
    scope,
    run: name,
    comparison: comparison(left, right),
    names,
    node: 'n',
    ...(asOf === undefined ? {} : { asOf }),
  });
const act = () => ({ token: randomUUID(), actor: 'steward', reason: 'looked at it' });
const refusedAs = (code: string) => (error: unknown) => error instanceof Failure && error.code === code;

for (const { name, options, fresh } of storesUnderTest()) {
  const promise = (title: string, body: (fixture: StoreFixture) => Promise<void>): void => {
    void test(`${title} (${name})`, options, async () => {
      await using fixture = await fresh();
      await body(fixture);
    });
  };

  promise(
    'a break opens, is seen again under its id, and is resolved by itself when the key is clean',
    async (fixture) => {
      const first = await run(fixture, 'd1', { A: '7', B: '5' }, { A: '10', B: '5' });
      assert.deepEqual([first.summary.opened, first.summary.open, first.summary.matched], [1, 1, 1]);
      const id = breakId(scope, '{"product":"A"}', 1);
      assert.equal(first.opened[0]!.id, id);
      const second = await run(fixture, 'd2', { A: '6', B: '5' }, { A: '10', B: '5' });
      assert.deepEqual([second.summary.opened, second.summary.seenAgain, second.summary.open], [0, 1, 1]);
      const [open] = (await fixture.store.run(listBreaks, { filter: { state: 'open' } })).breaks;
      assert.deepEqual(
        [open!.id, open!.difference, open!.times, open!.openedRun, open!.seenRun],
        [id, '-4', 2, 'd1', 'd2'],
      );
      const third = await run(fixture, 'd3', { A: '10', B: '5' }, { A: '10', B: '5' });
      assert.deepEqual([third.summary.resolved, third.summary.open, third.resolved[0]!.id], [1, 0, id]);
      assert.equal(third.resolved[0]!.resolution, 'clean-run');
    },
  );

  promise('a key that differs again opens its next occurrence, with its owner', async (fixture) => {
    await run(fixture, 'd1', { A: '7' }, { A: '10' });
    const id = breakId(scope, '{"product":"A"}', 1);
    await fixture.store.run(assignBreaks, { ...act(), ids: [id], owner: 'store keeper' });
    await run(fixture, 'd2', { A: '10' }, { A: '10' });
    const again = await run(fixture, 'd3', { A: '9' }, { A: '10' });
    assert.deepEqual(
      [again.opened[0]!.id, again.opened[0]!.occurrence, again.opened[0]!.owner],
      [breakId(scope, '{"product":"A"}', 2), 2, 'store keeper'],
    );
  });

  promise('the same run with the same sides changes nothing; with others it is a run of its own', async (fixture) => {
    const first = await run(fixture, 'd1', { A: '7' }, { A: '10' });
    const again = await run(fixture, 'd1', { A: '7' }, { A: '10' });
    assert.equal(again.kind, 'repeated');
    assert.deepEqual(again.summary, first.summary);
    const corrected = await run(fixture, 'd1', { A: '10' }, { A: '10' });
    assert.deepEqual([corrected.kind, corrected.summary.number, corrected.summary.resolved], ['recorded', 2, 1]);
  });

  promise('sides older than those of the last run are refused and change nothing', async (fixture) => {
    await run(fixture, 'd2', { A: '10' }, { A: '10' }, 2_000_000);
    await assert.rejects(run(fixture, 'd1', { A: '7' }, { A: '10' }, 1_000_000), refusedAs('RECONCILE_STALE'));
    assert.equal((await fixture.store.run(listRuns, { scope, limit: 10 })).length, 1);
  });

  promise('sides that do not fit each other open no thousands of breaks', async (fixture) => {
    const left = Object.fromEntries(Array.from({ length: 5_001 }, (_, n) => [`P${n}`, '1']));
    const right = Object.fromEntries(Object.keys(left).map((key) => [key, '2']));
    await assert.rejects(run(fixture, 'd1', left, right), refusedAs('RECONCILE_NOT_COMPARABLE'));
    assert.deepEqual((await fixture.store.run(listBreaks, { filter: {} })).breaks, []);
  });

  promise('a run after one that failed or was late covers both', async (fixture) => {
    await run(fixture, 'd1', { A: '10', B: '5' }, { A: '10', B: '5' });
    const late = await run(fixture, 'd3', { A: '7', B: '4' }, { A: '10', B: '5' });
    assert.deepEqual(
      [late.summary.opened, late.summary.previousProof],
      [2, (await fixture.store.run(listRuns, { scope, limit: 5 }))[1]!.proof],
    );
  });

  promise('every run is proved by the one before; a changed or a missing one is found', async (fixture) => {
    for (let n = 1; n <= 4; n++) await run(fixture, `d${n}`, { A: String(n) }, { A: '10' });
    const sound = await fixture.store.run(verifyRuns, { scope });
    assert.equal(sound.kind, 'intact');
    await fixture.store.run(sql, {
      text: 'UPDATE recon_runs SET summary = replace(summary, \'"matched":0\', \'"matched":1\') WHERE number = 2',
    });
    assert.deepEqual(await fixture.store.run(verifyRuns, { scope }), { kind: 'broken', number: 2 });
    await fixture.store.run(sql, { text: 'DELETE FROM recon_runs WHERE number = 2' });
    assert.deepEqual(await fixture.store.run(verifyRuns, { scope }), { kind: 'broken', number: 2 });
  });

  promise('a person resolves with a reason, once for a press; what still differs opens again', async (fixture) => {
    await run(fixture, 'd1', { A: '7', B: '1' }, { A: '10', B: '2' });
    const ids = (await fixture.store.run(listBreaks, { filter: { state: 'open' } })).breaks.map(({ id }) => id);
    const press = { ...act(), ids, resolution: 'counted' as const };
    assert.deepEqual(await fixture.store.run(resolveBreaks, press), { count: 2 });
    assert.deepEqual(await fixture.store.run(resolveBreaks, press), { count: 2 }, 'the same press again');
    await assert.rejects(fixture.store.run(resolveBreaks, { ...press, ...act() }), refusedAs('BREAK_NOT_OPEN'));
    const next = await run(fixture, 'd2', { A: '7', B: '2' }, { A: '10', B: '2' });
    assert.deepEqual([next.summary.opened, next.summary.resolved, next.opened[0]!.occurrence], [1, 0, 2]);
    const { records } = await fixture.store.run(listAudit, { order: 'oldest-first' });
    assert.deepEqual(
      records.map(({ action, actor }) => [action, actor]),
      [
        ['reconciliation.run', 'flow'],
        ['reconciliation.resolved', 'steward'],
        ['reconciliation.resolved', 'steward'],
        ['reconciliation.run', 'flow'],
      ],
    );
    assert.equal((await verifyAudit(fixture.store)).kind, 'intact');
  });

  promise('breaks are found by class, owner and words, the oldest first, page by page', async (fixture) => {
    const left = Object.fromEntries(Array.from({ length: 130 }, (_, n) => [`P_${n}`, n % 2 === 0 ? '1' : '30']));
    const right = Object.fromEntries(Object.keys(left).map((key) => [key, '10']));
    await run(fixture, 'd1', left, right);
    const list = (filter: object, after?: number) =>
      fixture.store.run(listBreaks, { filter, ...(after === undefined ? {} : { after }) });
    const first = await list({ state: 'open' });
    const rest = await list({ state: 'open' }, first.next);
    assert.equal(new Set([...first.breaks, ...rest.breaks].map(({ id }) => id)).size, 130);
    assert.equal(rest.next, undefined);
    assert.equal((await list({ class: 'loss' })).breaks.length, 65);
    assert.equal((await list({ text: 'p_77' })).breaks.length, 1, 'and not P-77 or PX77');
    await fixture.store.run(assignBreaks, { ...act(), ids: [first.breaks[0]!.id], owner: 'anna' });
    assert.equal((await list({ owner: 'anna' })).breaks.length, 1);
    assert.equal((await list({ owner: '-', class: first.breaks[0]!.class })).breaks.length, 64);
    const [overview] = await fixture.store.run(overviewOfBreaks, undefined);
    assert.deepEqual([overview!.open, overview!.unowned, overview!.byClass], [130, 129, { loss: 65, surplus: 65 }]);
  });

  promise('two runs of one scope at once leave one open break a key', async (fixture) => {
    await Promise.all(Array.from({ length: 8 }, (_, n) => run(fixture, `d${n}`, { A: String(n) }, { A: '10' })));
    assert.equal((await fixture.store.run(listBreaks, { filter: { state: 'open' } })).breaks.length, 1);
    assert.equal((await fixture.store.run(verifyRuns, { scope })).kind, 'intact');
  });
}
