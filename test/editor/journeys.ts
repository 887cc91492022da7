/** What a person sees: flows imported from the menu, every dialog opened and changed, status dots, no complaint. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type NodeRed, type NodeRedVersion, startNodeRed } from '../support/node-red.ts';
import { type FlowFile, flowFiles, paletteNodes } from '../support/palette.ts';
import { waitUntil } from '../support/processes.ts';
import { launchBrowser, openEditor, type Theme } from './editor.ts';

const ours = new Set(paletteNodes().map((node) => node.type));

/** The way to a flow in Import → Examples. */
function menuPath({ path }: FlowFile): string[] {
  const folder = path.startsWith('flows/') ? '00 Reference flows' : path.split('/')[1]!;
  return ['@healthflows/node-red-integration', folder, basename(path, '.json')];
}

export function describeJourneys(version: NodeRedVersion, theme: Theme): void {
  describe(`the editor of Node-RED ${version}, ${theme}`, () => {
    let browser: Browser;
    let nodeRed: NodeRed;
    let odoo: SandboxOdoo;
    before(async () => {
      odoo = await startSandboxOdoo();
      const env = {
        ODOO_URL: odoo.url,
        ODOO_DB: odoo.database,
        ODOO_LOGIN: 'bot',
        ODOO_API_KEY: apiKeys.bot,
        SUPPLIER_WEBHOOK_SECRET: `whsec_${Buffer.from('a secret of the editor tests').toString('base64')}`,
      };
      [browser, nodeRed] = await Promise.all([launchBrowser(), startNodeRed({ version, flows: [], env })]);
    });
    after(async () => {
      await browser?.close();
      await nodeRed?.stop();
      await odoo?.close();
    });

    for (const file of flowFiles()) {
      const title = basename(file.path, '.json');

      test(`${title}: imported from the menu, it deploys as it is; each dialog takes a change and keeps it`, async () => {
        await nodeRed.deploy([]);
        const editor = await openEditor(browser, nodeRed, theme);
        await editor.importExample(...menuPath(file));
        await editor.screenshot(`${version}-${theme}-flow-${title}`);
        assert.equal(await editor.deploy(), '', 'Node-RED asks before it deploys the flow as imported');

        const nodes = (await editor.canvas()).filter((node) => ours.has(node.type));
        assert.ok(nodes.length > 0, `${file.path} uses none of our nodes`);
        const seen = new Set<string>();
        for (const [index, { id, type, config }] of nodes.entries()) {
          const dialog = config ? await editor.openConfig(type, id) : await editor.openNode(id);
          const text = await dialog.innerText();
          assert.doesNotMatch(
            text,
            new RegExp(`\\b${type}\\.\\w+\\.\\w+`),
            `a text is missing in the dialog of ${type}`,
          );
          const scope = config ? 'config-input' : 'input';
          await dialog.locator(`#node-${scope}-name`).fill(`changed ${index}`);
          if (!seen.has(type)) await editor.screenshot(`${version}-${theme}-${type}`);
          seen.add(type);
          await editor.done();
        }
        await editor.deploy();
        const names = new Map((await nodeRed.flows()).map((node) => [node.id, node.name]));
        for (const [index, { id, type }] of nodes.entries()) assert.equal(names.get(id), `changed ${index}`, type);

        await waitUntil('a status is shown beside a node', () =>
          editor.page.locator('.red-ui-flow-node-status-label').filter({ hasText: /\S/ }).count(),
        );
        await editor.screenshot(`${version}-${theme}-deployed-${title}`);
        assert.deepEqual(editor.complaints, []);
        await editor.close();
      });
    }
  });
}
