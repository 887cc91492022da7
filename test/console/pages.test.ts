/**
 * Every page of the console on the shipped procurement flow as it runs: with orders that went well, orders that failed,
 * an Odoo that was away. In both themes, with the keyboard alone where it matters, and with axe-core's eyes.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { orderPost, type Stack, startStack, supplierOrder } from '../e2e/stack.ts';
import { post } from '../e2e/sender.ts';
import { launchBrowser } from '../editor/editor.ts';
import { packageRoot } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

const shots = join(packageRoot, '.test-output', 'screenshots');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Finding {
  id: string;
  impact: string;
  help: string;
  nodes: { html: string; failureSummary: string }[];
}

/** Faults that axe-core calls serious or critical, in words. */
async function faults(page: Page): Promise<string[]> {
  // Its own world: the page's content security policy takes no script from elsewhere, and shall not.
  const found = await page.evaluate(`(() => { ${axe}; return axe.run(document, { resultTypes: ['violations'] }); })()`);
  return (found as { violations: Finding[] }).violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`);
}

let stack: Stack;
let browser: Browser;

before(async () => {
  stack = await startStack({ engines: 'embedded' });
  for (let n = 1; n <= 6; n++) assert.equal((await post(stack.ordersUrl, orderPost(`PO-2026-10${n}`))).status, 202);
  // What Odoo does not know, what nobody sells, and what is no order at all.
  for (let n = 1; n <= 5; n++) {
    const body = supplierOrder(`PO-2026-20${n}`, { supplier: { code: `UNKNOWN-${n}` } });
    assert.equal((await post(stack.ordersUrl, { id: `msg_bad_${n}`, body })).status, 202);
  }
  await post(stack.ordersUrl, { id: 'msg_refused', body: supplierOrder('PO-2026-301', { lines: [] }) });
  await waitUntil(
    'all orders have come to an end',
    async () => {
      const { messages } = await stack.console<{ messages: { outcome: string }[] }>('messages');
      const ended = messages.filter(
        ({ outcome }) => outcome === 'done' || outcome === 'dead' || outcome === 'rejected',
      );
      return ended.length === 12;
    },
    120_000,
  );
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await stack?.close();
});

test('a page is seen soon: what it takes is told, not judged', async () => {
  const page = await browser.newPage();
  await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console`);
  await page.locator('main h1').waitFor();
  const paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime");
  console.log(`first contentful paint after ${Math.round(Number(paint))} ms`);
  await page.close();
  assert.ok(Number(paint) > 0);
});

test('what a page loads first weighs less than 300 kB compressed', async () => {
  const page = await browser.newPage();
  const loaded = new Set<string>();
  page.on('request', (request) => {
    if (/\/(assets|pages)\/|\/console$/.test(request.url().split('#')[0]!)) loaded.add(request.url().split('#')[0]!);
  });
  for (const name of ['now', 'messages', 'failures', 'connections', 'audit']) {
    await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console#${name}`);
    await page.reload();
    await page.locator('main h1').waitFor();
  }
  await page.close();
  let weight = 0;
  for (const url of loaded) weight += gzipSync(Buffer.from(await (await fetch(url)).arrayBuffer())).byteLength;
  assert.ok(loaded.size >= 10, [...loaded].join());
  console.log(`all pages together: ${Math.round(weight / 1024)} kB compressed`);
  assert.ok(weight > 5_000 && weight < 300_000, `${weight} bytes`);
});

for (const theme of ['light', 'dark'] as const) {
  describe(`pages in ${theme}`, () => {
    let page: Page;
    const complaints: string[] = [];
    before(async () => {
      const context = await browser.newContext({
        colorScheme: theme,
        viewport: { width: 1440, height: 900 },
        reducedMotion: 'reduce',
      });
      page = await context.newPage();
      page.setDefaultTimeout(90_000);
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on(
        'request',
        (request) =>
          request.url().startsWith(stack.nodeRed.adminUrl) ||
          /^(data|blob):/.test(request.url()) ||
          complaints.push(request.url()),
      );
      await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console`);
    });
    after(() => page?.context().close());

    const look = async (name: string) => {
      await page.screenshot({ path: join(shots, `pages-${name}-${theme}.png`), fullPage: true });
      assert.deepEqual(await faults(page), [], name);
    };

    test('Now puts open failures first and shows each flow as a line', async () => {
      await page.getByRole('heading', { name: 'Open failures' }).waitFor();
      const order = await page.locator('main h2').allInnerTexts();
      assert.ok(order.indexOf('Open failures') < order.indexOf('Flows'), order.join());
      const flow = page.getByRole('row', { name: /Procurement/ });
      await flow.getByRole('button', { name: /^Pause/ }).waitFor();
      await page.getByText('dead letters wait for a person').waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
      await look('now');
    });

    test('a message is found by its order number and tells its whole life, without one value of the document', async () => {
      await page.keyboard.press('g');
      await page.keyboard.press('m');
      await page.getByRole('heading', { name: 'Messages', exact: true }).waitFor();
      await page.getByRole('link', { name: 'ACME/PO-2026-106' }).waitFor();
      await look('messages');
      await page.keyboard.press('/');
      await page.keyboard.type('po-2026-103');
      await page.getByRole('link', { name: 'ACME/PO-2026-106' }).waitFor({ state: 'detached' });
      await page.getByRole('link', { name: 'ACME/PO-2026-103' }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Its life' }).waitFor();
      const life = await page.locator('.timeline').innerText();
      for (const hop of ['Seen before?', 'Order received', 'delivered from', 'Create or update the order', 'Done'])
        assert.ok(life.includes(hop), `${hop} in ${life}`);
      const record = page.locator('.timeline a', { hasText: /^purchase\.order \d+/ }).first();
      assert.match((await record.getAttribute('href')) ?? '', /\/web#id=\d+&model=purchase\.order/);
      await page.getByText('how it maps').first().click();
      await page.getByRole('columnheader', { name: 'Sensitivity' }).first().waitFor();
      assert.doesNotMatch(await page.content(), /goods-in dock|Gloves, nitrile/);
      await look('message');
      await page.keyboard.press('Escape');
      await page.getByRole('link', { name: 'ACME/PO-2026-103' }).waitFor();
    });

    test('a failed message says why, and leads to its dead letter', async () => {
      await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console#messages?text=PO-2026-201`);
      await page.getByRole('link', { name: /PO-2026-201/ }).click();
      await page.getByText('dead letter', { exact: true }).first().waitFor();
      await look('message-failed');
      await page.getByRole('link', { name: 'To its dead letter' }).click();
      await page.getByRole('button', { name: /PO-2026-201/ }).waitFor();
    });

    test('a cause shows its trend, a sample and its owner; causes are acted on together', async () => {
      await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console#failures`);
      const tick = page.getByRole('checkbox').first();
      await tick.check();
      await page.getByRole('region', { name: 'Selected causes' }).getByRole('button', { name: 'Assign…' }).click();
      await page.getByLabel(/To whom/).fill(`${theme} team`);
      await page.getByLabel('Reason').fill('knows the supplier master data');
      await page.getByRole('button', { name: 'Assign', exact: true }).dblclick();
      await page.getByRole('cell', { name: `${theme} team` }).waitFor();
      await page.locator('tbody button.link').first().click();
      await page.getByRole('heading', { name: 'What solved it before' }).waitFor();
      await look('failures');
      await page.getByRole('button', { name: 'Clear' }).click();
    });

    test('a field of many documents is edited after it was tried, and the edit is what is replayed', async () => {
      const letter = theme === 'light' ? 'PO-2026-202' : 'PO-2026-203';
      await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console#failures?text=${letter}`);
      await page.reload();
      await page.getByRole('button', { name: new RegExp(letter) }).waitFor();
      await page.getByRole('button', { name: 'Edit a field…' }).first().click();
      await page.getByLabel(/Field, as JSON Pointer/).fill('/supplier/identifiers/*/value');
      await page.getByLabel('New value').fill('ACME');
      await page.getByRole('button', { name: 'Try it' }).click();
      await page.getByText('1 letter would be changed').waitFor();
      await look('bulk-edit');
      await page.getByLabel('Reason').fill('the supplier has one number only');
      await page.getByRole('button', { name: 'Edit and replay', exact: true }).dblclick();
      await waitUntil('the edited order is in Odoo', () => stack.confirmed().has(letter), 60_000);
      assert.equal(stack.effects().get(letter), 1);
    });

    test('Connections shows what the flows depend on, and a queue is paused and resumed with a reason', async () => {
      await page.getByRole('link', { name: 'Connections' }).click();
      for (const title of ['Systems', 'Queues', 'Keys of partners'])
        await page.getByRole('heading', { name: title }).waitFor();
      await page.getByRole('button', { name: /^Pause/ }).click();
      await page.getByLabel('Reason').fill('the warehouse counts its stock');
      await page.getByRole('button', { name: 'Pause', exact: true }).click();
      await page.getByRole('button', { name: /^Resume/ }).waitFor();
      await look('connections');
      await page.getByRole('button', { name: /^Resume/ }).click();
      await page.getByLabel('Reason').fill('the count is done');
      await page.getByRole('button', { name: 'Resume', exact: true }).click();
      await page.getByRole('button', { name: /^Pause/ }).waitFor();
    });

    test('the trail is verified and taken away as a file, and that is in the trail', async () => {
      await page.getByRole('link', { name: 'Audit' }).click();
      await page.getByRole('button', { name: 'Verify the chain' }).click();
      await page.getByText('intact').waitFor();
      const saved = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Export…' }).click();
      await page.getByLabel('Reason').fill('for the yearly review');
      await page.getByRole('button', { name: 'Export', exact: true }).click();
      const lines = readFileSync(await (await saved).path(), 'utf8')
        .trim()
        .split('\n');
      const last = JSON.parse(lines.at(-1)!) as { action: string; reason: string };
      assert.deepEqual([last.action, last.reason], ['audit.exported', 'for the yearly review']);
      await page.getByText('audit.exported').last().waitFor();
      const fhir = page.waitForEvent('download');
      await page.getByRole('button', { name: 'Export as FHIR…' }).click();
      await page.getByLabel('Reason').fill('for the hospital’s own archive');
      await page.getByRole('button', { name: 'Export', exact: true }).click();
      const events = readFileSync(await (await fhir).path(), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { resourceType: string; purposeOfEvent?: { text: string }[] });
      assert.ok(events.every(({ resourceType }) => resourceType === 'AuditEvent'));
      assert.deepEqual(events.at(-1)!.purposeOfEvent, [{ text: 'for the hospital’s own archive' }]);
      await look('audit');
    });

    test('the keyboard has a list, a skip link and arrows through rows and pages', async () => {
      await page.keyboard.press('?');
      await page.getByRole('heading', { name: 'Keyboard' }).waitFor();
      await look('keyboard');
      await page.keyboard.press('Escape');
      await page.locator('#pages a').first().focus();
      await page.keyboard.press('End');
      assert.equal(await page.evaluate('document.activeElement.dataset.page'), 'audit');
      await page.keyboard.press('g');
      await page.keyboard.press('m');
      await page.getByRole('link', { name: 'ACME/PO-2026-106' }).focus();
      await page.keyboard.press('ArrowDown');
      assert.match(String(await page.evaluate('document.activeElement.textContent')), /PO-2026-105/);
      await page.reload();
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the content');
    });

    test('on a small laptop no table is wider than its place', async () => {
      await page.setViewportSize({ width: 1280, height: 720 });
      for (const name of ['Now', 'Messages', 'Failures', 'Connections', 'Audit']) {
        await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console#${name.toLowerCase()}`);
        await page.getByRole('heading', { name, exact: true }).waitFor();
        await page.locator('main table tbody tr').first().waitFor();
        const wide = await page.evaluate(
          "[...document.querySelectorAll('.table')].filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent.slice(0, 60))",
        );
        assert.deepEqual(wide, [], name);
      }
      await page.setViewportSize({ width: 1440, height: 900 });
    });

    test('on a wall screen and on a narrow one nothing runs out of the page', async () => {
      for (const [width, height] of [
        [2560, 1440],
        [390, 844],
      ] as const) {
        await page.setViewportSize({ width, height });
        await page.goto(`${stack.nodeRed.adminUrl}/healthflows/console#now`);
        await page.getByRole('heading', { name: 'Open failures' }).waitFor();
        const outside = await page.evaluate(
          `[...document.querySelectorAll('body *')].filter((e) => !e.closest('.table, .skip, .hidden-text') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 120))`,
        );
        assert.deepEqual(outside, [], `${width} wide`);
        await page.screenshot({ path: join(shots, `pages-now-${width}-${theme}.png`) });
      }
      await page.setViewportSize({ width: 1440, height: 900 });
    });

    test('the pages asked nobody else and complained about nothing', () => {
      assert.deepEqual(complaints, []);
    });
  });
}
