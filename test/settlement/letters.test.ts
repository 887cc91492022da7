import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IncomingDelivery } from '../../nodes/amqp/index.ts';
import { listAudit } from '../../nodes/kernel/audit/index.ts';
import {
  cancelReplay,
  discardLetters,
  noteEdit,
  recordPreview,
  revealLetter,
  startEditedReplay,
  startReplay,
} from '../../nodes/settlement/letters/act.ts';
import { assignCauses, causeOwners, causeStory, causeTrends } from '../../nodes/settlement/letters/causes.ts';
import { collectLetter, purgeLetters } from '../../nodes/settlement/letters/collect.ts';
import { letterTotals, listGroups, takeAnnouncements } from '../../nodes/settlement/letters/groups.ts';
import { getLetter, listLetters, previewAct } from '../../nodes/settlement/letters/inspect.ts';
import { letterOf, type LetterInput } from '../../nodes/settlement/letters/letter.ts';
import { claimReplays, listJobs, noteReplays } from '../../nodes/settlement/letters/replay.ts';
import { settleMessage } from '../../nodes/settlement/record.ts';
import { storesUnderTest } from '../support/store.ts';

const queue = 'hf.orders';
const act = (token: string) => ({ token, actor: 'ward.operator', reason: 'unit code corrected in the catalogue' });

interface Death {
  messageId: string;
  generation?: number;
  message?: string;
  failedAt?: number;
  class?: string;
  body?: string;
}

function death({ messageId, generation, message, failedAt, class: failureClass, body }: Death): LetterInput {
  const at = new Date(failedAt ?? 1_790_000_000_000).toISOString();
  const delivery: IncomingDelivery = {
    handle: 'h',
    queue: `${queue}.dead`,
    exchange: '',
    routingKey: `${queue}.dead`,
    attempt: 1,
    redelivered: false,
    body: Buffer.from(body ?? '{"order":"A-1"}'),
    properties: {
      messageId,
      correlationId: `corr-${messageId}`,
      contentType: 'application/json',
      timestamp: 1,
      headers: {
        'cloudEvents:subject': `PO-${messageId}`,
        'x-failure-class': failureClass ?? 'data-quality',
        'x-failure-code': 'UNKNOWN_UNIT',
        'x-failure-message': message ?? `Unit "bx${messageId}" of line 3 is not known.`,
        'x-failure-node': JSON.stringify({ id: 'n1', type: 'canonical-mapper', name: 'to Odoo' }),
        'x-failure-at': at,
        'x-first-failed-at': at,
        'x-attempt': 1,
        'x-origin-queue': queue,
        'x-origin-exchange': 'hf.events',
        'x-origin-routing-key': 'order.created',
        ...(generation === undefined ? {} : { 'x-replay-generation': generation }),
      },
    },
  };
  return letterOf(delivery, 'broker-1');
}

for (const under of storesUnderTest()) {
  const name = (promise: string) => `${promise} (${under.name})`;

  test(
    name('a death that is delivered twice is one letter, and equal causes are one group'),
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const first = death({ messageId: '1' });
      assert.equal((await store.run(collectLetter, first)).kind, 'new');
      assert.equal((await store.run(collectLetter, death({ messageId: '1' }))).kind, 'known');
      assert.equal((await store.run(collectLetter, death({ messageId: '2' }))).kind, 'new');
      const groups = await store.run(listGroups, {});
      assert.deepEqual(
        groups.map(({ class: c, code, cause, total, waiting, unresolved }) => ({
          c,
          code,
          cause,
          total,
          waiting,
          unresolved,
        })),
        [
          {
            c: 'data-quality',
            code: 'UNKNOWN_UNIT',
            cause: 'Unit … of line # is not known.',
            total: 2,
            waiting: 2,
            unresolved: 2,
          },
        ],
      );
      const letter = await store.run(getLetter, { id: first.id });
      assert.equal(Buffer.from(letter!.body).toString(), '{"order":"A-1"}');
      assert.equal(letter!.businessKey, 'PO-1');
      assert.equal(letter!.routingKey, 'order.created');
    },
  );

  test(
    name('a cause has an owner, a trend by the hour, and the story of how one like it ended'),
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const solved = death({ messageId: '1', message: 'Ward X is closed.' });
      await store.run(collectLetter, solved);
      await store.run(discardLetters, { ...act('d1'), filter: { ids: [solved.id] } });
      for (const messageId of ['2', '3']) await store.run(collectLetter, death({ messageId }));
      const groups = await store.run(listGroups, {});
      const open = groups.find(({ unresolved }) => unresolved === 2)!;
      const cause = { queue, fingerprint: open.fingerprint };

      const assigned = { ...act('a1'), causes: [cause], assignee: 'pharmacy' };
      assert.deepEqual(await store.run(assignCauses, assigned), { count: 1 });
      assert.deepEqual(await store.run(assignCauses, assigned), { count: 1 }, 'a repeated press is the first');
      const owners = await store.run(causeOwners, undefined);
      assert.deepEqual(
        owners.map(({ assignee, by, fingerprint }) => [assignee, by, fingerprint]),
        [['pharmacy', 'ward.operator', open.fingerprint]],
      );
      const { records } = await store.run(listAudit, { filter: { action: 'deadletter.assigned' } });
      assert.deepEqual(
        records.map(({ actor, detail }) => [actor, detail]),
        [['ward.operator', { causes: 1, queue, to: 'pharmacy' }]],
      );
      await store.run(assignCauses, { ...act('a2'), causes: [cause], assignee: '' });
      assert.deepEqual(await store.run(causeOwners, undefined), []);

      const trend = (await store.run(causeTrends, undefined)).find(
        ({ fingerprint }) => fingerprint === open.fingerprint,
      );
      assert.equal(trend!.hours.length, 24);
      assert.equal(
        trend!.hours.reduce((sum, letters) => sum + letters, 0),
        2,
      );
      fixture.setClock(2 * 86_400_000);
      assert.deepEqual(await store.run(causeTrends, undefined), []);
      fixture.setClock(0);

      const story = await store.run(causeStory, cause);
      assert.equal(story.sample?.messageId, '3');
      assert.deepEqual(
        story.past.map(({ discarded, resolved, reason, actor }) => ({ discarded, resolved, reason, actor })),
        [{ discarded: 1, resolved: 0, reason: act('').reason, actor: 'ward.operator' }],
      );
      assert.deepEqual(await store.run(causeStory, { queue, fingerprint: 'unknown' }), { sample: null, past: [] });
    },
  );

  test(name('many letters are replayed with one change in each, once for a token'), under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const letters = Array.from({ length: 1_001 }, (_, n) => death({ messageId: String(n) }));
    await Promise.all(letters.map((letter) => store.run(collectLetter, letter)));
    await store.run(recordPreview, { actor: 'ward.operator', change: 'set /unit', letters: 1_000 });
    const ids = letters.slice(0, 1_000).map(({ id }) => id);
    const sealed = { change: Buffer.from('sealed'), key: 'k' };
    const request = { ...act('e1'), jobId: 'j1', rate: 100, change: 'set /unit', sealed, filter: { queue }, ids };
    assert.deepEqual(await store.run(startEditedReplay, request), { jobId: 'j1', count: 1_000 });
    assert.deepEqual(await store.run(startEditedReplay, { ...request, jobId: 'j2' }), { jobId: 'j1', count: 1_000 });
    assert.equal((await store.run(getLetter, { id: letters[1_000]!.id }))?.state, 'open');
    await assert.rejects(store.run(startEditedReplay, { ...request, token: 'e2' }), { code: 'NOTHING_TO_REPLAY' });

    const claim = { queue, limit: 1, lease: 10 };
    const [item] = await store.run(claimReplays, claim);
    assert.equal(Buffer.from(item!.change!.sealed).toString(), 'sealed');
    assert.deepEqual([item!.generation, item!.rate, item!.change!.key], [1, 100, 'k']);
    const edit = { body: Buffer.from('{"edited":1}'), bodyKey: null, contentType: 'application/json' };
    const noted = {
      letterId: item!.id,
      generation: 1,
      jobId: 'j1',
      edit: { ...edit, originalHash: 'a', editedHash: 'b' },
    };
    await store.run(noteEdit, noted);
    // As another that was in the middle of it would.
    await store.run(noteEdit, noted);
    fixture.setClock(60_000);
    const [again] = await store.run(claimReplays, claim);
    assert.deepEqual([again!.id, again!.change], [item!.id, undefined]);
    assert.equal(Buffer.from(again!.body).toString(), '{"edited":1}');
    const letter = (await store.run(getLetter, { id: item!.id }))!;
    assert.equal(Buffer.from(letter.edited!.body).toString(), '{"edited":1}');
    assert.deepEqual(
      letter.edits.map(({ actor, reason, generation }) => ({ actor, reason, generation })),
      [{ actor: 'ward.operator', reason: act('').reason, generation: 1 }],
    );
    const { records } = await store.run(listAudit, { order: 'oldest-first' });
    assert.deepEqual(
      records.filter(({ actor }) => actor === 'ward.operator').map(({ action, detail }) => [action, detail]),
      [
        ['deadletter.previewed', { change: 'set /unit', letters: 1_000 }],
        ['deadletter.edited-and-replayed', { change: 'set /unit', count: 1_000, job: 'j1' }],
      ],
    );
  });

  test(name('a replay is sent once for each letter, and its result is told by the flow'), under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    for (const messageId of ['1', '2', '3']) await store.run(collectLetter, death({ messageId }));
    const preview = await store.run(previewAct, { filter: { queue } });
    assert.equal(preview.count, 3);

    const started = await store.run(startReplay, { ...act('t1'), jobId: 'j1', filter: { queue }, rate: 100 });
    assert.deepEqual(started, { jobId: 'j1', count: 3 });
    const again = await store.run(startReplay, { ...act('t1'), jobId: 'j2', filter: { queue }, rate: 100 });
    assert.deepEqual(again, { jobId: 'j1', count: 3 }, 'a repeated press returns the first result');

    const items = await store.run(claimReplays, { queue, limit: 10, lease: 10_000 });
    assert.deepEqual(
      items.map((item) => [item.messageId, item.generation]),
      [
        ['1', 1],
        ['2', 1],
        ['3', 1],
      ],
    );
    assert.deepEqual(
      await store.run(claimReplays, { queue, limit: 10, lease: 10_000 }),
      [],
      'leased letters are not handed out',
    );
    fixture.setClock(20_000);
    assert.equal(
      (await store.run(claimReplays, { queue, limit: 10, lease: 10_000 })).length,
      3,
      'a lease ends after a crash',
    );

    // The flow may be done before the note that the message was sent.
    await store.run(settleMessage, { replay: { queue, messageId: '1', generation: 1 } });
    const sent = items.map(({ id, generation, jobId }) => ({ id, generation, jobId, outcome: 'sent' as const }));
    assert.deepEqual(await store.run(noteReplays, { items: sent }), ['j1']);
    assert.equal(
      (await store.run(collectLetter, death({ messageId: '2' }))).kind,
      'known',
      'the old death is old news',
    );
    const back = await store.run(
      collectLetter,
      death({ messageId: '2', generation: 1, message: 'Odoo has no such unit.', failedAt: 1_790_000_900_000 }),
    );
    assert.equal(back.state, 'failed-again');
    await store.run(settleMessage, { replay: { queue, messageId: '3', generation: 1 } });

    const { letters } = await store.run(listLetters, { filter: {}, limit: 10 });
    assert.deepEqual(letters.map(({ messageId, state }) => [messageId, state]).sort(), [
      ['1', 'resolved'],
      ['2', 'failed-again'],
      ['3', 'resolved'],
    ]);
    const [job] = await store.run(listJobs, { limit: 5 });
    assert.deepEqual(
      {
        state: job!.state,
        total: job!.total,
        waiting: job!.waiting,
        sent: job!.sent,
        resolved: job!.resolved,
        failedAgain: job!.failedAgain,
      },
      { state: 'done', total: 3, waiting: 0, sent: 0, resolved: 2, failedAgain: 1 },
    );
    const totals = await store.run(letterTotals, { queue });
    assert.deepEqual(totals, { waiting: 1, unresolved: 1, groups: 1 });
    assert.deepEqual(
      (await store.run(listGroups, {})).map((group) => group.cause),
      ['Odoo has no such unit.'],
    );
  });

  test(name('an edited payload is what later replays send, and the original is kept'), under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const letter = death({ messageId: '1' });
    await store.run(collectLetter, letter);
    const edit = {
      body: Buffer.from('{"order":"A-2"}'),
      bodyKey: null,
      contentType: 'application/json',
      originalHash: 'a',
      editedHash: 'b',
    };
    await assert.rejects(store.run(startReplay, { ...act('t0'), jobId: 'j0', filter: { queue }, rate: 1, edit }), {
      code: 'EDIT_NEEDS_ONE_LETTER',
    });
    await store.run(startReplay, { ...act('t1'), jobId: 'j1', filter: { ids: [letter.id] }, rate: 1, edit });
    const [item] = await store.run(claimReplays, { queue, limit: 10, lease: 1 });
    assert.equal(Buffer.from(item!.body).toString(), '{"order":"A-2"}');
    assert.equal(item!.messageId, '1');
    const stored = await store.run(getLetter, { id: letter.id });
    assert.equal(Buffer.from(stored!.body).toString(), '{"order":"A-1"}');
    assert.deepEqual(
      stored!.edits.map(({ actor, reason }) => ({ actor, reason })),
      [{ actor: 'ward.operator', reason: 'unit code corrected in the catalogue' }],
    );
  });

  test(
    name('a discarded letter is closed with who and why, and a new document under its id opens it again'),
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const letter = death({ messageId: '1' });
      await store.run(collectLetter, letter);
      assert.deepEqual(await store.run(discardLetters, { ...act('d1'), filter: { ids: [letter.id] } }), { count: 1 });
      await assert.rejects(store.run(discardLetters, { ...act('d2'), filter: { ids: [letter.id] } }), {
        code: 'NOTHING_TO_DISCARD',
      });
      await assert.rejects(
        store.run(startReplay, { ...act('d1'), jobId: 'j', filter: { ids: [letter.id] }, rate: 1 }),
        { code: 'ACT_TOKEN_USED' },
        'a token belongs to one act',
      );
      const closed = await store.run(getLetter, { id: letter.id });
      assert.equal(closed!.closedBy, 'ward.operator');
      assert.equal((await store.run(collectLetter, death({ messageId: '1' }))).kind, 'known');
      const corrected = death({ messageId: '1', failedAt: 1_790_000_500_000, body: '{"order":"A-9"}' });
      assert.equal((await store.run(collectLetter, corrected)).state, 'failed-again');
      const reopened = await store.run(getLetter, { id: letter.id });
      assert.equal(Buffer.from(reopened!.body).toString(), '{"order":"A-9"}');
      assert.equal(reopened!.closedAt, null);
    },
  );

  test(
    name('an episode is told when it begins, when it grows tenfold and when it is over'),
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const told = async () =>
        (await store.run(takeAnnouncements, { queue })).map(({ kind, unresolved }) => [kind, unresolved]);
      for (let i = 1; i <= 5; i++) await store.run(collectLetter, death({ messageId: `${i}` }));
      assert.deepEqual(await told(), [['first', 5]]);
      assert.deepEqual(await told(), []);
      for (let i = 6; i <= 12; i++) await store.run(collectLetter, death({ messageId: `${i}` }));
      assert.deepEqual(await told(), [['growing', 12]]);
      await store.run(discardLetters, { ...act('d1'), filter: { queue } });
      assert.deepEqual(await told(), [['cleared', 0]]);
      assert.deepEqual(await told(), []);
    },
  );

  test(name('letters are found by part of a business key, and pages do not overlap'), under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    for (let i = 1; i <= 7; i++) await store.run(collectLetter, death({ messageId: `${i}0%` }));
    const found = await store.run(listLetters, { filter: { text: 'po-30%' }, limit: 5 });
    assert.deepEqual(
      found.letters.map((letter) => letter.messageId),
      ['30%'],
    );
    const first = await store.run(listLetters, { filter: {}, limit: 4 });
    const second = await store.run(listLetters, { filter: {}, limit: 4, after: first.next! });
    assert.equal(second.next, undefined);
    assert.equal(new Set([...first.letters, ...second.letters].map((letter) => letter.id)).size, 7);
  });

  test(name('a cancelled job takes back what is not on its way'), under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    for (const messageId of ['1', '2', '3']) await store.run(collectLetter, death({ messageId }));
    await store.run(startReplay, { ...act('t1'), jobId: 'j1', filter: { queue }, rate: 1 });
    const [item] = await store.run(claimReplays, { queue, limit: 1, lease: 60_000 });
    assert.deepEqual(await store.run(cancelReplay, { ...act('c1'), jobId: 'j1' }), { count: 2 });
    await store.run(noteReplays, { items: [{ id: item!.id, generation: 1, jobId: 'j1', outcome: 'sent' }] });
    assert.deepEqual(await store.run(letterTotals, {}), { waiting: 2, unresolved: 3, groups: 1 });
  });

  test(
    name('a letter whose replay never has a result can be acted on by itself, not in bulk'),
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const { store } = fixture;
      const letter = death({ messageId: '1' });
      await store.run(collectLetter, letter);
      await store.run(startReplay, { ...act('t1'), jobId: 'j1', filter: { queue }, rate: 1 });
      const [item] = await store.run(claimReplays, { queue, limit: 1, lease: 1 });
      await store.run(noteReplays, { items: [{ id: item!.id, generation: 1, jobId: 'j1', outcome: 'sent' }] });
      await assert.rejects(store.run(discardLetters, { ...act('d1'), filter: { queue } }), {
        code: 'NOTHING_TO_DISCARD',
      });
      assert.deepEqual(await store.run(discardLetters, { ...act('d2'), filter: { ids: [letter.id] } }), { count: 1 });
      assert.deepEqual(await store.run(letterTotals, {}), { waiting: 0, unresolved: 0, groups: 0 });
    },
  );

  test(name('closed letters go after their retention, open ones stay'), under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const [kept, gone] = [death({ messageId: '1' }), death({ messageId: '2' })];
    await store.run(collectLetter, kept);
    await store.run(collectLetter, gone);
    await store.run(discardLetters, { ...act('d'), filter: { ids: [gone.id] } });
    assert.equal(await store.run(purgeLetters, { queue, before: 1, limit: 10 }), 0);
    assert.equal(await store.run(purgeLetters, { queue, before: Date.now() + 60_000, limit: 10 }), 1);
    assert.deepEqual(
      (await store.run(listLetters, { filter: {}, limit: 9 })).letters.map((letter) => letter.id),
      [kept.id],
    );
  });

  test(name('opening a payload is recorded before it is shown'), under.options, async () => {
    await using fixture = await under.fresh();
    const { store } = fixture;
    const letter = death({ messageId: '1' });
    await store.run(collectLetter, letter);
    const shown = await store.run(revealLetter, { id: letter.id, actor: 'ward.operator', reason: 'the supplier asks' });
    assert.equal(Buffer.from(shown!.body).toString(), '{"order":"A-1"}');
  });
}
