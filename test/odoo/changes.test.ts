/** Following the changes of a model, on each version of Odoo and each store; without Node-RED. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { SandboxOdoo } from '../../sandbox/odoo/index.ts';
import type { DeliveryReference } from '../../nodes/kernel/message.ts';
import { Failure, type FailureRecord } from '../../nodes/kernel/failure.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';
import { loadCheckpoint } from '../../nodes/odoo/changes/checkpoint.ts';
import { Follower, type FollowerOptions } from '../../nodes/odoo/changes/follower.ts';
import { InFlight, type OutgoingChange } from '../../nodes/odoo/changes/in-flight.ts';
import { ChangesReader, type ReaderOptions } from '../../nodes/odoo/changes/reader.ts';
import { SettleQueue } from '../../nodes/odoo/changes/settle-queue.ts';
import { waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';
import { clientOf, sandbox, versions } from './support.ts';

interface Sent {
  change: OutgoingChange;
  delivery: DeliveryReference;
}

interface Following {
  follower: Follower;
  flight: InFlight;
  /** All that went into the flow, in order. */
  sent: Sent[];
  problems: Failure[];
  /** Asks for a pass and waits for its end. */
  look(): Promise<void>;
  /** `kind id`, since the last call. */
  told(): string[];
  close(): Promise<void>;
}

type Options = Partial<FollowerOptions> &
  Partial<ReaderOptions> & {
    /** What the flow does with a change. Default: it is done. */
    flow?: (sent: Sent, flight: InFlight) => void;
    settleDeadline?: number;
  };

const open: { close(): Promise<void> }[] = [];
after(async () => {
  for (const one of open) await one.close();
});

const done = ({ delivery }: Sent, flight: InFlight) => void flight.settle(delivery.tag, { kind: 'done' });

function follow(odoo: SandboxOdoo, store: Store, options: Options = {}): Following {
  const client = options.client ?? clientOf(odoo, { attempts: 1 });
  const source = options.source ?? 'test';
  const sent: Sent[] = [];
  const problems: Failure[] = [];
  const flow = options.flow ?? done;
  let told = 0;
  const settled = new SettleQueue(store, source);
  const flight = new InFlight({
    id: 'changes',
    queue: 'odoo:res.partner',
    settleDeadline: options.settleDeadline ?? 60_000,
    emit: (change, delivery) => {
      const one = { change, delivery };
      sent.push(one);
      flow(one, flight);
    },
    record: async (change, refused) => {
      await settled.record(change, refused);
      follower.counted(refused !== undefined);
    },
    onProblem: (failure) => void problems.push(failure),
    onChange: () => undefined,
  });
  const reader = new ChangesReader({
    client: client as never,
    model: 'res.partner',
    fields: ['name', 'ref'],
    domain: [],
    archived: true,
    page: 10,
    ...options,
  } as ReaderOptions);
  const follower = new Follower({
    start: { kind: 'all' },
    overlap: 300,
    interval: 0,
    sweepInterval: 0,
    hintWindow: 10,
    onProblem: (failure) => void problems.push(failure),
    onChange: () => undefined,
    ...options,
    client,
    reader,
    store,
    source,
    flight,
  });
  const following: Following = {
    follower,
    flight,
    sent,
    problems,
    look: () => follower.ask('pass'),
    told: () => {
      const fresh = sent.slice(told);
      told = sent.length;
      return fresh.map(({ change }) => `${change.kind} ${change.id}`);
    },
    close: () => follower.close(0),
  };
  open.push(following);
  follower.start();
  return following;
}

const partner = (odoo: SandboxOdoo, name: string): number =>
  odoo.engine.transaction((env) => env.create('res.partner', { name }));

const rename = (odoo: SandboxOdoo, ids: number[], name: string): void =>
  odoo.engine.transaction((env) => env.write('res.partner', ids, { name }));

/** Stamps records as a transaction that began then would have; microseconds as PostgreSQL keeps them. */
function stamp(odoo: SandboxOdoo, ids: readonly number[], writeDate: string, createDate?: string): void {
  for (const id of ids) {
    const row = odoo.engine.db.get('res.partner').table.rows.get(id)!;
    row.write_date = writeDate;
    if (createDate !== undefined) row.create_date = createDate;
  }
}

/** All records of the seed lie in the past, long before any overlap. */
function age(odoo: SandboxOdoo): number[] {
  const ids = [...odoo.engine.db.get('res.partner').table.rows.keys()];
  stamp(odoo, ids, '2020-01-01 00:00:00.000000', '2020-01-01 00:00:00.000000');
  return ids;
}

/** `seconds` before now, as Odoo stores it. */
const ago = (seconds: number, micros = '000000'): string =>
  `${new Date(Date.now() - seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}.${micros}`;

for (const under of storesUnderTest()) {
  describe(`changes of a model (${under.name})`, under.options, () => {
    for (const version of versions) {
      test(`Odoo ${version}: records written within one second, read in small pages, come once each`, async () => {
        await using fixture = await under.fresh();
        const odoo = await sandbox(version);
        age(odoo);
        const ids = Array.from({ length: 25 }, (_, i) => partner(odoo, `P${i}`));
        // Within the second, the order by time is the reverse of that by id, as of transactions that overlap.
        const second = ago(30, '').slice(0, -1);
        for (const [i, id] of ids.entries()) stamp(odoo, [id], `${second}.${String(900_000 - i * 1_000)}`);
        const late = Array.from({ length: 7 }, (_, i) => partner(odoo, `L${i}`));
        const one = follow(odoo, fixture.store, {
          start: { kind: 'from', second: Math.floor(Date.now() / 1000) - 600 },
          page: 4,
        });
        await one.look();
        assert.deepEqual(
          one.sent.map(({ change }) => change.id).sort((a, b) => a - b),
          [...ids, ...late].sort((a, b) => a - b),
        );
        await one.look();
        assert.equal(one.sent.length, 32);
        assert.equal(new Set(one.sent.map(({ change }) => change.eventId)).size, 32);
      });

      test(`Odoo ${version}: one transaction that wrote more than a page comes whole`, async () => {
        await using fixture = await under.fresh();
        const odoo = await sandbox(version);
        age(odoo);
        const ids = Array.from({ length: 23 }, (_, i) => partner(odoo, `P${i}`));
        stamp(odoo, ids, ago(20, '123456'));
        const one = follow(odoo, fixture.store, { start: { kind: 'now' }, page: 5 });
        await one.look();
        assert.equal(one.sent.length, 0);
        rename(odoo, ids, 'all in one transaction');
        await one.look();
        assert.deepEqual(
          one.sent.map(({ change }) => change.id).sort((a, b) => a - b),
          ids,
        );
        await one.look();
        assert.equal(one.sent.length, 23);
      });

      test(`Odoo ${version}: a transaction that ends minutes after it began is not missed`, async () => {
        await using fixture = await under.fresh();
        const odoo = await sandbox(version);
        age(odoo);
        const one = follow(odoo, fixture.store, { start: { kind: 'now' } });
        await one.look();
        const first = partner(odoo, 'quick');
        await one.look();
        assert.deepEqual(one.told(), [`created ${first}`]);
        // It began 4 minutes before what has been seen, and shows only now.
        const slow = partner(odoo, 'slow');
        stamp(odoo, [slow], ago(240, '500000'), ago(240, '500000'));
        await one.look();
        assert.deepEqual(one.told(), [`created ${slow}`]);
        await one.look();
        assert.deepEqual(one.told(), []);
      });
    }

    test('a second write within the same second goes out under an id of its own', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      age(odoo);
      const one = follow(odoo, fixture.store, { start: { kind: 'now' } });
      await one.look();
      const id = partner(odoo, 'A');
      const second = ago(3, '100000');
      stamp(odoo, [id], second, second);
      await one.look();
      rename(odoo, [id], 'B');
      stamp(odoo, [id], second.replace('.100000', '.900000'));
      await one.look();
      await one.look();
      assert.deepEqual(
        one.sent.map(({ change }) => change.record.name),
        ['A', 'B'],
      );
      const [a, b] = one.sent.map(({ change }) => change.eventId);
      assert.match(a!, new RegExp(`^res\\.partner:${id}:\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$`));
      assert.match(b!, /Z~[0-9a-f]{8}$/);
      assert.ok(b!.startsWith(a!));
    });

    test('created, changed and archived are told apart', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      const [old] = age(odoo);
      const one = follow(odoo, fixture.store, { start: { kind: 'now' } });
      await one.look();
      const id = partner(odoo, 'new');
      rename(odoo, [old!], 'changed');
      await one.look();
      assert.deepEqual(one.told().sort(), [`changed ${old}`, `created ${id}`].sort());
      stamp(odoo, [id, old!], ago(60));
      await one.look();
      one.told();
      odoo.engine.transaction((env) => env.write('res.partner', [id], { active: false }));
      await one.look();
      assert.deepEqual(one.told(), [`archived ${id}`]);
      odoo.engine.transaction((env) => env.write('res.partner', [id], { active: true, name: 'again' }));
      stamp(odoo, [id], ago(10));
      await one.look();
      assert.deepEqual(one.told(), [`changed ${id}`]);
    });

    test('a page that was not settled before a crash comes again with the same event ids, what was settled does not', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      age(odoo);
      const ids = Array.from({ length: 6 }, (_, i) => partner(odoo, `P${i}`));
      const settled: Promise<unknown>[] = [];
      const first = follow(odoo, fixture.store, {
        start: { kind: 'from', second: Math.floor(Date.now() / 1000) - 600 },
        flow: ({ change, delivery }, flight) => {
          if (change.id % 2 === 0) settled.push(flight.settle(delivery.tag, { kind: 'done' }));
        },
      });
      const looking = first.look();
      await waitUntil('the page is in the flow', () => first.sent.length === 6 && first.flight.size === 3);
      await Promise.all(settled);
      await first.close();
      await assert.rejects(looking);
      const ending = first.sent.find(({ change }) => change.id % 2 === 1)!;
      assert.equal((await first.flight.settle(ending.delivery.tag, { kind: 'done' })).result, 'already-settled');

      const second = follow(odoo, fixture.store);
      assert.equal((await second.flight.settle(ending.delivery.tag, { kind: 'done' })).result, 'stale');
      await second.look();
      assert.deepEqual(
        second.sent.map(({ change }) => change.eventId).sort(),
        first.sent
          .filter(({ change }) => change.id % 2 === 1)
          .map(({ change }) => change.eventId)
          .sort(),
      );
      assert.ok(second.sent.every(({ change }) => change.kind === 'created' && ids.includes(change.id)));
      await second.look();
      assert.equal(second.sent.length, 3);
    });

    test('nothing comes twice after a restart, and what happened meanwhile comes', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      const first = follow(odoo, fixture.store, { page: 7 });
      await first.look();
      const before = first.sent.length;
      assert.equal(before, odoo.records('res.partner').length);
      await first.close();
      const id = partner(odoo, 'meanwhile');
      const second = follow(odoo, fixture.store);
      await second.look();
      assert.deepEqual(second.told(), [`created ${id}`]);
    });

    test('the next page is read when this one is settled, and the watermark waits for it', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      age(odoo);
      for (let i = 0; i < 12; i++) stamp(odoo, [partner(odoo, `P${i}`)], `2024-01-01 00:00:${10 + i}.000000`);
      const held: Sent[] = [];
      const one = follow(odoo, fixture.store, {
        start: { kind: 'from', second: Date.parse('2023-01-01T00:00:00Z') / 1000 },
        page: 5,
        flow: (sent) => void held.push(sent),
      });
      const looking = one.look();
      await waitUntil('the first page is in the flow', () => held.length === 4);
      const checkpoint = await fixture.store.run(loadCheckpoint, { source: 'test' });
      assert.equal(checkpoint?.watermark, Date.parse('2023-01-01T00:00:00Z') / 1000);
      const release = setInterval(() => {
        for (const sent of held.splice(0)) void one.flight.settle(sent.delivery.tag, { kind: 'done' });
        assert.ok(one.flight.size <= 5);
      }, 5);
      await looking.finally(() => clearInterval(release));
      assert.equal(one.sent.length, 12);
    });

    test('a deleted record is found by the search, one that left the filter is not told', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      age(odoo);
      const [a, b, c] = ['A', 'B', 'C'].map((name) => partner(odoo, name)) as [number, number, number];
      const one = follow(odoo, fixture.store, {
        start: { kind: 'all' },
        sweepInterval: 3_600_000,
        domain: [['name', '!=', 'left']],
      });
      await one.look();
      await one.follower.ask('sweep');
      one.told();
      odoo.engine.transaction((env) => env.unlink('res.partner', [a, c]));
      rename(odoo, [b], 'left');
      await one.follower.ask('sweep');
      assert.deepEqual(one.told(), [`deleted ${a}`, `deleted ${c}`]);
      assert.deepEqual(one.sent.at(-1)?.change.eventId, `res.partner:${c}:deleted`);
      await one.follower.ask('sweep');
      assert.deepEqual(one.told(), []);
    });

    test('what the flow refuses for good is set aside and goes out again when asked; the others go on', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      age(odoo);
      let broken = true;
      const bad = partner(odoo, 'bad');
      const one = follow(odoo, fixture.store, {
        start: { kind: 'from', second: Math.floor(Date.now() / 1000) - 600 },
        flow: ({ change, delivery }, flight) => {
          const failure: FailureRecord = { class: 'data-quality', code: 'BAD', retryable: false, message: 'No.' };
          void flight.settle(
            delivery.tag,
            broken && change.id === bad ? { kind: 'failed', failure } : { kind: 'done' },
          );
        },
      });
      await one.look();
      const good = partner(odoo, 'good');
      await one.look();
      assert.deepEqual(one.told(), [`created ${bad}`, `created ${good}`]);
      assert.equal(one.problems[0]?.code, 'ODOO_CHANGE_SET_ASIDE');
      assert.equal((await fixture.store.run(loadCheckpoint, { source: 'test' }))?.setAside, 1);
      broken = false;
      await one.follower.ask('retry');
      assert.deepEqual(one.told(), [`created ${bad}`]);
      assert.equal(one.sent[0]?.change.eventId, one.sent.at(-1)?.change.eventId);
      assert.equal(one.follower.status.setAside, 0);
    });

    test('5,000 records are gone through with one page in memory, and progress is told', async () => {
      await using fixture = await under.fresh();
      const odoo = await sandbox();
      age(odoo);
      odoo.engine.transaction((env) => {
        for (let i = 0; i < 5_000; i++) env.create('res.partner', { name: `B${i}` });
      });
      const made = odoo.records('res.partner').filter(({ name }) => /^B\d/.test(String(name)));
      for (const [i, row] of made.entries()) {
        const at = `2024-03-01 ${String(Math.floor(i / 3600)).padStart(2, '0')}:${String(Math.floor(i / 60) % 60).padStart(2, '0')}:${String(i % 60).padStart(2, '0')}.5`;
        stamp(odoo, [row.id as number], at.padEnd(26, '0'));
      }
      let most = 0;
      let progress = 0;
      const seen = new Set<string>();
      const one: Following = follow(odoo, fixture.store, {
        start: { kind: 'from', second: Date.parse('2024-01-01T00:00:00Z') / 1000 },
        page: 200,
        flow: ({ change, delivery }, flight) => {
          most = Math.max(most, flight.size);
          seen.add(change.eventId);
          progress = Math.max(progress, one?.follower.status.progress?.total ?? 0);
          void flight.settle(delivery.tag, { kind: 'done' });
        },
      });
      await one.look();
      assert.equal(one.sent.length, 5_000);
      assert.equal(seen.size, 5_000);
      assert.ok(most <= 200, `${most} at once`);
      assert.equal(progress, 5_000);
    });
  });
}

const sqlite = storesUnderTest()[0]!;

test('with Odoo down nothing is lost: told once, and what happened meanwhile comes when it is back', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  age(odoo);
  const one = follow(odoo, fixture.store, { start: { kind: 'now' } });
  await one.look();
  await odoo.down();
  await assert.rejects(one.look());
  await assert.rejects(one.look());
  assert.equal(one.follower.status.problem?.class, 'dependency-outage');
  assert.equal(one.problems.length, 1);
  const id = partner(odoo, 'meanwhile');
  await odoo.up();
  await one.look();
  assert.deepEqual(one.told(), [`created ${id}`]);
  assert.equal(one.follower.status.problem, undefined);
});

test('Odoo down in the middle of a long pass: the pass goes on from the last settled page', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  age(odoo);
  for (let i = 0; i < 30; i++) stamp(odoo, [partner(odoo, `P${i}`)], `2024-01-01 00:00:${10 + i}.000000`);
  let n = 0;
  const one = follow(odoo, fixture.store, {
    start: { kind: 'from', second: Date.parse('2023-01-01T00:00:00Z') / 1000 },
    flow: ({ delivery }, flight) => {
      n++;
      const settle = () => void flight.settle(delivery.tag, { kind: 'done' });
      if (n === 12) void odoo.down().then(settle);
      else settle();
    },
  });
  await assert.rejects(one.look());
  await odoo.up();
  await one.look();
  assert.equal(one.sent.length, 30);
  assert.equal(new Set(one.sent.map(({ change }) => change.id)).size, 30);
});

test('a hint has its record read at once; a repeated or a late one changes nothing', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  age(odoo);
  const one = follow(odoo, fixture.store, { start: { kind: 'now' }, page: 100, hintRetries: [] });
  await one.look();
  const id = partner(odoo, 'hinted');
  odoo.log.clear();
  for (let i = 0; i < 12; i++) one.follower.hint(id);
  await waitUntil('the record was read', () => one.sent.length === 1);
  await one.look();
  const reads = odoo.log.list({ model: 'res.partner', method: 'search_read' });
  assert.equal(reads.length, 2, 'one for the hints, one for the look');
  one.follower.hint(id);
  await waitUntil('it was looked at', () => odoo.log.list({ method: 'search_read' }).length === 3);
  await one.look();
  assert.deepEqual(one.told(), [`created ${id}`]);
});

test('a hint that comes before the record is committed (Odoo 18) is looked for again', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox('18');
  age(odoo);
  const one = follow(odoo, fixture.store, { start: { kind: 'now' }, page: 100, hintRetries: [50, 500, 2_000] });
  await one.look();
  odoo.log.clear();
  const next = Math.max(...odoo.engine.db.get('res.partner').table.rows.keys()) + 1;
  one.follower.hint(next);
  await waitUntil('it was looked for', () => odoo.log.list({ method: 'search_read' }).length >= 1);
  const id = partner(odoo, 'late');
  assert.equal(id, next);
  await waitUntil('it came', () => one.sent.length === 1);
});

test('a change that nobody settles is reported and goes out again, as the next attempt', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  age(odoo);
  partner(odoo, 'forgotten');
  const one = follow(odoo, fixture.store, {
    start: { kind: 'from', second: Math.floor(Date.now() / 1000) - 600 },
    settleDeadline: 1,
    flow: (sent, flight) => {
      if (sent.delivery.attempt > 1) done(sent, flight);
    },
  });
  await one.look();
  assert.deepEqual(
    one.sent.map(({ delivery }) => [delivery.attempt, delivery.redelivered]),
    [
      [1, false],
      [2, true],
    ],
  );
  assert.equal(one.problems[0]?.code, 'ODOO_CHANGE_UNSETTLED');
  assert.equal(one.sent[0]?.change.eventId, one.sent[1]?.change.eventId);
});

test('after a deploy that left the source in place, what was in replaced nodes goes out again', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  age(odoo);
  partner(odoo, 'lost');
  const one = follow(odoo, fixture.store, {
    start: { kind: 'from', second: Math.floor(Date.now() / 1000) - 600 },
    flow: (sent, flight) => {
      if (sent.delivery.redelivered) done(sent, flight);
    },
  });
  const looking = one.look();
  await waitUntil('it is in the flow', () => one.sent.length === 1);
  one.follower.pause();
  one.follower.start();
  one.flight.hold();
  one.flight.resume(10);
  await looking;
  assert.equal(one.sent.length, 2);
  assert.equal(one.sent[1]?.delivery.attempt, 1);
});

test('a store that does not take a settle has the change go out again', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  age(odoo);
  let away = true;
  const store: Store = {
    ...fixture.store,
    engine: fixture.store.engine,
    run: async (operation, args) => {
      if (operation.name === 'settleChanges' && away) {
        away = false;
        throw new Failure('dependency-outage', 'STORE_UNAVAILABLE', 'Away.');
      }
      return await fixture.store.run(operation, args);
    },
  };
  partner(odoo, 'twice');
  const one = follow(odoo, store, {
    start: { kind: 'from', second: Math.floor(Date.now() / 1000) - 600 },
    flow: ({ delivery }, flight) => void flight.settle(delivery.tag, { kind: 'done' }).catch(() => undefined),
  });
  await one.look();
  assert.equal(one.sent.length, 2);
  assert.equal(one.sent[0]?.change.eventId, one.sent[1]?.change.eventId);
});

/** Small, fast and the same everywhere (mulberry32). */
function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

for (const version of versions) {
  test(`Odoo ${version}: of writes in any order, late transactions and restarts, every last state comes, none of them twice settled`, async () => {
    for (const seed of [1, 2, 3]) {
      const roll = dice(seed);
      await using fixture = await sqlite.fresh();
      const odoo = await sandbox(version);
      age(odoo);
      const ids = Array.from({ length: 12 }, (_, i) => partner(odoo, `P${i}`));
      stamp(odoo, ids, '2021-01-01 00:00:00.000000', '2021-01-01 00:00:00.000000');
      let clock = Date.parse('2024-01-01T00:00:00Z');
      const settled: string[] = [];
      const last = new Map<number, string>();
      const flow: Options['flow'] = ({ change, delivery }, flight) => {
        // Some stay open, until the source is closed.
        if (stuck && roll(4) === 0) return;
        settled.push(change.eventId);
        last.set(change.id, String(change.record.name));
        void flight.settle(delivery.tag, { kind: 'done' });
      };
      let stuck = false;
      const options: Options = { page: 1 + roll(6), flow, start: { kind: 'from', second: clock / 1000 - 1 } };
      let one = follow(odoo, fixture.store, options);
      for (let step = 0; step < 40; step++) {
        clock += roll(3) * 700;
        for (let n = roll(5); n > 0; n--) {
          const id = ids[roll(ids.length)]!;
          // Begun up to four minutes ago, but after the record's last commit, as PostgreSQL demands.
          const row = odoo.engine.db.get('res.partner').table.rows.get(id)!;
          const floor = Date.parse(`${String(row.write_date).slice(0, 23).replace(' ', 'T')}Z`) + 1;
          const at = new Date(Math.max(floor, clock - roll(240_000)));
          rename(odoo, [id], `S${seed}-${step}-${n}`);
          stamp(odoo, [id], `${at.toISOString().slice(0, 23).replace('T', ' ')}${String(roll(1000)).padStart(3, '0')}`);
        }
        if (roll(8) === 0) {
          stuck = true;
          const looking = one.look().catch(() => undefined);
          await waitUntil('the look stands still or is over', async () => {
            const before = one.sent.length;
            await new Promise((resolve) => setTimeout(resolve, 20));
            return one.sent.length === before;
          });
          await one.close();
          await looking;
          stuck = false;
          one = follow(odoo, fixture.store, options);
        } else if (roll(2) === 0) await one.look();
      }
      await one.look();
      for (const id of ids) {
        const row = odoo.engine.db.get('res.partner').table.rows.get(id)!;
        if (String(row.write_date) < '2024') continue;
        assert.equal(last.get(id), row.name, `seed ${seed}, record ${id}`);
      }
      assert.equal(new Set(settled).size, settled.length, `seed ${seed}: settled twice`);
      await one.close();
    }
  });
}

test('a quiet model is soon read no more: the window closes with time, not with the next change', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  age(odoo);
  const ids = Array.from({ length: 5 }, (_, i) => partner(odoo, `P${i}`));
  stamp(odoo, ids, '2024-01-01 00:00:00.000000');
  const one = follow(odoo, fixture.store, {
    start: { kind: 'from', second: Date.parse('2023-01-01T00:00:00Z') / 1000 },
    overlap: 1,
  });
  await one.look();
  const newest = Date.parse('2024-01-01T00:00:00Z') / 1000;
  await waitUntil('the watermark has passed the last change', async () => {
    await one.look();
    return (await fixture.store.run(loadCheckpoint, { source: 'test' }))!.watermark > newest;
  });
  assert.equal(one.sent.length, 5);
});

test('money goes out as decimal strings, nothing as null, and no field that was not named', async () => {
  await using fixture = await sqlite.fresh();
  const odoo = await sandbox();
  const one = follow(odoo, fixture.store, {
    model: 'product.product',
    fields: ['default_code', 'list_price', 'barcode'],
    domain: [['default_code', '=', 'GLOVE-M']],
  });
  await one.look();
  const record = one.sent[0]!.change.record;
  assert.deepEqual(Object.keys(record).sort(), ['barcode', 'default_code', 'id', 'list_price']);
  assert.equal(typeof record.list_price, 'string');
});
