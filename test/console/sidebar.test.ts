/** The way from the editor to the console, and the settlement examples as a person imports them. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser, openEditor, type OpenedEditor, type Theme } from '../editor/editor.ts';
import { type NodeRed, type NodeRedVersion, startNodeRed } from '../support/node-red.ts';

const editors: [NodeRedVersion, Theme][] = [
  ['5.0', 'dark'],
  ['4.1', 'light'],
];

for (const [version, theme] of editors) {
  describe(`the sidebar of Node-RED ${version}`, () => {
    let red: NodeRed;
    let browser: Browser;
    let editor: OpenedEditor;
    before(async () => {
      red = await startNodeRed({ version, settings: { healthflows: { allowUnauthenticatedOperations: true } } });
      browser = await launchBrowser();
      editor = await openEditor(browser, red, theme);
    });
    after(async () => {
      await browser?.close();
      await red?.stop();
    });

    test('shows what waits and opens the console', async () => {
      const { page } = editor;
      await page.evaluate(() => RED.actions.invoke('healthflows:show-operations'));
      await page.getByText('0 dead letters wait for a person').waitFor();
      await editor.screenshot(`operations-sidebar-${version}-${theme}`);
      const opened = page.context().waitForEvent('page');
      await page.getByRole('button', { name: 'Open the operator console' }).click();
      const console = await opened;
      await console.getByRole('heading', { name: 'Now', exact: true }).waitFor();
      await console.close();
    });

    test('the dead letter example deploys as imported, and its dialogs open', async () => {
      const { page } = editor;
      await editor.importExample('@healthflows/node-red-integration', '06 Settlement', '02 - dead letters');
      await page.waitForFunction(() => RED.nodes.node('hf06bdead') !== null || RED.nodes.dirty());
      await page.mouse.move(700, 400);
      await page.mouse.click(700, 400);
      const found = (await editor.canvas()).find(({ type }) => type === 'dead-letter');
      assert.ok(found, 'the dead-letter node is on the canvas');
      const dialog = await editor.openNode(found.id);
      assert.equal(await dialog.locator('#node-input-queue').inputValue(), 'example-letters');
      await editor.screenshot(`dead-letter-dialog-${version}-${theme}`);
      await editor.cancel();
      const settle = (await editor.canvas()).find(({ type }) => type === 'settle');
      const form = await editor.openNode(settle!.id);
      await form.locator('#node-input-outcome').selectOption('retry');
      await form.getByText('comes again after the delay').waitFor();
      await editor.screenshot(`settle-dialog-${version}-${theme}`);
      await editor.cancel();
      await editor.deploy();
      assert.deepEqual(editor.complaints, []);
    });
  });
}
