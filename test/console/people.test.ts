/** The console as each role meets it: signed in at a Node-RED of its own, with the editor switched off. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { JournalEntry } from '../../nodes/console/journal/entry.ts';
import { writeJournal } from '../../nodes/console/journal/write.ts';
import { openStore } from '../../nodes/kernel/store/index.ts';
import { collectLetter } from '../../nodes/settlement/letters/collect.ts';
import { letterOf } from '../../nodes/settlement/letters/letter.ts';
import { launchBrowser } from '../editor/editor.ts';
import { type FlowNode, type NodeRed, packageRoot, startNodeRed } from '../support/node-red.ts';
import { temporaryDirectory } from '../support/processes.ts';

const bcrypt = createRequire(import.meta.url)('bcryptjs') as { hashSync(text: string, rounds: number): string };
const shots = join(packageRoot, '.test-output', 'screenshots');

const people = {
  viewer: ['healthflows.view'],
  operator: ['healthflows.operate'],
  administrator: ['healthflows.administer'],
  partner: ['healthflows.view', 'healthflows.partner:urn:acme'],
} as const;
type Person = keyof typeof people;
const passwordOf = (person: string) => `the password of ${person}`;

const flows: FlowNode[] = [
  { id: 'tab', type: 'tab', label: 'Procurement' },
  { id: 'store', type: 'integration-store', name: 'Main', engine: 'sqlite', file: 'people.sqlite', configVersion: 1 },
  { id: 'odoo', type: 'odoo-server', name: 'Odoo', url: 'http://127.0.0.1:1', database: 'x', configVersion: 1 },
  { id: 'rpc', z: 'tab', x: 1, y: 1, type: 'odoo-rpc', server: 'odoo', configVersion: 1, wires: [[]] },
  {
    id: 'amqp',
    type: 'amqp-connection',
    name: 'Queue',
    engine: 'embedded',
    namespace: 'people',
    store: 'store',
    configVersion: 1,
  },
  { id: 'in', z: 'tab', x: 1, y: 2, type: 'amqp-consume', connection: 'amqp', queue: 'orders', wires: [['rpc']] },
  {
    id: 'dead',
    z: 'tab',
    x: 1,
    y: 3,
    type: 'dead-letter',
    connection: 'amqp',
    store: 'store',
    queue: 'orders',
    wires: [[]],
  },
];

const message = (n: number, partner: string): JournalEntry => ({
  id: `m-${n}`,
  startedAt: Date.now() - n * 1_000,
  changedAt: Date.now() - n * 1_000 + 200,
  outcome: 'done',
  outcomeAt: Date.now(),
  partner,
  correlationId: `c-${n}`,
  eventType: 'order.received.v1',
  subject: `PO-${partner.slice(4)}-${n}`,
  flow: 'tab',
  odoo: { model: 'account.analytic.line.of.a.long.name', ids: '1001,1002,1003,1004' },
  attempts: 1,
  terms: [`key:po-${partner.slice(4)}-${n}`, 'flow:tab'],
  hops: [{ t: Date.now(), d: 1.5, n: 'rpc', s: 'odoo-rpc', f: 'tab' }],
});

async function seed(file: string): Promise<void> {
  const store = openStore({ engine: 'sqlite', file });
  const entries = Array.from({ length: 40 }, (_, n) => message(n, n % 2 === 0 ? 'urn:acme' : 'urn:other'));
  await store.run(writeJournal, entries);
  for (let i = 1; i <= 3; i++) {
    await store.run(
      collectLetter,
      letterOf(
        {
          handle: 'h',
          queue: 'people.orders.dead',
          exchange: '',
          routingKey: 'people.orders',
          attempt: 1,
          redelivered: false,
          body: Buffer.from(JSON.stringify({ order: `PO-${i}`, patient: 'Marked Value' })),
          properties: {
            messageId: `dead-${i}`,
            correlationId: `corr-${i}`,
            contentType: 'application/json',
            timestamp: 1,
            headers: {
              'cloudEvents:subject': `PO-DEAD-${i}`,
              'x-failure-class': 'data-quality',
              'x-failure-code': 'UNKNOWN_UNIT',
              'x-failure-message': `Unit "bx" of line ${i} is not known.`,
              'x-failure-at': new Date().toISOString(),
              'x-first-failed-at': new Date().toISOString(),
              'x-origin-queue': 'people.orders',
            },
          },
        },
        'amqp',
      ),
    );
  }
  await store.close();
}

let nodeRed: NodeRed;
let browser: Browser;

before(async () => {
  const userDir = temporaryDirectory('people');
  mkdirSync(userDir, { recursive: true });
  writeFileSync(join(userDir, 'flows.json'), JSON.stringify(flows));
  await seed(join(userDir, 'people.sqlite'));
  nodeRed = await startNodeRed({
    userDir,
    settings: {
      disableEditor: true,
      adminAuth: {
        type: 'credentials',
        users: Object.entries(people).map(([username, permissions]) => ({
          username,
          password: bcrypt.hashSync(passwordOf(username), 4),
          permissions,
        })),
      },
    },
  });
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await nodeRed?.stop();
});

async function signedIn(person: Person, theme: 'light' | 'dark' = 'light'): Promise<Page> {
  const context = await browser.newContext({
    colorScheme: theme,
    viewport: { width: 1440, height: 900 },
    reducedMotion: 'reduce',
  });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${nodeRed.adminUrl}/healthflows/console`);
  await page.getByLabel('User').fill(person);
  await page.getByLabel('Password').fill('not this one');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.sign-in .error').waitFor();
  await page.getByLabel('Password').fill(passwordOf(person));
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Now', exact: true }).waitFor();
  return page;
}

const pagesOf = (page: Page) => page.locator('#pages a').evaluateAll((all) => all.map((a) => a.dataset.page));
const to = async (page: Page, name: string) => {
  await page.goto(`${nodeRed.adminUrl}/healthflows/console#${name}`);
  await page.locator('main h1').waitFor();
  await page.locator('main .loading').first().waitFor({ state: 'detached' });
};
const shot = (page: Page, name: string) => page.screenshot({ path: join(shots, `people-${name}.png`), fullPage: true });

interface Sees {
  pages: string[];
  /** Buttons on an opened dead letter, beside Close. */
  letter: string[];
  pause: boolean;
  verify: boolean;
  export: boolean;
}

const whole = ['now', 'messages', 'failures', 'connections', 'audit'];
const sees: Record<Exclude<Person, 'partner'>, Sees> = {
  viewer: { pages: whole, letter: [], pause: false, verify: false, export: false },
  operator: { pages: whole, letter: ['Discard…', 'Replay…'], pause: true, verify: true, export: false },
  administrator: {
    pages: whole,
    letter: ['Open payload…', 'Discard…', 'Edit and replay…', 'Replay…'],
    pause: true,
    verify: true,
    export: true,
  },
};

for (const [person, expected] of Object.entries(sees) as [Exclude<Person, 'partner'>, Sees][]) {
  describe(`signed in as ${person}`, () => {
    let page: Page;
    before(async () => {
      page = await signedIn(person, person === 'operator' ? 'dark' : 'light');
    });
    after(() => page?.context().close());

    test('every page opens, and offers what the role may do', async () => {
      assert.deepEqual(await pagesOf(page), expected.pages);
      const has = async (name: RegExp | string) => (await page.getByRole('button', { name }).count()) > 0;
      await page.getByRole('row', { name: /Procurement/ }).waitFor();
      assert.equal(await has(/^Pause/), expected.pause);
      await to(page, 'connections');
      await page.getByRole('heading', { name: 'Systems' }).waitFor();
      assert.equal(await has(/^Take out of service/), expected.pause);
      await shot(page, `connections-${person}`);
      await to(page, 'audit');
      assert.equal(await has('Verify the chain'), expected.verify);
      assert.equal(await has('Export…'), expected.export);
      await to(page, 'failures');
      await page.getByRole('button', { name: /PO-DEAD-1/ }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('button', { name: 'Close' }).waitFor();
      const buttons = await dialog.getByRole('button').allInnerTexts();
      assert.deepEqual(
        buttons.map((text) => text.trim()).filter((text) => text !== 'Close'),
        expected.letter,
      );
      assert.doesNotMatch(await page.content(), /Marked Value/);
    });
  });
}

test('an administrator opens a payload with a reason, and everybody who reads the trail sees who did', async () => {
  const page = await signedIn('administrator');
  await to(page, 'failures');
  await page.getByRole('button', { name: /PO-DEAD-2/ }).click();
  await page.getByRole('button', { name: 'Open payload…' }).click();
  await page.getByText('Recorded in the audit trail under “administrator”').waitFor();
  await page.getByLabel('Reason').fill('the supplier asks what it sent');
  await page.getByRole('dialog').getByRole('button', { name: /Open/ }).click();
  await page.getByText('Marked Value').first().waitFor();
  await page.context().close();
  const other = await signedIn('viewer');
  await to(other, 'audit');
  const entry = other.getByRole('row', { name: /deadletter\.revealed/ });
  await entry.waitFor();
  assert.match(await entry.innerText(), /administrator[\s\S]*the supplier asks what it sent/);
  await shot(other, 'audit-viewer');
  await other.context().close();
});

test('an operator takes Odoo out of service and puts it back, once each', async () => {
  const page = await signedIn('operator', 'dark');
  await to(page, 'connections');
  await page.getByRole('button', { name: /^Take out of service/ }).click();
  await page.getByLabel('Reason').fill('upgrade of Odoo until noon');
  await page.getByRole('button', { name: 'Take out', exact: true }).dblclick();
  await page.getByText('taken out of service by operator').first().waitFor();
  await shot(page, 'out-of-service');
  await page.getByRole('button', { name: /^Put back into service/ }).click();
  await page.getByLabel('Reason').fill('the upgrade is done');
  await page.getByRole('button', { name: 'Put back', exact: true }).click();
  await page.getByRole('button', { name: /^Take out of service/ }).waitFor();
  await to(page, 'audit');
  await page.getByText('system.released').last().waitFor();
  assert.equal(await page.getByRole('row', { name: /system\.isolated/ }).count(), 1);
  await page.context().close();
});

test('with the keyboard alone an operator finds a failure, discards it once and sees it in the trail', async () => {
  const page = await signedIn('operator');
  const focused = () => page.evaluate<string>('document.activeElement.textContent.trim()');
  const tabTo = async (text: string) => {
    for (let presses = 0; (await focused()) !== text; presses++) {
      assert.ok(presses < 80, `${text} is not reached by Tab`);
      await page.keyboard.press('Tab');
    }
  };
  await page.keyboard.press('g');
  await page.keyboard.press('f');
  await page.getByRole('button', { name: 'PO-DEAD-3' }).waitFor();
  await tabTo('PO-DEAD-3');
  await page.keyboard.press('Enter');
  await page.getByText('Shape of the document').waitFor();
  await tabTo('Discard…');
  await page.keyboard.press('Enter');
  await page.getByLabel('Reason').waitFor();
  await page.keyboard.type('the supplier has sent it anew');
  await tabTo('Discard');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await page.getByText('PO-DEAD-3 is discarded.').waitFor();
  await page.keyboard.press('g');
  await page.keyboard.press('t');
  const entries = page.getByRole('row', { name: /deadletter\.discarded/ });
  await entries.first().waitFor();
  assert.equal(await entries.count(), 1);
  assert.match(await entries.innerText(), /operator[\s\S]*the supplier has sent it anew/);
  await page.context().close();
});

test('a partner sees its own messages alone', async () => {
  const page = await signedIn('partner');
  assert.deepEqual(await pagesOf(page), ['now', 'messages']);
  await page.getByText('No flow to show').waitFor();
  await to(page, 'messages');
  await page.getByRole('link', { name: 'PO-acme-0', exact: true }).waitFor();
  assert.doesNotMatch(await page.content(), /PO-other|urn:other/);
  await page.goto(`${nodeRed.adminUrl}/healthflows/console#messages?id=m-1`);
  await page.locator('main .error').waitFor();
  assert.doesNotMatch(await page.content(), /PO-other/);
  await page.goto(`${nodeRed.adminUrl}/healthflows/console#audit`);
  await page.locator('main').getByText(/./).first().waitFor();
  assert.doesNotMatch(await page.content(), /deadletter\./);
  await shot(page, 'partner');
  await page.context().close();
});

test('lists fit a small laptop: no table of a page is wider than its place', async () => {
  const page = await signedIn('viewer');
  await page.setViewportSize({ width: 1280, height: 720 });
  for (const name of ['messages', 'audit', 'connections', 'failures']) {
    await to(page, name);
    await page.locator('main table tbody tr').first().waitFor();
    const wide = await page.evaluate(
      "[...document.querySelectorAll('.table')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent.slice(0, 60))",
    );
    await shot(page, `fits-${name}`);
    assert.deepEqual(wide, [], name);
  }
  await page.context().close();
});

test('what nobody finds, and a Node-RED that no longer answers, are said', async () => {
  const page = await signedIn('viewer', 'dark');
  await to(page, 'messages?text=nothing-like-this');
  await page.getByText('No message matches').waitFor();
  await shot(page, 'nothing-found');
  await to(page, 'now');
  await page.getByText('Live', { exact: true }).waitFor();
  await nodeRed.kill();
  await page
    .getByText(/Not live since/)
    .first()
    .waitFor({ timeout: 60_000 });
  await shot(page, 'stale');
  await nodeRed.restart();
  await page.context().close();
});
