/** Requests for approval in the store, on both engines: created once, decided once, going on once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Delegation } from '../../nodes/approval/people.ts';
import { createRequest } from '../../nodes/approval/store/create.ts';
import { advanceClock, castVote, type Notice, reviewEmergency } from '../../nodes/approval/store/decide.ts';
import { delegate, endDelegation, listDelegations } from '../../nodes/approval/store/delegations.ts';
import { approvalTotals, listRequests, openRequest, revealRequest } from '../../nodes/approval/store/inspect.ts';
import { noticesTold } from '../../nodes/approval/store/notices.ts';
import {
  claimDecided,
  continueAgain,
  endResumption,
  purgeRequests,
  renewResumptions,
} from '../../nodes/approval/store/resume.ts';
import { claim, find } from '../../nodes/idempotency/index.ts';
import { listAudit, verifyAudit } from '../../nodes/kernel/audit/index.ts';
import { uuidv7 } from '../../nodes/kernel/id.ts';
import { openPrivateStore, type Store } from '../../nodes/kernel/store/index.ts';
import { type StoreFixture, storesUnderTest } from '../support/store.ts';
import { waitUntil } from '../support/processes.ts';
import { ballotOf, hour, requestOf } from './request.ts';

const code = (expected: string) => (error: unknown) => (error as { code?: string }).code === expected;
const process = 'purchases';
const lease = 30_000;

async function actionsOf(store: Store): Promise<string[]> {
  const { records } = await store.run(listAudit, { order: 'oldest-first' });
  return records.map(({ action, actor }) => `${action} ${actor}`);
}

async function created(store: Store, more: Parameters<typeof requestOf>[0] = {}): Promise<string> {
  return (await store.run(createRequest, requestOf(more))).id;
}

const told = (store: Store, notices: readonly Notice[]) =>
  store.run(noticesTold, { told: notices.map(({ kind, request: { id }, heldUntil }) => ({ id, kind, heldUntil })) });

function delegation(from: string, to: string, more: Partial<Delegation> = {}): Delegation {
  const now = Date.now();
  return {
    id: uuidv7(),
    from,
    to,
    process: '',
    startsAt: now - hour,
    endsAt: now + 100 * hour,
    madeBy: from,
    reason: 'on leave',
    madeAt: 0,
    endedAt: null,
    ...more,
  };
}

/** Several users of one store: on PostgreSQL processes of their own in effect, on SQLite the one there can be. */
async function users(fixture: StoreFixture, count: number): Promise<{ stores: Store[] } & AsyncDisposable> {
  if (fixture.options.engine === 'sqlite') {
    return {
      stores: Array.from({ length: count }, () => fixture.store),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const stores = Array.from({ length: count }, () => openPrivateStore(fixture.options));
  for (const store of stores) await waitUntil('a store is open', () => store.status().state === 'ready', undefined, 5);
  return {
    stores,
    [Symbol.asyncDispose]: async () => void (await Promise.all(stores.map((store) => store.close()))),
  };
}

for (const under of storesUnderTest()) {
  const promise = (words: string, run: (fixture: StoreFixture) => Promise<void>): void => {
    void test(`${words} (${under.name})`, under.options, async () => {
      await using fixture = await under.fresh();
      await run(fixture);
      assert.equal((await verifyAudit(fixture.store)).kind, 'intact');
    });
  };

  promise('a message that comes again has one request, and its key is completed with it', async ({ store }) => {
    const key = { scope: 'orders', key: 'k1' };
    const verdict = await store.run(claim, { ...key, fingerprint: 'f', owner: 't', lease, retention: hour });
    assert.equal(verdict.kind, 'new');
    const completion = { ...key, token: (verdict as { token: number }).token };
    const first = await store.run(createRequest, requestOf({ completion }));
    assert.deepEqual([first.kind, first.state, first.people], ['created', 'open', ['anna', 'bo', 'cy']]);
    assert.equal((await store.run(find, key))?.state, 'completed');
    const again = await store.run(createRequest, requestOf({ completion }));
    assert.deepEqual([again.kind, again.id], ['known', first.id]);
    assert.deepEqual(await actionsOf(store), ['approval.requested rita']);
  });

  promise('of the same message in several processes at once one becomes the request', async (fixture) => {
    await using others = await users(fixture, 4);
    const { stores } = others;
    const all = await Promise.all(Array.from({ length: 12 }, (_, i) => stores[i % 4]!.run(createRequest, requestOf())));
    assert.equal(all.filter(({ kind }) => kind === 'created').length, 1);
    assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  });

  promise('a lost lease stores nothing', async ({ store }) => {
    const completion = { scope: 'orders', key: 'k', token: 5 };
    await assert.rejects(store.run(createRequest, requestOf({ completion })), code('IDEMPOTENCY_LEASE_LOST'));
    assert.deepEqual(await store.run(approvalTotals, undefined), []);
    assert.deepEqual(await actionsOf(store), []);
  });

  promise(
    'another document under the same id is refused while the first one waits, and new once it is closed',
    async ({ store }) => {
      const id = await created(store, { terms: { seats: [['anna']] } });
      await assert.rejects(
        store.run(createRequest, requestOf({ documentHash: 'h2' })),
        code('APPROVAL_OTHER_DOCUMENT'),
      );
      await store.run(castVote, ballotOf(id, 'anna', { verdict: 'reject' }));
      const [request] = await store.run(claimDecided, { process, limit: 10, lease });
      await store.run(endResumption, { id, fence: request!.fence, ending: { kind: 'done' } });
      const corrected = await store.run(createRequest, requestOf({ documentHash: 'h2' }));
      assert.equal(corrected.kind, 'created');
      assert.notEqual(corrected.id, id);
      assert.equal((await store.run(createRequest, requestOf({ documentHash: 'h2' }))).id, corrected.id);
    },
  );

  promise('a full inbox takes no more, and says so to come again', async ({ store }) => {
    await created(store, { limit: 2 });
    await created(store, { limit: 2, messageId: '/acme 2' });
    const third = requestOf({ limit: 2, messageId: '/acme 3' });
    await assert.rejects(store.run(createRequest, third), code('APPROVAL_INBOX_FULL'));
    assert.equal((await store.run(createRequest, requestOf({ limit: 2 }))).kind, 'known');
  });

  promise('two approvals are of two people, in any order, and the last one decides', async ({ store }) => {
    const id = await created(store);
    const first = ballotOf(id, 'bo');
    assert.deepEqual(await store.run(castVote, first), { kind: 'voted', waiting: 1, state: 'open', outcome: null });
    // The same press again, and the same person again.
    assert.deepEqual(await store.run(castVote, first), { kind: 'voted', waiting: 1, state: 'open', outcome: null });
    assert.equal(((await store.run(castVote, ballotOf(id, 'bo'))) as { why?: string }).why, 'voted');
    assert.equal(((await store.run(castVote, ballotOf(id, 'anna'))) as { why?: string }).why, 'not-needed');
    assert.equal(((await store.run(castVote, ballotOf(id, 'mallory'))) as { why?: string }).why, 'not-asked');
    assert.equal(((await store.run(castVote, ballotOf(id, 'rita'))) as { why?: string }).why, 'requester');
    assert.equal(((await store.run(castVote, ballotOf(id, 'cy', { revision: 2 }))) as { why?: string }).why, 'changed');
    const last = await store.run(castVote, ballotOf(id, 'cy'));
    assert.deepEqual(last, { kind: 'voted', waiting: 0, state: 'decided', outcome: 'approved' });
    assert.equal(
      ((await store.run(castVote, ballotOf(id, 'anna', { verdict: 'reject' }))) as { why?: string }).why,
      'decided',
    );
    assert.deepEqual(await actionsOf(store), [
      'approval.requested rita',
      'approval.voted bo',
      'approval.refused bo',
      'approval.refused anna',
      'approval.refused mallory',
      'approval.refused rita',
      'approval.refused cy',
      'approval.voted cy',
      'approval.approved cy',
      'approval.refused anna',
    ]);
  });

  promise('of many decisions at the same moment one decides, and the trail has one decision', async (fixture) => {
    await using others = await users(fixture, 4);
    const { stores } = others;
    for (let round = 0; round < 5; round++) {
      const people = Array.from({ length: 8 }, (_, i) => `p${i}`);
      const id = await created(fixture.store, {
        messageId: `/acme ${round}`,
        terms: { seats: [people], remindEvery: 0 },
      });
      const results = await Promise.all(
        people.map((person, i) =>
          stores[i % 4]!.run(castVote, ballotOf(id, person, { verdict: i % 2 === 0 ? 'approve' : 'reject' })),
        ),
      );
      assert.equal(results.filter(({ kind }) => kind === 'voted').length, 1);
      assert.ok(results.every((result) => result.kind === 'voted' || result.why === 'decided'));
    }
    const decisions = (await actionsOf(fixture.store)).filter((line) => /approval\.(approved|rejected)/.test(line));
    assert.equal(decisions.length, 5);
  });

  promise('a decision and the deadline at the same moment: one of them decides', async (fixture) => {
    await using others = await users(fixture, 2);
    const { stores } = others;
    for (let round = 0; round < 5; round++) {
      const id = await created(fixture.store, {
        messageId: `/acme ${round}`,
        deadline: 1,
        terms: { seats: [['anna']] },
      });
      const [vote, turn] = await Promise.all([
        stores[0]!.run(castVote, ballotOf(id, 'anna')),
        stores[1]!.run(advanceClock, { process }),
      ]);
      await fixture.store.run(advanceClock, { process });
      const [state] = (await fixture.store.run(listRequests, { list: 'closed', person: 'x', limit: 1 })).requests;
      assert.equal(state!.id, id);
      assert.equal(state!.outcome, vote.kind === 'voted' ? 'approved' : 'expired', JSON.stringify([vote, turn]));
    }
  });

  promise(
    'a stand-in decides for who is away, never for the requester, and the trail names both',
    async ({ store }) => {
      await store.run(delegate, delegation('anna', 'gus'));
      await store.run(delegate, delegation('cy', 'rita'));
      await store.run(delegate, delegation('rita', 'hal'));
      const id = await created(store);
      assert.equal(((await store.run(castVote, ballotOf(id, 'rita'))) as { why?: string }).why, 'requester');
      // cy's authority passes to rita, and would pass on to hal through the requester.
      assert.equal(((await store.run(castVote, ballotOf(id, 'hal'))) as { why?: string }).why, 'not-asked');
      const mine = await store.run(listRequests, { list: 'mine', person: 'gus' });
      assert.deepEqual(
        mine.requests.map((request) => request.id),
        [id],
      );
      assert.equal((await store.run(castVote, ballotOf(id, 'gus'))).kind, 'voted');
      const opened = await store.run(openRequest, { id, person: 'gus' });
      assert.deepEqual(
        opened!.votes.map(({ person, onBehalfOf }) => [person, onBehalfOf]),
        [['gus', 'anna']],
      );
      // anna is back: the vote given for her stands, and is not given twice.
      assert.equal(((await store.run(castVote, ballotOf(id, 'anna'))) as { why?: string }).why, 'not-needed');
      assert.equal(((await store.run(castVote, ballotOf(id, 'cy'))) as { state?: string }).state, 'decided');
    },
  );

  promise('a delegation that ends does not undo a vote that was given under it', async ({ store, setClock }) => {
    await store.run(delegate, delegation('anna', 'gus', { endsAt: Date.now() + hour }));
    const id = await created(store);
    await store.run(castVote, ballotOf(id, 'gus'));
    setClock(2 * hour);
    assert.equal(((await store.run(castVote, ballotOf(id, 'cy'))) as { state?: string }).state, 'decided');
  });

  promise('delegations close no circle, not even when made at once, and end before their time', async (fixture) => {
    const { store } = fixture;
    const there = delegation('anna', 'bo');
    await store.run(delegate, there);
    assert.equal((await store.run(delegate, there)).id, there.id);
    await store.run(delegate, delegation('bo', 'cy'));
    await assert.rejects(store.run(delegate, delegation('cy', 'anna')), code('DELEGATION_CIRCLE'));
    await assert.rejects(store.run(delegate, delegation('cy', 'cy')), code('DELEGATION_TO_SELF'));
    await assert.rejects(store.run(delegate, delegation('x', 'y', { endsAt: 1 })), code('DELEGATION_PERIOD'));
    await using others = await users(fixture, 2);
    const { stores } = others;
    const both = await Promise.allSettled([
      stores[0]!.run(delegate, delegation('kim', 'lou')),
      stores[1]!.run(delegate, delegation('lou', 'kim')),
    ]);
    assert.equal(both.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal(await store.run(endDelegation, { id: there.id, by: 'mallory', ofAnybody: false, reason: 'x' }), false);
    assert.equal(await store.run(endDelegation, { id: there.id, by: 'anna', ofAnybody: false, reason: 'back' }), true);
    assert.equal((await store.run(listDelegations, undefined)).length, 2);
  });

  promise(
    'a change asks again who approved the document before it, and the outcome says that it changed',
    async ({ store }) => {
      const id = await created(store);
      await store.run(castVote, ballotOf(id, 'bo'));
      const edit = { body: Buffer.from('changed'), bodyKey: null, paths: ['quantity'] };
      const changed = await store.run(castVote, ballotOf(id, 'cy', { edit }));
      assert.deepEqual(changed, { kind: 'voted', waiting: 1, state: 'open', outcome: null });
      assert.equal(((await store.run(castVote, ballotOf(id, 'bo'))) as { why?: string }).why, 'changed');
      const done = await store.run(castVote, ballotOf(id, 'bo', { revision: 2 }));
      assert.deepEqual(done, { kind: 'voted', waiting: 0, state: 'decided', outcome: 'changed' });
      const [request] = await store.run(claimDecided, { process, limit: 1, lease });
      assert.equal(Buffer.from(request!.body).toString(), 'changed');
      assert.equal(request!.revision, 2);
    },
  );

  promise('a link is spent with the decision, once', async ({ store }) => {
    const id = await created(store);
    const other = await created(store, { messageId: '/acme 2' });
    assert.equal((await store.run(castVote, ballotOf(id, 'bo', { nonce: 'n1' }))).kind, 'voted');
    assert.equal(
      ((await store.run(castVote, ballotOf(other, 'bo', { nonce: 'n1' }))) as { why?: string }).why,
      'link-used',
    );
    // A refused vote does not spend the link.
    assert.equal(
      ((await store.run(castVote, ballotOf(id, 'rita', { nonce: 'n2' }))) as { why?: string }).why,
      'requester',
    );
    assert.equal((await store.run(castVote, ballotOf(id, 'cy', { nonce: 'n2' }))).kind, 'voted');
  });

  promise(
    'the clock reminds once a period, escalates, and at the deadline does what was chosen',
    async ({ store, setClock }) => {
      const { id, heldUntil } = await store.run(createRequest, requestOf());
      await store.run(noticesTold, { told: [{ id, kind: 'requested', heldUntil: heldUntil! }] });
      const turn = async () => {
        const { notices, decided } = await store.run(advanceClock, { process });
        await told(store, notices);
        return [
          ...notices.map(({ kind, people }) => `${kind} ${people.join(' ')}`),
          ...(decided > 0 ? ['decided'] : []),
        ];
      };
      assert.deepEqual(await turn(), []);
      await store.run(castVote, ballotOf(id, 'bo'));
      setClock(24 * hour + 1_000);
      assert.deepEqual(await turn(), ['reminder anna cy']);
      assert.deepEqual(await turn(), []);
      // Node-RED was off for a day and more: one notice, not all that were missed.
      setClock(50 * hour);
      assert.deepEqual(await turn(), ['escalation dora']);
      assert.deepEqual(await turn(), []);
      assert.equal((await store.run(listRequests, { list: 'mine', person: 'dora' })).requests.length, 1);
      // The clock set back brings nothing twice.
      setClock(0);
      assert.deepEqual(await turn(), []);
      setClock(72 * hour + 1_000);
      assert.equal(((await store.run(castVote, ballotOf(id, 'cy'))) as { why?: string }).why, 'decided');
      assert.deepEqual(await turn(), ['decided']);
      const [request] = (await store.run(listRequests, { list: 'closed', person: 'x' })).requests;
      assert.deepEqual([request!.outcome, request!.decidedBy], ['expired', 'policy']);
      for (const [i, act] of (['approve', 'reject'] as const).entries()) {
        await created(store, { messageId: `/acme d${i}`, deadline: 1, terms: { onDeadline: act } });
      }
      setClock(73 * hour);
      assert.deepEqual(await turn(), ['decided']);
      const outcomes = (await store.run(listRequests, { list: 'closed', person: 'x' })).requests.map(
        ({ outcome }) => outcome,
      );
      assert.deepEqual(new Set(outcomes), new Set(['expired', 'approved', 'rejected']));
    },
  );

  promise('a notice that its holder did not tell is told by whoever looks next', async ({ store, setClock }) => {
    const id = await created(store);
    const look = async () => (await store.run(advanceClock, { process })).notices;
    const words = (notices: Notice[]) => notices.map(({ kind, people }) => [kind, ...people].join(' '));
    assert.deepEqual(words(await look()), [], 'whoever took the message tells it');
    setClock(31_000);
    assert.deepEqual(words(await look()), ['requested anna bo cy']);
    assert.deepEqual(words(await look()), [], 'it is held again');
    await store.run(castVote, ballotOf(id, 'bo'));
    setClock(62_000);
    const again = await look();
    assert.deepEqual(words(again), ['requested anna cy'], 'not to who has voted since');
    await told(store, again);
    setClock(24 * hour + 1_000);
    assert.deepEqual(words(await look()), ['reminder anna cy']);
    await store.run(castVote, ballotOf(id, 'cy'));
    setClock(25 * hour);
    assert.deepEqual(words(await look()), [], 'it is decided: nothing to remind of');
    // The flow fails for good, and the process with it.
    const [claimed] = await store.run(claimDecided, { process, limit: 1, lease });
    const failure = { code: 'ODOO_VALIDATION', message: 'The period is locked.' };
    await store.run(endResumption, { id, fence: claimed!.fence, ending: { kind: 'failed', failure } });
    setClock(25 * hour + 31_000);
    assert.deepEqual(words(await look()), ['failed']);
  });

  promise('a message that fails again is told again, also when the first notice is told after that', async (under) => {
    const { store, setClock } = under;
    const id = await created(store, { terms: { seats: [['anna']] } });
    await store.run(castVote, ballotOf(id, 'anna'));
    const fail = async () => {
      const [claimed] = await store.run(claimDecided, { process, limit: 1, lease });
      const ending = {
        kind: 'failed',
        failure: { code: 'ODOO_VALIDATION', message: 'The period is locked.' },
      } as const;
      return await store.run(endResumption, { id, fence: claimed!.fence, ending });
    };
    const first = await fail();
    await store.run(continueAgain, { requestId: id, person: 'ops', reason: 'the period is open' });
    setClock(3_000);
    const second = await fail();
    assert.ok(first !== false && second !== false);
    const tell = (heldUntil: number) => store.run(noticesTold, { told: [{ id, kind: 'failed', heldUntil }] });
    await tell(first.heldUntil!);
    setClock(40_000);
    const { notices } = await store.run(advanceClock, { process });
    assert.deepEqual(
      notices.map(({ kind }) => kind),
      ['failed'],
    );
    await tell(second.heldUntil!);
    setClock(80_000);
    assert.equal((await store.run(advanceClock, { process })).notices.length, 1, 'who took it over holds it');
  });

  promise('an emergency that a person declared is told to who reviews it, once', async ({ store, setClock }) => {
    const id = await created(store);
    await store.run(castVote, ballotOf(id, 'eve', { verdict: 'emergency' }));
    const { notices } = await store.run(advanceClock, { process });
    assert.deepEqual(
      notices.map(({ kind, people }) => [kind, ...people]),
      [['review', 'anna', 'bo', 'cy']],
    );
    await told(store, notices);
    setClock(60_000);
    assert.deepEqual((await store.run(advanceClock, { process })).notices, []);
  });

  promise('once escalated, whom the policy names may take a seat', async ({ store, setClock }) => {
    const id = await created(store);
    assert.equal(((await store.run(castVote, ballotOf(id, 'dora'))) as { why?: string }).why, 'not-asked');
    setClock(49 * hour);
    await store.run(advanceClock, { process });
    assert.equal(((await store.run(castVote, ballotOf(id, 'dora'))) as { waiting?: number }).waiting, 1);
    assert.equal(((await store.run(castVote, ballotOf(id, 'bo'))) as { state?: string }).state, 'decided');
  });

  promise('an emergency passes at once and waits for the eyes of somebody else', async ({ store, setClock }) => {
    const id = await created(store);
    assert.equal(
      ((await store.run(castVote, ballotOf(id, 'anna', { verdict: 'emergency' }))) as { why?: string }).why,
      'no-emergency',
    );
    assert.equal(
      ((await store.run(castVote, ballotOf(id, 'eve', { verdict: 'emergency' }))) as { outcome?: string }).outcome,
      'approved',
    );
    const review = (person: string, verdict: 'confirmed' | 'objected' = 'confirmed') =>
      store.run(reviewEmergency, { requestId: id, person, verdict, reason: 'looked at it' });
    assert.equal((await store.run(listRequests, { list: 'mine', person: 'anna' })).requests.length, 1);
    for (const [person, why] of [
      ['eve', 'same-person'],
      ['rita', 'requester'],
      ['mallory', 'not-asked'],
    ] as const) {
      assert.deepEqual(await review(person), { kind: 'refused', why });
    }
    setClock(25 * hour);
    const { notices } = await store.run(advanceClock, { process });
    assert.deepEqual(
      notices.map(({ kind }) => kind),
      ['review-overdue'],
    );
    assert.deepEqual(await review('anna', 'objected'), { kind: 'reviewed', state: 'objected' });
    assert.deepEqual(await review('cy'), { kind: 'refused', why: 'no-review' });
    assert.equal((await store.run(listRequests, { list: 'review', person: 'x' })).requests.length, 0);
  });

  promise('a message that says it is an emergency passes by itself and is reviewed', async ({ store }) => {
    const creation = await store.run(createRequest, requestOf({ emergency: true }));
    assert.equal(creation.state, 'decided');
    const [request] = await store.run(claimDecided, { process, limit: 1, lease });
    assert.deepEqual(
      [request!.outcome, request!.decidedBy, request!.emergency, request!.reviewState],
      ['approved', 'policy', true, 'due'],
    );
  });

  promise('what needs nobody goes on at once', async ({ store }) => {
    const creation = await store.run(createRequest, requestOf({ terms: { seats: [] } }));
    assert.deepEqual([creation.state, creation.people], ['decided', []]);
    assert.deepEqual(await actionsOf(store), ['approval.requested rita', 'approval.approved policy']);
  });

  promise('a decided message is sent by one process at a time, and ends once', async (fixture) => {
    const { store, setClock } = fixture;
    const ids: string[] = [];
    for (let i = 0; i < 6; i++) ids.push(await created(store, { messageId: `/acme ${i}`, terms: { seats: [] } }));
    await using others = await users(fixture, 3);
    const { stores } = others;
    const claimed = (
      await Promise.all(
        stores.map(async (one) => {
          const mine = await one.run(claimDecided, { process, limit: 4, lease });
          return [...mine, ...(await one.run(claimDecided, { process, limit: 4, lease }))];
        }),
      )
    ).flat();
    // Who waited for the same rows goes away empty and looks again.
    claimed.push(...(await store.run(claimDecided, { process, limit: 6, lease })));
    assert.deepEqual(claimed.map(({ id }) => id).sort(), ids.sort());
    const first = claimed[0]!;
    const held = { id: first.id, fence: first.fence };
    // Its holder is slow; the lease ends and another takes over.
    setClock(lease + 1_000);
    const [again] = (await store.run(claimDecided, { process, limit: 6, lease })).filter(({ id }) => id === first.id);
    assert.equal(again!.fence, first.fence + 1);
    assert.deepEqual(await store.run(renewResumptions, { held: [held], lease }), []);
    assert.equal(await store.run(endResumption, { ...held, ending: { kind: 'done' } }), false);
    const end = { id: first.id, fence: again!.fence, ending: { kind: 'done' } } as const;
    assert.notEqual(await store.run(endResumption, end), false);
    assert.equal(
      await store.run(endResumption, { id: first.id, fence: again!.fence, ending: { kind: 'done' } }),
      false,
    );
    const resumed = (await actionsOf(store)).filter((line) => line.startsWith('approval.resumed'));
    assert.equal(resumed.length, 1);
  });

  promise('a clock that is set back a day holds nothing up', async ({ store, setClock }) => {
    setClock(24 * hour);
    await created(store, { terms: { seats: [] } });
    const [claimed] = await store.run(claimDecided, { process, limit: 1, lease });
    await store.run(endResumption, {
      id: claimed!.id,
      fence: claimed!.fence,
      ending: { kind: 'again', delay: 60_000, counts: true, failure: { code: 'X', message: 'x' } },
    });
    assert.deepEqual(await store.run(claimDecided, { process, limit: 1, lease }), []);
    setClock(0);
    assert.equal((await store.run(claimDecided, { process, limit: 1, lease })).length, 1);
    setClock(-24 * hour);
    assert.equal((await store.run(claimDecided, { process, limit: 1, lease })).length, 1);
  });

  promise('what failed for good waits for a person, who lets it go on', async ({ store }) => {
    const id = await created(store, { terms: { seats: [] } });
    const [claimed] = await store.run(claimDecided, { process, limit: 1, lease });
    const failure = { code: 'ODOO_VALIDATION', message: 'The period is locked.' };
    await store.run(endResumption, { id, fence: claimed!.fence, ending: { kind: 'failed', failure } });
    assert.deepEqual(
      (await store.run(approvalTotals, undefined)).map(({ failed, decided }) => [failed, decided]),
      [[1, 0]],
    );
    assert.deepEqual(await store.run(claimDecided, { process, limit: 1, lease }), []);
    assert.equal(await store.run(continueAgain, { requestId: id, person: 'ops', reason: 'period opened' }), true);
    assert.equal(await store.run(continueAgain, { requestId: id, person: 'ops', reason: 'period opened' }), false);
    assert.equal((await store.run(claimDecided, { process, limit: 1, lease })).length, 1);
  });

  promise('lists tell each person their own, oldest first, page by page', async ({ store }) => {
    for (let i = 0; i < 5; i++) await created(store, { messageId: `/acme ${i}`, title: `PO-${i}` });
    const titles: string[] = [];
    for (let after: string | undefined; ; ) {
      const page = await store.run(listRequests, {
        list: 'mine',
        person: 'cy',
        limit: 2,
        ...(after === undefined ? {} : { after }),
      });
      titles.push(...page.requests.map(({ title }) => title));
      after = page.next;
      if (after === undefined) break;
    }
    assert.deepEqual(titles, ['PO-0', 'PO-1', 'PO-2', 'PO-3', 'PO-4']);
    assert.equal((await store.run(listRequests, { list: 'mine', person: 'rita' })).requests.length, 0);
    assert.equal((await store.run(listRequests, { list: 'asked', person: 'rita' })).requests.length, 5);
    assert.equal((await store.run(listRequests, { list: 'mine', person: 'mallory' })).requests.length, 0);
  });

  promise(
    'opening a whole document is in the trail; what is closed is kept for its time, with its votes',
    async ({ store, setClock }) => {
      const id = await created(store, { terms: { seats: [['anna']] } });
      assert.ok((await store.run(revealRequest, { id, person: 'ops', reason: 'asked by the ward' })) !== undefined);
      await store.run(castVote, ballotOf(id, 'anna', { nonce: 'n' }));
      const [claimed] = await store.run(claimDecided, { process, limit: 1, lease });
      await store.run(endResumption, { id, fence: claimed!.fence, ending: { kind: 'done' } });
      const purge = () => store.run(purgeRequests, { process, retention: 24 * hour, limit: 10 });
      assert.equal(await purge(), 0);
      setClock(25 * hour);
      assert.equal(await purge(), 1);
      assert.equal(await store.run(openRequest, { id, person: 'anna' }), undefined);
      assert.ok((await actionsOf(store)).includes('approval.revealed ops'));
    },
  );
}
