/** A flow comes from somebody else: what it names must not become markup in the editor. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { type FlowNode, type NodeRed, startNodeRed } from '../support/node-red.ts';
import { launchBrowser, openEditor } from './editor.ts';

const markup = '<img src=x onerror="window.brokenIn=true">';
const mapper = { z: 'tab', type: 'canonical-mapper', mode: 'to-canonical', configVersion: 1, wires: [[], []] };

let nodeRed: NodeRed;
let browser: Browser;
before(async () => {
  nodeRed = await startNodeRed({
    flows: [
      { id: 'tab', type: 'tab', label: 'hostile' },
      { ...mapper, id: 'id', mapping: markup, x: 200, y: 80 },
      { ...mapper, id: 'edited', mapping: 'own', edited: markup, x: 200, y: 160 },
    ] as FlowNode[],
  });
  browser = await launchBrowser();
});
after(async () => {
  await browser?.close();
  await nodeRed?.stop();
});

for (const id of ['id', 'edited']) {
  test(`markup as the mapping of a flow (${id}) is shown as text`, async () => {
    const editor = await openEditor(browser, nodeRed, 'light');
    const dialog = await editor.openNode(id);
    await dialog.locator('#hf-mapper-open').click();
    const told = editor.page.locator('.red-ui-notification').filter({ hasText: '<img' });
    await told.waitFor();
    assert.equal(await told.locator('img').count(), 0);
    assert.equal(await editor.page.evaluate('window.brokenIn'), undefined);
    await editor.page.context().close();
  });
}
