/** The console where the editor is switched off, the admin side is elsewhere, or a page has nothing to show. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../editor/editor.ts';
import { type NodeRed, type NodeRedVersion, packageRoot, startNodeRed } from '../support/node-red.ts';

const shots = join(packageRoot, '.test-output', 'screenshots');

const places: [name: string, version: NodeRedVersion, settings: Record<string, unknown>, admin?: string][] = [
  ['without an editor', '5.0', { disableEditor: true }],
  ['below another root, in Node-RED 4.1', '4.1', {}, '/ops/admin'],
];

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());

for (const [name, version, settings, admin] of places) {
  describe(`a console ${name}`, () => {
    let red: NodeRed;
    let page: Page;
    before(async () => {
      red = await startNodeRed({ version, settings, ...(admin === undefined ? {} : { roots: { admin } }) });
      page = await browser.newPage({ reducedMotion: 'reduce' });
      page.setDefaultTimeout(60_000);
      await page.goto(`${red.adminUrl}/healthflows/console`);
    });
    after(async () => {
      await page?.close();
      await red?.stop();
    });

    test('shows every page, and says what is missing where nothing is deployed', async () => {
      for (const [link, words] of [
        ['Now', 'No open failures'],
        ['Messages', 'Nothing to show yet'],
        ['Failures', 'Nothing to show yet'],
        ['Connections', 'No store, broker or Odoo server is deployed'],
        ['Audit', 'Nothing to show yet'],
      ] as const) {
        await page.getByRole('link', { name: link, exact: true }).click();
        await page.getByText(words).first().waitFor();
      }
      await page.screenshot({ path: join(shots, `pages-empty-${version}.png`) });
    });

    test('without a login acts are locked, and the page says so', async () => {
      await page.getByText('This Node-RED has no login').waitFor();
      const response = await fetch(`${red.adminUrl}/healthflows/console/api/discard`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: 'x'.repeat(20), reason: 'a test', filter: {}, expected: 0 }),
      });
      assert.equal(response.status, 403);
      assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'SIGN_IN_REQUIRED');
    });

    test('when Node-RED stops, the page says since when it is not live and keeps what it shows', async () => {
      await page.getByRole('link', { name: 'Now', exact: true }).click();
      await page.getByText('No open failures').waitFor();
      await page.getByText('Live', { exact: true }).waitFor();
      await red.stop();
      await page.getByText(/what is shown is the last answer/).waitFor();
      await page.getByText('No open failures').waitFor();
      await page.screenshot({ path: join(shots, `pages-stale-${version}.png`) });
    });
  });
}
