/** A trail that somebody has changed: the page Audit names the entry, Now says so above everything else, the scrape too. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { openStore } from '../../nodes/kernel/store/index.ts';
import { launchBrowser } from '../editor/editor.ts';
import { record } from '../kernel/audit/operations.ts';
import { sql } from '../kernel/store/operations.ts';
import { type NodeRed, packageRoot, startNodeRed } from '../support/node-red.ts';
import { temporaryDirectory } from '../support/processes.ts';

const shots = join(packageRoot, '.test-output', 'screenshots');
let nodeRed: NodeRed;
let browser: Browser;
let page: Page;

before(async () => {
  const userDir = temporaryDirectory('broken-trail');
  mkdirSync(userDir, { recursive: true });
  const store = openStore({ engine: 'sqlite', file: join(userDir, 'trail.sqlite') });
  const entry = { action: 'deadletter.discarded', outcome: 'success' as const, actor: 'night.shift' };
  await store.run(
    record,
    Array.from({ length: 30 }, () => entry),
  );
  await store.run(sql, { text: "UPDATE audit_trail SET actor = 'nobody' WHERE seq = 12" });
  await store.close();
  const flows = [
    { id: 'store', type: 'integration-store', name: 'Main', engine: 'sqlite', file: 'trail.sqlite', configVersion: 1 },
  ];
  writeFileSync(join(userDir, 'flows.json'), JSON.stringify(flows));
  nodeRed = await startNodeRed({ userDir, settings: { healthflows: { allowUnauthenticatedOperations: true } } });
  browser = await launchBrowser();
  page = await (await browser.newContext({ viewport: { width: 1366, height: 768 } })).newPage();
  page.setDefaultTimeout(60_000);
});
after(async () => {
  await browser?.close();
  await nodeRed?.stop();
});

const scraped = async () =>
  (await (await nodeRed.admin('/healthflows/metrics')).text()).match(/^healthflows_audit_broken.*$/m)?.[0];

test('until somebody looks, or its turn has come, nothing is known', async () => {
  assert.equal(await scraped(), 'healthflows_audit_broken{store="Main"} 0');
});

test('verify names the entry, and from then on Now, the scrape and the page Audit say so', async () => {
  await page.goto(`${nodeRed.adminUrl}/healthflows/console#audit`);
  await page.getByRole('button', { name: 'Verify the chain' }).click();
  await page.getByText('Entry 12 is not what was written.').waitFor();
  assert.equal(await scraped(), 'healthflows_audit_broken{store="Main"} 1');

  await page.getByRole('link', { name: 'Now' }).click();
  const notice = page.getByText('The audit trail of Main is broken: entry 12 is not what was written.');
  await notice.waitFor();
  assert.equal(await page.getByText('Nothing waits for a person.').count(), 0);
  const above = await page.evaluate(
    "document.querySelector('.error.stopped').getBoundingClientRect().bottom <= document.querySelector('.tiles').getBoundingClientRect().top",
  );
  assert.equal(above, true);
  await page.screenshot({ path: join(shots, 'broken-trail-now.png') });

  await page.getByRole('link', { name: 'To the trail' }).click();
  await page.reload();
  await page.getByText('Entry 12 is not what was written.').waitFor();
  await page.screenshot({ path: join(shots, 'broken-trail-audit.png') });
});
