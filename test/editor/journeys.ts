/** What a person sees: flows imported from the menu, every dialog opened and changed, status dots, no complaint. */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { orderDocument } from '../../sandbox/supplier/order.ts';
import { post } from '../e2e/sender.ts';
import { type NodeRed, type NodeRedVersion, startNodeRed } from '../support/node-red.ts';
import { type FlowFile, flowFiles, paletteNodes } from '../support/palette.ts';
import { waitUntil } from '../support/processes.ts';
import { launchBrowser, openEditor, type Theme } from './editor.ts';

const webhookSecret = `whsec_${Buffer.from('a secret of the editor tests').toString('base64')}`;

const ours = new Set(paletteNodes().map((node) => node.type));

/** The way to a flow in Import → Examples. */
function menuPath({ path }: Pick<FlowFile, 'path'>): string[] {
  const folder = path.startsWith('flows/') ? '00 Reference flows' : path.split('/')[1]!;
  return ['@healthflows/node-red-integration', folder, basename(path, '.json')];
}

/** As few files as it takes, the largest first. */
function filesThatShowEveryType(): FlowFile[] {
  const seen = new Set<string>();
  return flowFiles()
    .sort((a, b) => b.nodes.length - a.nodes.length)
    .filter(({ nodes }) => {
      const fresh = nodes.map((node) => node.type).filter((type) => ours.has(type) && !seen.has(type));
      for (const type of fresh) seen.add(type);
      return fresh.length > 0;
    });
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
        SUPPLIER_WEBHOOK_SECRET: webhookSecret,
      };
      [browser, nodeRed] = await Promise.all([launchBrowser(), startNodeRed({ version, flows: [], env })]);
    });
    after(async () => {
      await browser?.close();
      await nodeRed?.stop();
      await odoo?.close();
    });

    test('the procurement flow, imported from the menu and deployed, brings a posted order into Odoo', async () => {
      await nodeRed.deploy([]);
      const editor = await openEditor(browser, nodeRed, theme);
      await editor.importExample(...menuPath({ path: 'flows/procurement.json' }));
      assert.equal(await editor.deploy(), '', 'Node-RED asks before it deploys the flow as imported');
      // Without a full stop: it would end up in the message id, where Standard Webhooks forbids it.
      const number = `ED-${version.replace('.', '')}-${theme}`;
      const message = { id: `msg_${number}`, body: orderDocument(number), secret: webhookSecret };
      // The canvas says "deployed" a moment before the new flows run.
      await waitUntil('the order was accepted', async () => {
        const { status, body } = await post(`${nodeRed.url}/procurement/orders`, message);
        if (status !== 202) throw new Error(`${status}: ${body}`);
        return true;
      });
      await waitUntil('the order stands in Odoo', () => odoo.records('purchase.order', { partner_ref: number })[0]);
      await editor.screenshot(`${version}-${theme}-procurement-running`);
      assert.deepEqual(editor.complaints, []);
      await editor.close();
    });

    // Every file once; the dark theme and 4.1 change how dialogs look, not what a file holds: there, each type once.
    for (const file of version === '5.0' && theme === 'light' ? flowFiles() : filesThatShowEveryType()) {
      const title = basename(file.path, '.json');

      test(`${title}: imported from the menu, it deploys as it is; each dialog takes a change and keeps it`, async () => {
        await nodeRed.deploy([]);
        const editor = await openEditor(browser, nodeRed, theme);
        await editor.importExample(...menuPath(file));
        const onCanvas = file.nodes.find((node) => ours.has(node.type) && node.z !== undefined);
        if (onCanvas !== undefined) await editor.reveal(onCanvas.id);
        await editor.screenshot(`${version}-${theme}-flow-${title}`);
        assert.equal(await editor.deploy(), '', 'Node-RED asks before it deploys the flow as imported');

        // Two of a type show what its dialog does; a large flow has many.
        const counts = new Map<string, number>();
        const nodes = (await editor.canvas()).filter(({ type }) => {
          const count = (counts.get(type) ?? 0) + 1;
          counts.set(type, count);
          return ours.has(type) && count <= 2;
        });
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
