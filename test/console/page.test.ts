/** The console as an operator uses it, in Chromium, with the keyboard, light and dark. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { openStore, type Store } from '../../nodes/kernel/store/index.ts';
import { collectLetter } from '../../nodes/settlement/letters/collect.ts';
import { letterOf } from '../../nodes/settlement/letters/letter.ts';
import { launchBrowser } from '../editor/editor.ts';
import { type EmbeddedNodeRed, embedNodeRed, packageRoot } from '../support/node-red.ts';

const queue = 'page.orders';
const shots = join(packageRoot, '.test-output', 'screenshots');

async function seed(store: Store): Promise<void> {
  for (let i = 1; i <= 12; i++) {
    const failure =
      i <= 9
        ? ['data-quality', 'UNKNOWN_UNIT', `Unit "bx" of line ${i} of order PO-${i} is not known.`]
        : ['dependency-outage', 'ODOO_UNAVAILABLE', `Odoo did not answer within ${i}000 ms.`];
    const at = new Date(1_790_000_000_000 + i * 1_000).toISOString();
    const letter = letterOf(
      {
        handle: 'h',
        queue: `${queue}.dead`,
        exchange: '',
        routingKey: queue,
        attempt: 1,
        redelivered: false,
        body: Buffer.from(JSON.stringify({ order: `PO-${i}`, patient: 'Marked Value', unit: 'bx' })),
        properties: {
          messageId: `m${i}`,
          correlationId: `corr-${i}`,
          contentType: 'application/json',
          timestamp: 1,
          headers: {
            'cloudEvents:subject': `PO-${i}`,
            'x-failure-class': failure[0]!,
            'x-failure-code': failure[1]!,
            'x-failure-message': failure[2]!,
            'x-failure-at': at,
            'x-first-failed-at': at,
            'x-origin-queue': queue,
          },
        },
      },
      'amqp',
    );
    await store.run(collectLetter, letter);
  }
}

let red: EmbeddedNodeRed;
let browser: Browser;

before(async () => {
  red = await embedNodeRed({ settings: { healthflows: { allowUnauthenticatedOperations: true } } });
  const store = openStore({ engine: 'sqlite', file: join(red.userDir, 'page.sqlite') });
  await seed(store);
  await store.close();
  await red.setFlows([
    { id: 'tab', type: 'tab', label: 'Procurement' },
    { id: 'store', type: 'integration-store', name: 'Main', engine: 'sqlite', file: 'page.sqlite', configVersion: 1 },
    {
      id: 'amqp',
      type: 'amqp-connection',
      name: 'Queue',
      engine: 'embedded',
      namespace: 'page',
      store: 'store',
      configVersion: 1,
    },
    {
      id: 'consume',
      z: 'tab',
      type: 'amqp-consume',
      connection: 'amqp',
      queue: 'orders',
      configVersion: 1,
      wires: [['settle']],
    },
    { id: 'settle', z: 'tab', type: 'settle', configVersion: 1, wires: [[]] },
    {
      id: 'dead',
      z: 'tab',
      type: 'dead-letter',
      connection: 'amqp',
      store: 'store',
      queue: 'orders',
      configVersion: 1,
      wires: [[]],
    },
  ]);
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await red?.stop();
});

for (const theme of ['light', 'dark'] as const) {
  describe(`the console in ${theme}`, () => {
    let page: Page;
    const complaints: string[] = [];
    before(async () => {
      const context = await browser.newContext({
        colorScheme: theme,
        viewport: { width: 1366, height: 820 },
        reducedMotion: 'reduce',
      });
      page = await context.newPage();
      page.setDefaultTimeout(90_000);
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on(
        'request',
        (request) =>
          request.url().startsWith(red.url) || request.url().startsWith('data:') || complaints.push(request.url()),
      );
    });
    after(() => page?.context().close());
    const shot = (name: string) =>
      page.screenshot({ path: join(shots, `console-${name}-${theme}.png`), fullPage: true });

    test('the first page says what waits and whether store and broker work', async () => {
      await page.goto(`${red.url}/healthflows/console`);
      await page.getByText('dead letters wait for a person').waitFor();
      await page.getByText('Queue', { exact: true }).first().waitFor();
      assert.equal(await page.locator('html').getAttribute('data-theme'), theme);
      await shot('now');
    });

    test('causes are grouped, and a letter shows the shape of its document but no value', async () => {
      await page.getByRole('link', { name: 'Failures' }).click();
      const cause = page.getByRole('button', { name: 'Unit … of line # of order # is not known.' });
      await cause.focus();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Letters: Unit … of line' }).waitFor();
      const letter = theme === 'light' ? 'PO-1' : 'PO-2';
      await page.getByRole('button', { name: letter, exact: true }).click();
      await page.getByText('Shape of the document').waitFor();
      assert.match(await page.locator('dialog pre').innerText(), /"patient": "text \(12\)"/);
      assert.doesNotMatch(await page.content(), /Marked Value/);
      await shot('letter');
    });

    test('a payload is opened with a reason, edited, compared and replayed, and the flow resolves it', async () => {
      const letter = theme === 'light' ? 'PO-1' : 'PO-2';
      await page.getByRole('button', { name: 'Edit and replay…' }).click();
      await page
        .getByRole('button', { name: 'Open', exact: true })
        .isDisabled()
        .then((disabled) => assert.equal(disabled, true));
      await page.getByLabel('Reason').fill('supplier confirmed the unit by phone');
      await page.keyboard.press('Tab');
      await page.getByRole('button', { name: 'Open', exact: true }).click();
      const payload = page.locator('textarea.payload');
      await payload.fill((await payload.inputValue()).replace('"bx"', '"box"'));
      assert.match(await page.getByLabel('What changes').innerText(), /− {3}"unit": "bx"[\s\S]*\+ {3}"unit": "box"/);
      await page.getByLabel('Reason').fill('supplier confirmed the unit by phone');
      await shot('edit');
      await page.getByRole('button', { name: 'Replay the edited document' }).click();
      await page.getByText('1 resolved').first().waitFor();
      await page.getByRole('button', { name: letter, exact: true }).waitFor({ state: 'detached' });
    });

    test('many are discarded only with the number typed, and a double click acts once', async () => {
      if (theme === 'light') return;
      await page.getByRole('button', { name: 'Discard this cause…' }).click();
      const go = page.getByRole('button', { name: 'Discard', exact: true });
      await page.getByLabel('Reason').fill('the supplier sends all of them again');
      assert.equal(await go.isDisabled(), true);
      await page.getByLabel('Type 7 to confirm the number').fill('7');
      await go.dblclick();
      await page.getByText('7 letters discarded.').waitFor();
      await page.getByText('Nothing matches the filter above.').waitFor();
      await shot('discarded');
    });

    test('all messaging is stopped with a reason, both pages say by whom, and it is started again', async () => {
      await page.getByRole('link', { name: 'Connections' }).click();
      await page.getByRole('button', { name: 'Stop all messaging…' }).click();
      await page.getByLabel('Reason').fill('Odoo books orders twice');
      await shot('stop');
      await page.getByRole('button', { name: 'Stop all messaging', exact: true }).click();
      await page.getByText('All messaging is stopped by').waitFor();
      await page.getByText('stopped by', { exact: false }).nth(1).waitFor();
      await shot('connections-stopped');
      assert.equal(await page.getByRole('button', { name: 'Stop all messaging…' }).count(), 0);
      await page.getByRole('link', { name: 'Now' }).click();
      await page.getByText('Odoo books orders twice').first().waitFor();
      await shot('now-stopped');
      await page.getByRole('button', { name: 'Start messaging…' }).click();
      await page.getByLabel('Reason').fill('The mapping is mended');
      await page.getByRole('button', { name: 'Start messaging', exact: true }).click();
      await page.getByRole('button', { name: 'Stop all messaging…' }).waitFor();
      assert.equal(await page.getByText('All messaging is stopped by').count(), 0);
    });

    test('the trail names the acts and its chain is proven', async () => {
      await page.getByRole('link', { name: 'Audit' }).click();
      await page.getByText('deadletter.edited-and-replayed').last().waitFor();
      await page.getByRole('button', { name: 'Verify the chain' }).click();
      await page.getByText('intact').waitFor();
      await shot('audit');
    });

    test('the page asked nobody else and complained about nothing', () => {
      assert.deepEqual(complaints, []);
    });
  });
}
