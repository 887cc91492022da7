/** Drills with people: one on leave, one who asks for what they may approve, a link that is passed on, a crash while they decide. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChainStack, startChains } from '../e2e/chains.ts';
import { deliver, inParallel } from '../e2e/sender.ts';
import { Ledger } from '../e2e/ledger.ts';
import { waitUntil } from '../support/processes.ts';
import { drill, engines, keys, size } from './drill.ts';
import { balanced, times, untaxed } from './invariants.ts';

const process_ = 'procurement.requisition';

describe(`drills with people, ${engines} engines`, { timeout: 1_800_000 }, () => {
  let running: ChainStack;
  before(async () => {
    running = await startChains(engines, { HEALTHFLOWS_LINK_KEY: randomUUID() + randomUUID() });
  });
  after(() => running?.close());

  /** A hundred gloves: 420.00 EUR, which a buyer (anna or bo) has to approve. */
  async function ask(ledger: Ledger, number: string, requester = 'rita'): Promise<void> {
    const reply = await deliver(
      `${running.stack.nodeRed.url}/procurement/requisitions`,
      number,
      {
        id: `msg_${number}`,
        body: JSON.stringify({
          number,
          requestedAt: new Date().toISOString(),
          requester: { identifiers: [{ type: 'EMPLOYEE', value: requester }] },
          costCentre: 'W3-EAST',
          lines: [
            {
              number: '1',
              product: { identifiers: [{ type: 'SKU', value: 'GLOVE-M' }] },
              supplier: { identifiers: [{ type: 'CODE', value: 'ACME' }] },
              quantity: { value: '100', unit: '{each}' },
            },
          ],
        }),
      },
      ledger,
      { tries: 1_000 },
    );
    assert.equal(reply.status, 202, reply.body);
  }
  const orders = (requisition: string) =>
    running.stack.odoo.records('purchase.order', { origin: requisition }).filter(({ state }) => state === 'purchase');
  const ordered = (requisition: string) =>
    waitUntil(`${requisition} is ordered`, () => orders(requisition)[0], 180_000, 100);
  const money = (ledger: Ledger, done = ledger.accepted) => ({
    sent: times('420.00', done.length),
    odoo: untaxed(ledger.accepted.flatMap(orders)),
  });

  interface Answer {
    status: number;
    code?: string;
  }
  async function press(path: string, body: Record<string, unknown>): Promise<Answer> {
    const response = await running.stack.nodeRed.admin(`/healthflows/console/api/approvals/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: randomUUID(), reason: 'drill', ...body }),
    });
    const answer = (await response.json()) as { error?: { code: string } };
    return { status: response.status, ...(answer.error === undefined ? {} : { code: answer.error.code }) };
  }
  /** The open request about a requisition. The inbox is the truth; a notice may come later, or twice. */
  const inInbox = (name: string) =>
    waitUntil(
      `${name} is in the inbox`,
      async () => {
        for (let after = ''; ; ) {
          const page = await running.stack.console<{ requests: { id: string; title: string }[]; next?: string }>(
            `approvals/list?list=open${after}`,
          );
          const found = page.requests.find(({ title }) => title === name);
          if (found !== undefined || page.next === undefined) return found;
          after = `&after=${encodeURIComponent(page.next)}`;
        }
      },
      180_000,
      200,
    );
  const vote = (id: string, as: string, more: Record<string, unknown> = {}) =>
    press(`requests/${id}/vote`, { as, verdict: 'approve', revision: 1, ...more });
  /** Entries of one action that hold a word. */
  async function audited(action: string, word: string): Promise<number> {
    let found = 0;
    let after = '';
    for (;;) {
      const page = await running.stack.console<{ records: unknown[]; next?: number }>(`audit?action=${action}${after}`);
      found += page.records.filter((record) => JSON.stringify(record).includes(word)).length;
      if (page.next === undefined) return found;
      after = `&after=${page.next}`;
    }
  }
  const intact = async () =>
    assert.equal((await running.stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');

  drill(
    'An approver is on leave',
    'the stand-in decides, for this time and this purpose only, and the trail names both',
    async () => {
      const ledger = new Ledger();
      await ask(ledger, 'LEAVE-1');
      const { id } = await running.asked(process_, 'LEAVE-1');
      assert.deepEqual(await vote(id, 'gus'), { status: 403, code: 'APPROVAL_NOT_ASKED' });
      const day = 86_400_000;
      const period = { startsAt: Date.now() - day, endsAt: Date.now() + day };
      const leave = await press('delegations', { as: 'anna', from: 'anna', to: 'gus', process: process_, ...period });
      assert.equal(leave.status, 200);
      assert.equal((await vote(id, 'gus')).status, 200);
      await ordered('LEAVE-1');
      assert.equal(await audited('approval.approved', 'gus'), 1);
      const { votes } = await running.stack.console<{ votes: { person: string; onBehalfOf: string | null }[] }>(
        `approvals/requests/${id}?as=gus`,
      );
      assert.deepEqual(
        votes.map(({ person, onBehalfOf }) => [person, onBehalfOf]),
        [['gus', 'anna']],
      );
      await intact();
      return `gus was refused before and decided for anna after; ${balanced({ accepted: ledger.accepted, inOdoo: (key) => orders(key).length, money: money(ledger) })}`;
    },
  );

  drill(
    'Somebody asks for what they may approve',
    'they may not decide it, in whatever spelling and through no stand-in; another buyer does',
    async () => {
      const ledger = new Ledger();
      await ask(ledger, 'SELF-1', 'Anna');
      const { id } = await running.asked(process_, 'SELF-1');
      for (const as of ['anna', 'ANNA ']) assert.equal((await vote(id, as)).code, 'APPROVAL_SELF');
      // gus stands in for anna since the last drill.
      assert.equal((await vote(id, 'gus')).status, 403);
      const before = balanced({
        accepted: ledger.accepted,
        inOdoo: (key) => orders(key).length,
        waiting: new Map([['SELF-1', 'bo']]),
      });
      assert.equal((await vote(id, 'bo')).status, 200);
      await ordered('SELF-1');
      await intact();
      return `3 tries refused (${before}); then bo decided: ${balanced({ accepted: ledger.accepted, inOdoo: (key) => orders(key).length, money: money(ledger) })}`;
    },
  );

  drill(
    'The link of a request is forwarded',
    'it helps nobody else, works once for whom it was made, and every try is in the trail',
    async () => {
      const ledger = new Ledger();
      await ask(ledger, 'LINK-1');
      await ask(ledger, 'LINK-2');
      const { id, people } = await running.asked(process_, 'LINK-1');
      const ticket = new URLSearchParams(people.find(({ person }) => person === 'anna')!.link.split('?')[1]).get(
        'ticket',
      )!;
      assert.equal((await vote(id, 'bo', { ticket })).code, 'APPROVAL_LINK_FORWARDED');
      assert.equal((await vote(id, 'mallory', { ticket })).code, 'APPROVAL_LINK_FORWARDED');
      assert.equal((await vote(id, 'anna', { ticket: `${ticket}x` })).code, 'APPROVAL_LINK_INVALID');
      assert.equal((await vote(id, 'anna', { ticket })).status, 200);
      const other = await running.asked(process_, 'LINK-2');
      assert.equal((await vote(other.id, 'anna', { ticket })).code, 'APPROVAL_LINK_INVALID');
      await ordered('LINK-1');
      assert.equal(await audited('approval.link-refused', 'bo'), 1);
      assert.equal(await audited('approval.link-refused', 'mallory'), 1);
      const open = new Map([['LINK-2', other.people.map(({ person }) => person).join(' or ')]]);
      const words = balanced({
        accepted: ledger.accepted,
        inOdoo: (key) => orders(key).length,
        waiting: open,
        money: money(ledger, ['LINK-1']),
      });
      assert.equal((await vote(other.id, 'bo')).status, 200);
      await ordered('LINK-2');
      await intact();
      return `2 strangers, 1 changed link and 1 second use refused; ${words}; then bo decided the other`;
    },
  );

  drill(
    'Node-RED is killed and redeployed under load while approvals are pending',
    'no request is lost or asked twice, each decision counts once, each order stands once',
    async () => {
      const ledger = new Ledger();
      const { stack } = running;
      const names = keys('PENDING', 24 * size);
      const rounds = 2 * size;
      let pressed = 0;
      /** Presses until an answer comes: under one token, as a page does that lost its connection. */
      const decide = async (id: string) => {
        const token = randomUUID();
        const who = pressed % 2 === 0 ? 'bo' : 'anna';
        for (;;) {
          const answer = await vote(id, who, { token }).catch(() => undefined);
          if (answer?.status === 200 || answer?.code === 'APPROVAL_DECIDED') break;
          await sleep(200);
        }
        pressed += 1;
      };
      const half = names.filter((_, at) => at % 2 === 0);
      const sending = inParallel(names, 4, (name) => ask(ledger, name));
      const deciding = inParallel(half, 3, async (name) => decide((await inInbox(name)).id));
      for (let round = 0; round < rounds; round++) {
        const [accepted, decided] = [ledger.accepted.length, pressed];
        await waitUntil(
          'requests come and are decided',
          () =>
            (ledger.accepted.length > accepted || ledger.accepted.length === names.length) &&
            (pressed > decided || pressed === half.length),
          120_000,
          5,
        );
        await stack.nodeRed.kill();
        await stack.nodeRed.restart();
        await stack.nodeRed.deploy(stack.flows.map((node) => ({ ...node, info: `round ${round}` })));
      }
      await Promise.all([sending, deciding]);
      for (const name of half) await ordered(name);
      // What nobody has decided waits for the two buyers, by name.
      const rest = names.filter((name) => !half.includes(name));
      const requests = await Promise.all(rest.map(inInbox));
      const open = await running.open();
      const waiting = new Map(rest.map((name) => [name, open.get(name)?.join(' or ') ?? '']));
      const midway = balanced({
        accepted: ledger.accepted,
        inOdoo: (key) => orders(key).length,
        waiting,
        money: money(ledger, half),
      });
      assert.deepEqual([...open.keys()].sort(), [...rest].sort());
      await inParallel(requests, 4, async ({ id }) => decide(id));
      for (const name of rest) await ordered(name);
      assert.equal((await running.open()).size, 0);
      assert.equal(await audited('approval.approved', 'PENDING-'), names.length);
      assert.deepEqual(await stack.deadLetters(), []);
      await intact();
      return `${rounds} kills and ${rounds} full deploys; ${midway}; decided afterwards: ${balanced({ accepted: ledger.accepted, inOdoo: (key) => orders(key).length, money: money(ledger) })}`;
    },
  );
});
