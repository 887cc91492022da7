/** The journal of messages: what is kept of one, how it is found, and that it costs the message nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { flowOfPartner, hopLimit, type JournalEntry, outcomes } from '../../nodes/console/journal/entry.ts';
import { trimJournal } from '../../nodes/console/journal/journal.ts';
import { KeyReader } from '../../nodes/console/journal/keys.ts';
import { JournalRecorder } from '../../nodes/console/journal/recorder.ts';
import { type JournalFilter, journalPartners, readLife, searchJournal } from '../../nodes/console/journal/search.ts';
import { journalOverflow, writeJournal } from '../../nodes/console/journal/write.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import type { Store } from '../../nodes/kernel/store/index.ts';
import { listTables, countRows } from '../../nodes/kernel/store/transfer/tables.ts';
import { waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

const base = 1_790_000_000_000;

function entry(number: number, more: Partial<JournalEntry> = {}): JournalEntry {
  return {
    id: `m-${number}`,
    startedAt: base + number,
    changedAt: base + number,
    outcome: 'done',
    outcomeAt: base + number,
    partner: number % 2 === 0 ? 'urn:acme' : 'urn:globex',
    correlationId: `c-${number % 10}`,
    eventType: 'order.placed',
    subject: `ACME/PO-${number}`,
    flow: 'receive',
    attempts: 1,
    terms: [
      'flow:receive',
      flowOfPartner('receive', number % 2 === 0 ? 'urn:acme' : 'urn:globex'),
      `corr:c-${number % 10}`,
      `key:acme/po-${number}`,
      `key:po-${number}`,
    ],
    hops: [{ t: base + number, d: 2, n: 'node', s: 'amqp-publish', f: 'receive' }],
    ...more,
  };
}

const found = async (store: Store, filter: object, scope?: object, limit = 50) =>
  (await store.run(searchJournal, { filter, limit, ...(scope === undefined ? {} : { scope }) })).messages.map(
    ({ id }) => id,
  );

for (const under of storesUnderTest()) {
  test(
    `a message is found by order number, its beginning, correlation id and message id (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      await store.run(
        writeJournal,
        Array.from({ length: 30 }, (_, n) => entry(n)),
      );
      assert.deepEqual(await found(store, { text: ' po-7 ' }), ['m-7']);
      // What is meant exactly comes first, however old it is.
      assert.deepEqual(await found(store, { text: 'PO-2' }), [
        'm-2',
        'm-29',
        'm-28',
        'm-27',
        'm-26',
        'm-25',
        'm-24',
        'm-23',
        'm-22',
        'm-21',
        'm-20',
      ]);
      assert.deepEqual(await found(store, { text: 'c-3' }), ['m-23', 'm-13', 'm-3']);
      assert.deepEqual(await found(store, { text: 'm-12' }), ['m-12']);
      assert.deepEqual(await found(store, { text: '%' }), []);
      assert.deepEqual(await found(store, { text: 'PO-2', partner: 'urn:globex', from: base + 25 }), [
        'm-29',
        'm-27',
        'm-25',
      ]);
    },
  );

  test(
    `filters combine, and pages follow one another without a gap or a repetition (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      await store.run(
        writeJournal,
        // All begin at the same instant: the id decides the order.
        Array.from({ length: 25 }, (_, n) => entry(n, { startedAt: base, outcome: n % 5 === 0 ? 'dead' : 'done' })),
      );
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await store.run(searchJournal, {
          filter: { flow: 'receive' },
          limit: 10,
          ...(after === undefined ? {} : { after }),
        });
        seen.push(...page.messages.map(({ id }) => id));
        after = page.next;
      } while (after !== undefined);
      assert.equal(seen.length, 25);
      assert.equal(new Set(seen).size, 25);
      assert.deepEqual((await found(store, { outcomes: ['dead'], partner: 'urn:acme', flow: 'receive' })).sort(), [
        'm-0',
        'm-10',
        'm-20',
      ]);
      assert.deepEqual(await found(store, { flow: 'elsewhere' }), []);
      assert.deepEqual(await store.run(journalPartners, undefined), ['urn:acme', 'urn:globex']);
    },
  );

  test(`every filter in every scope finds what it says and nothing else (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const partners = ['urn:acme', 'urn:globex', 'urn:rare'];
    const ways = [['receive'], ['receive', 'place'], ['place'], ['stock']];
    const all = Array.from({ length: 400 }, (_, n) => {
      const flows = ways[n % 4]!;
      const partner = n % 50 === 7 ? 'urn:rare' : partners[n % 2]!;
      // Two of each instant: the id decides between them.
      const startedAt = base + Math.floor(n / 2);
      const outcome = outcomes[n % 11 < 9 ? n % 11 : 5]!;
      return {
        flows,
        ...entry(n, {
          startedAt,
          partner,
          outcome,
          flow: flows[0]!,
          terms: flows.flatMap((flow) => [`flow:${flow}`, flowOfPartner(flow, partner)]),
        }),
      };
    });
    await store.run(
      writeJournal,
      all.map(({ flows: _, ...one }) => one),
    );
    const order = (await found(store, {}, undefined, 200)).concat(
      await found(store, { to: base + 100 }, undefined, 200),
    );
    assert.equal(new Set(order).size, 400);
    const filters = [
      {},
      { flow: 'place' },
      { partner: 'urn:rare' },
      { flow: 'receive', partner: 'urn:rare' },
      { from: base + 20, to: base + 160 },
      { flow: 'receive', from: base + 150 },
    ];
    const chosen = [
      undefined,
      [],
      ['dead'],
      ['dead', 'rejected'],
      ['open', 'queued'],
      ['done'],
      ['done', 'dead'],
    ] as const;
    const scopes = [
      {},
      { partners: ['urn:globex'] },
      { partners: ['urn:rare', 'urn:acme'] },
      { flows: ['place', 'stock'] },
      { flows: ['nowhere'] },
      { flows: [] },
      { partners: ['urn:rare'], flows: ['receive', 'place'] },
      { flows: Array.from({ length: 30 }, (_, n) => (n === 3 ? 'stock' : `flow-${n}`)) },
    ];
    let matches = 0;
    for (const filter of filters) {
      for (const wanted of chosen) {
        for (const scope of scopes as { partners?: string[]; flows?: string[] }[]) {
          const { flow, partner, from, to } = filter as JournalFilter;
          const expected = all.filter(
            (one) =>
              (flow === undefined || one.flows.includes(flow)) &&
              (partner === undefined || one.partner === partner) &&
              (from === undefined || one.startedAt >= from) &&
              (to === undefined || one.startedAt < to) &&
              (wanted === undefined || (wanted as readonly string[]).includes(one.outcome!)) &&
              (scope.partners?.includes(one.partner!) ?? true) &&
              (scope.flows?.some((each) => one.flows.includes(each)) ?? true),
          );
          const ids = new Set(expected.map(({ id }) => id));
          const seen: string[] = [];
          let after: string | undefined;
          do {
            const page = await store.run(searchJournal, {
              filter: { ...filter, ...(wanted === undefined ? {} : { outcomes: [...wanted] }) },
              scope,
              limit: 70,
              ...(after === undefined ? {} : { after }),
            });
            seen.push(...page.messages.map(({ id }) => id));
            after = page.next;
          } while (after !== undefined);
          const expectedIds = order.filter((id) => ids.has(id));
          assert.deepEqual(seen, expectedIds, JSON.stringify([filter, wanted, scope]));
          matches += seen.length;
        }
      }
    }
    assert.ok(matches > 5_000, `${matches} matches`);
  });

  test(
    `pages of a text show its exact matches, then the others, each once (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      // Seven of the number 1, and ten whose number begins with it.
      await store.run(
        writeJournal,
        Array.from({ length: 30 }, (_, n) => entry(n, n < 7 ? { terms: ['flow:receive', 'key:po-1'] } : {})),
      );
      const expected = [6, 5, 4, 3, 2, 1, 0, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10].map((n) => `m-${n}`);
      // 7: a page that is full with exact ones, and no more of them.
      for (const limit of [2, 3, 7, 8, 17, 50]) {
        const seen: string[] = [];
        let after: string | undefined;
        do {
          const page = await store.run(searchJournal, {
            filter: { text: 'po-1' },
            limit,
            ...(after === undefined ? {} : { after }),
          });
          seen.push(...page.messages.map(({ id }) => id));
          after = page.next;
        } while (after !== undefined);
        assert.deepEqual(seen, expected, `pages of ${limit}`);
      }
    },
  );

  test(`a partner-scoped person finds nothing of others, by no way (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    await store.run(
      writeJournal,
      Array.from({ length: 10 }, (_, n) =>
        entry(n, { correlationId: 'c', terms: ['flow:receive', 'corr:c', `key:po-${n}`] }),
      ),
    );
    const scope = { partners: ['urn:acme'] };
    assert.deepEqual(await found(store, { text: 'po-3' }, scope), []);
    assert.deepEqual(await found(store, { text: 'm-3' }, scope), []);
    assert.deepEqual(await found(store, { partner: 'urn:globex' }, scope), []);
    assert.equal((await found(store, {}, scope)).length, 5);
    assert.equal(await store.run(readLife, { id: 'm-3', scope }), undefined);
    const life = await store.run(readLife, { id: 'm-2', scope });
    assert.deepEqual(
      life?.related.map(({ id }) => id),
      ['m-0', 'm-4', 'm-6', 'm-8'],
    );
    assert.deepEqual(await found(store, {}, { flows: [] }), []);
    assert.equal((await found(store, {}, { flows: ['receive'] })).length, 10);
  });

  test(
    `news of two processes makes one life, whatever order it is written in (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const received = entry(1, { outcome: 'queued', outcomeAt: base + 10, changedAt: base + 10 });
      const dead = entry(1, {
        startedAt: base + 20,
        changedAt: base + 30,
        outcome: 'dead',
        outcomeAt: base + 30,
        attempts: 3,
        failure: { class: 'data-quality', code: 'UNKNOWN_UNIT', message: 'Unit "bx" is not known.', node: 'map' },
        terms: ['flow:place', 'key:po-1'],
        hops: [{ t: base + 20, d: 5, n: 'map', s: 'canonical-mapper', c: 'data-quality', e: 'UNKNOWN_UNIT' }],
      });
      await store.run(writeJournal, [dead]);
      await store.run(writeJournal, [received]);
      const life = await store.run(readLife, { id: 'm-1' });
      assert.equal(life?.message.outcome, 'dead');
      assert.equal(life?.message.failure?.code, 'UNKNOWN_UNIT');
      assert.equal(life?.message.attempts, 3);
      assert.deepEqual(
        life?.hops.map(({ n }) => n),
        ['node', 'map'],
      );
      assert.deepEqual(await found(store, { flow: 'place' }), ['m-1']);
      assert.deepEqual(await found(store, { flow: 'receive' }), ['m-1']);
    },
  );

  test(`a message that goes round in circles does not fill the store (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const hops = Array.from({ length: 40 }, (_, n) => ({ t: base + n, d: 1, n: `n${n}`, s: 'odoo-rpc' }));
    for (let i = 0; i < 4; i++) await store.run(writeJournal, [entry(1, { hops })]);
    const life = await store.run(readLife, { id: 'm-1' });
    assert.equal(life?.hops.length, hopLimit);
    assert.equal(life?.message.hops, 160);
  });

  test(`what its retention has ended for goes, with every trace of it (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    await store.run(
      writeJournal,
      Array.from({ length: 450 }, (_, n) => entry(n)),
    );
    await store.run(writeJournal, [entry(3, { terms: ['flow:place'], changedAt: base + 900 })]);
    assert.equal(await store.run(journalOverflow, { limit: 450 }), undefined);
    assert.equal(await store.run(journalOverflow, { limit: 50 }), base + 399);
    assert.equal(await trimJournal(store, base + 400), 400);
    const tables = (await store.run(listTables, undefined))
      .map(({ name }) => name)
      .filter((name) => name.startsWith('journal_'));
    assert.deepEqual(await store.run(countRows, { tables }), {
      journal_hops: 50,
      journal_messages: 50,
      journal_terms: 250,
    });
  });

  test(`hops noted while the store is away are written when it is back (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    let store: Store | undefined = {
      ...fixture.store,
      run: () => Promise.reject(new Error('away')),
    } as unknown as Store;
    const recorder = new JournalRecorder({ store: () => store, classes: ['P', 'I', 'C'], every: 60_000 });
    recorder.hop({ stage: 'amqp-publish', nodeId: 'p', flowId: 'f', outcome: 'ok', duration: 1 }, message());
    await recorder.flush();
    recorder.hop({ stage: 'odoo-rpc', nodeId: 'o', flowId: 'f', outcome: 'ok', duration: 1 }, message());
    store = fixture.store;
    await recorder.flush();
    const life = await store.run(readLife, { id: 'e-1' });
    assert.deepEqual(life?.hops.map(({ n }) => n).sort(), ['o', 'p']);
  });
}

const message = (more: Partial<FlowMessage> = {}): FlowMessage => ({
  event: {
    id: 'e-1',
    source: 'urn:acme',
    type: 'order.placed',
    subject: 'ACME/PO-1',
    correlationid: 'c-1',
  },
  ...more,
});

/** What a recorder hands to the store, without one. */
async function recorded(
  note: (recorder: JournalRecorder) => void,
  classes: ('P' | 'I' | 'C' | 'N')[] = ['P', 'I', 'C'],
) {
  const written: JournalEntry[] = [];
  const store = { run: async (_: unknown, entries: JournalEntry[]) => void written.push(...structuredClone(entries)) };
  const recorder = new JournalRecorder({ store: () => store as unknown as Store, classes, every: 60_000 });
  note(recorder);
  await recorder.flush();
  return written;
}

const hop = (stage: string, more: object = {}) => ({
  stage,
  nodeId: `${stage}-1`,
  flowId: 'f',
  outcome: 'ok' as const,
  duration: 1,
  ...more,
});

test('of a document only its identifiers are kept, and only of the classes that the settings allow', async () => {
  const payload = {
    number: 'PO-1',
    identifiers: [{ type: 'ORDER', value: 'ERP-9' }],
    supplier: { identifiers: [{ type: 'CODE', value: 'ACME' }] },
    requester: { identifiers: [{ type: 'EMPLOYEE', value: 'Marked Person' }] },
    note: 'Marked Note',
    lines: [{ number: '1', description: 'Marked Line' }],
  };
  const event = { ...message().event!, dataschema: 'urn:healthflows:canonical:order:1.0.0' };
  const [entry] = await recorded((recorder) => recorder.hop(hop('canonical-mapper'), message({ event, payload })));
  assert.deepEqual(entry?.terms.filter((term) => term.startsWith('key:')).sort(), [
    'key:acme',
    'key:acme/po-1',
    'key:erp-9',
    'key:po-1',
  ]);
  assert.doesNotMatch(JSON.stringify(entry), /Marked/);
  const [less] = await recorded(
    (recorder) => recorder.hop(hop('canonical-mapper'), message({ event, payload })),
    ['P'],
  );
  assert.deepEqual(
    less?.terms.filter((term) => term.startsWith('key:')),
    [],
  );
  assert.equal(less?.subject, undefined);
  assert.deepEqual(new KeyReader(['I']).keysOf('urn:elsewhere', payload), []);
});

test('whether a subject may be kept is told by its own entity, however often and in which order it is asked', () => {
  const keys = new KeyReader(['I']);
  for (let time = 0; time < 2; time++) {
    assert.equal(keys.allowsSubject('urn:healthflows:canonical:order:1.0.0'), true);
    assert.equal(keys.allowsSubject('urn:healthflows:canonical:employee:1.0.0'), false);
    assert.equal(keys.allowsSubject('urn:elsewhere'), true);
  }
});

test('a delivery that is settled as the event which the flow made of it is the end of the message it brought', async () => {
  const delivery = { connection: 'amqp', queue: 'orders', tag: '1.7', attempt: 1, redelivered: false };
  const follow = { ...message().event!, id: 'e-2', subject: 'P0001' };
  const ended = async (disposition: string, stage = 'odoo-rpc') => {
    const entries = await recorded((recorder) => {
      recorder.hop(hop('amqp-publish'), message());
      recorder.taken(hop('amqp-consume'), message({ delivery }));
      recorder.hop(hop(stage), message({ delivery, event: follow }));
      recorder.hop(hop('settle'), message({ delivery, event: follow, settlement: { disposition, result: 'settled' } }));
    });
    return entries.map(({ id, outcome, subject }) => `${id} ${subject} ${outcome}`);
  };
  assert.deepEqual(await ended('done'), ['e-1 ACME/PO-1 done', 'e-2 P0001 done']);
  assert.deepEqual(await ended('dead-letter'), ['e-1 ACME/PO-1 dead', 'e-2 P0001 undefined']);
  // What was published waits for its own consumer, whatever becomes of the delivery.
  assert.deepEqual(await ended('done', 'amqp-publish'), ['e-1 ACME/PO-1 done', 'e-2 P0001 queued']);
  assert.deepEqual(await ended('dead-letter', 'amqp-publish'), ['e-1 ACME/PO-1 dead', 'e-2 P0001 queued']);
});

test('what a delivery published is not done with it, also when both were written in between', async () => {
  const delivery = { connection: 'amqp', queue: 'orders', tag: '1.7', attempt: 1, redelivered: false };
  const follow = { ...message().event!, id: 'e-2' };
  const written: JournalEntry[] = [];
  const store = { run: async (_: unknown, entries: JournalEntry[]) => void written.push(...structuredClone(entries)) };
  const recorder = new JournalRecorder({ store: () => store as unknown as Store, classes: ['I'], every: 60_000 });
  recorder.taken(hop('amqp-consume'), message({ delivery }));
  recorder.hop(hop('amqp-publish'), message({ delivery, event: follow }));
  await recorder.flush();
  const settlement = { disposition: 'done', result: 'settled' };
  recorder.hop(hop('settle'), message({ delivery, event: follow, settlement }));
  await recorder.flush();
  assert.deepEqual(
    written.map(({ id, outcome }) => `${id} ${outcome}`),
    ['e-1 undefined', 'e-2 queued', 'e-1 done'],
  );
});

test('what an approval has taken over waits while its request is open, and is done when it has gone on', async () => {
  const outcomeAfter = async (...noted: [stage: string, more: Partial<FlowMessage>][]) => {
    const [entry] = await recorded((recorder) => {
      for (const [stage, more] of noted) recorder.hop(hop(stage), message(more));
    });
    return entry?.outcome;
  };
  const request = (state: string, seenAt = Date.now()) => ({ approval: { id: 'r-1', state, seenAt } });
  const delivery = { connection: 'approval-1', queue: 'approval:orders', tag: 'a.1', attempt: 1, redelivered: false };
  const settled = { delivery, settlement: { disposition: 'done', result: 'settled' } };
  assert.equal(await outcomeAfter(['approval', request('open')]), 'waiting');
  assert.equal(await outcomeAfter(['approval', request('open')], ['approval', { delivery }]), 'open');
  assert.equal(await outcomeAfter(['approval', request('open')], ['settle', settled]), 'done');
  // It came again after all was done, or policy let it pass.
  for (const state of ['decided', 'resumed', 'failed']) {
    assert.equal(await outcomeAfter(['approval', request(state)]), undefined, state);
    assert.equal(await outcomeAfter(['settle', settled], ['approval', request(state)]), 'done', state);
  }
  // It was decided and has ended while the acknowledgement of its delivery was on its way.
  assert.equal(await outcomeAfter(['settle', settled], ['approval', request('open', Date.now() - 50)]), 'done');
});

test('what settles a message decides its outcome, and a repetition does not hide it', async () => {
  const outcomeAfter = async (settlement: object) =>
    (
      await recorded((recorder) => {
        recorder.hop(hop('amqp-publish'), message());
        recorder.hop(hop('settle'), message({ settlement }));
        recorder.hop(hop('idempotency-gate'), message({ duplicate: {} }));
      })
    )[0]?.outcome;
  assert.equal(await outcomeAfter({ disposition: 'done', result: 'settled' }), 'done');
  assert.equal(await outcomeAfter({ disposition: 'retry', result: 'settled', delay: 1_000 }), 'retrying');
  assert.equal(await outcomeAfter({ disposition: 'dead-letter', result: 'settled' }), 'dead');
  assert.equal(await outcomeAfter({ disposition: 'replied', result: 'settled' }), 'rejected');
  // Nobody took it, so nothing has changed.
  assert.equal(await outcomeAfter({ disposition: 'done', result: 'unreachable' }), 'queued');
});

test('a message without an event, and a secret in a failure, are not kept', async () => {
  const written = await recorded((recorder) => {
    recorder.hop(hop('odoo-rpc'), { payload: 'x' });
    recorder.hop(hop('odoo-rpc', { outcome: 'failed', failureClass: 'dependency-outage', failureCode: 'ODOO' }), {
      ...message(),
      failure: {
        class: 'dependency-outage',
        code: 'ODOO',
        message: 'refused Bearer abcdefgh12345678',
        retryable: true,
      } as never,
    });
  });
  assert.equal(written.length, 1);
  assert.match(written[0]!.failure!.message, /\[redacted\]/);
  assert.equal(written[0]!.outcome, 'failing');
});

test('hops noted while others are written wait for the next round, so that a message is written once', async () => {
  const rounds: string[][] = [];
  let written = () => {};
  const store = {
    run: async (_: unknown, entries: JournalEntry[]) => {
      rounds.push(entries.flatMap(({ id, hops }) => hops.map(({ s }) => `${id} ${s}`)));
      await new Promise<void>((resolve) => {
        written = resolve;
      });
    },
  };
  const recorder = new JournalRecorder({ store: () => store as unknown as Store, classes: ['I'], every: 60_000 });
  const note = (id: string, stage: string) => recorder.hop(hop(stage), message({ event: { ...message().event!, id } }));
  note('e-1', 'idempotency-gate');
  const first = recorder.flush();
  await waitUntil('the first round is with the store', () => rounds.length === 1);
  note('e-2', 'idempotency-gate');
  note('e-2', 'canonical-mapper');
  written();
  await first;
  assert.deepEqual(rounds, [['e-1 idempotency-gate']]);
  note('e-2', 'amqp-publish');
  const second = recorder.flush();
  await waitUntil('the second round is with the store', () => rounds.length === 2);
  note('e-3', 'idempotency-gate');
  const last = recorder.flush();
  written();
  await second;
  await waitUntil('what was noted before the last flush is with the store', () => rounds.length === 3);
  written();
  await last;
  assert.deepEqual(rounds.slice(1), [
    ['e-2 idempotency-gate', 'e-2 canonical-mapper', 'e-2 amqp-publish'],
    ['e-3 idempotency-gate'],
  ]);
});

test('notes are bounded: the oldest are forgotten', async () => {
  const written: JournalEntry[] = [];
  const store = { run: async (_: unknown, entries: JournalEntry[]) => void written.push(...entries) };
  const recorder = new JournalRecorder({
    store: () => store as unknown as Store,
    classes: [],
    every: 60_000,
    capacity: 3,
  });
  for (let i = 0; i < 5; i++) recorder.hop(hop('settle'), message({ event: { ...message().event!, id: `e-${i}` } }));
  await recorder.flush();
  assert.deepEqual(
    written.map(({ id }) => id),
    ['e-2', 'e-3', 'e-4'],
  );
});

test('a thousand notes do not wait for their second, and a store that refuses is not asked again at once', async () => {
  const written: JournalEntry[] = [];
  let asked = 0;
  let away = false;
  const run = async (_: unknown, entries: JournalEntry[]) => {
    asked++;
    if (away) throw new Error('away');
    written.push(...entries);
  };
  const store = { run } as unknown as Store;
  const recorder = new JournalRecorder({ store: () => store, classes: [], every: 60_000 });
  const note = (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      recorder.hop(hop('settle'), message({ event: { ...message().event!, id: `e-${i}` } }));
    }
  };
  note(0, 999);
  await sleep(20);
  assert.equal(written.length, 0);
  note(999, 1_000);
  await waitUntil('they are written', () => written.length === 1_000);
  away = true;
  const before = asked;
  note(1_000, 2_500);
  await waitUntil('the store was asked', () => asked === before + 1);
  note(2_500, 3_000);
  await sleep(20);
  assert.equal(asked, before + 1);
});
