/** An auditor opens what came in from the message's timeline, in Chromium, light and dark. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../editor/editor.ts';
import { type EmbeddedNodeRed, embedNodeRed, packageRoot } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

const shots = join(packageRoot, '.test-output', 'screenshots');
const document = (name: string): Buffer => readFileSync(join(packageRoot, 'test/canonical/library', name));
const samples = {
  x12: document('x12/850-release-5010-fs.edi'),
  latin1: document('ubl/order-latin1-missing-parts.xml'),
};

let red: EmbeddedNodeRed;
let browser: Browser;

before(async () => {
  red = await embedNodeRed({ settings: { healthflows: { allowUnauthenticatedOperations: true } } });
  const mapper = (id: string, mapping: string) => ({
    id,
    z: 'f1',
    type: 'canonical-mapper',
    configVersion: 1,
    name: `Orders ${id}`,
    mode: 'to-canonical',
    mapping,
    store: 'store',
    originals: true,
    wires: [['out']],
  });
  await red.setFlows([
    { id: 'f1', type: 'tab', label: 'Orders by file' },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'timeline.sqlite', configVersion: 1 },
    mapper('x12', 'x12-850-to-order'),
    mapper('latin1', 'ubl-order-to-order'),
    { id: 'out', z: 'f1', type: 'debug', active: false, wires: [] },
  ]);
  for (const [id, payload] of Object.entries(samples)) {
    const arrived = red.receive('out');
    red
      .node(id)
      .receive({ payload, event: { specversion: '1.0', id: `message-${id}`, source: 'files', type: 'order' } });
    await arrived;
  }
  // The journal writes a quarter of a second later.
  for (const id of Object.keys(samples)) {
    const life = `${red.url}/healthflows/console/api/messages/message-${id}`;
    await waitUntil(`the journal has ${id}`, async () => (await fetch(life)).status === 200, 20_000);
  }
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await red?.stop();
});

for (const theme of ['light', 'dark'] as const) {
  for (const [id, bytes] of Object.entries(samples)) {
    test(`opens ${id} with a reason and takes the exact bytes away (${theme})`, async () => {
      const context = await browser.newContext({ colorScheme: theme, viewport: { width: 1366, height: 820 } });
      try {
        const page = await context.newPage();
        const complaints: string[] = [];
        page.on('console', (line) => {
          if (line.type() === 'error' || line.type() === 'warning') complaints.push(line.text());
        });
        page.on('pageerror', (error) => complaints.push(String(error)));
        await page.goto(`${red.url}/healthflows/console#messages?id=message-${id}`);
        const table = page.getByRole('table', { name: 'Documents as they came in' });
        await table.waitFor();
        assert.match(await table.innerText(), new RegExp(`Orders ${id}`));
        await page.getByRole('heading', { name: 'What came in' }).scrollIntoViewIfNeeded();
        await page.screenshot({ path: join(shots, `originals-${id}-${theme}.png`) });
        await table.getByRole('button', { name: 'Open…' }).click();
        const dialog = page.locator('#dialog');
        await dialog.getByLabel('Reason').fill('tax audit 2026');
        await dialog.getByRole('button', { name: 'Open', exact: true }).click();
        await dialog.getByRole('heading', { name: 'What came in' }).waitFor();
        await page.screenshot({ path: join(shots, `original-opened-${id}-${theme}.png`) });
        const shown = await dialog.innerText();
        assert.match(shown, id === 'x12' ? /ISA/ : /no UTF-8 text[\s\S]*<\?xml/);
        const saving = page.waitForEvent('download');
        await dialog.getByRole('link', { name: 'Download the bytes' }).click();
        assert.deepEqual(readFileSync(await (await saving).path()), bytes);
        await dialog.getByRole('button', { name: 'Close' }).click();
        assert.deepEqual(complaints, []);
      } finally {
        await context.close();
      }
    });
  }
}
