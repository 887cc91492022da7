/**
 * A new user with the README only: an empty Node-RED gets the packed package, a reference flow is imported from the
 * menu, its Odoo and its secret are typed into the dialogs, Deploy is pressed, and a document arrives in Odoo.
 */
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Locator } from 'playwright-core';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { orderDocument } from '../../sandbox/supplier/order.ts';
import { post } from '../e2e/sender.ts';
import { launchBrowser, type OpenedEditor, openEditor } from '../editor/editor.ts';
import { type NodeRed, startNodeRed } from '../support/node-red.ts';
import { type FlowFile, flowFiles } from '../support/palette.ts';
import { waitUntil } from '../support/processes.ts';
import { installInto, pack } from './packed.ts';

const secret = `whsec_${Buffer.from('a secret that the reader has made up').toString('base64')}`;
const referenceFlows = flowFiles().filter(({ path }) => path.startsWith('flows/'));

describe('a new user with the README and the packed package', { timeout: 600_000 }, () => {
  let browser: Browser;
  let nodeRed: NodeRed;
  let odoo: SandboxOdoo;
  let partners: PartnerHost;

  before(async () => {
    const userDir = await installInto((await pack()).tarball);
    odoo = await startSandboxOdoo();
    partners = await startPartners([]);
    [browser, nodeRed] = await Promise.all([
      launchBrowser(),
      startNodeRed({ userDir, packageFrom: 'userDir', flows: [] }),
    ]);
  });
  after(async () => {
    await browser?.close();
    await nodeRed?.stop();
    await odoo?.close();
    await partners?.close();
  });

  const fill = async (dialog: Locator, values: Record<string, string>) => {
    for (const [field, value] of Object.entries(values)) await dialog.locator(field).fill(value);
  };

  /** What the README says to type: the Odoo of this hospital, its partners, and a secret for each webhook. */
  async function configure(editor: OpenedEditor, { nodes }: FlowFile): Promise<void> {
    for (const { id, type, credentials } of nodes) {
      if (type === 'odoo-server') {
        await fill(await editor.openConfig(type, id), {
          '#node-config-input-url': odoo.url,
          '#node-config-input-database': odoo.database,
          '#node-config-input-login': 'bot',
          '#node-config-input-apiKey': apiKeys.bot,
        });
        await editor.done();
      } else if (type === 'partner-endpoint') {
        await fill(await editor.openConfig(type, id), {
          '#node-config-input-url': partners.url,
          ...((credentials?.secret ?? '') === '' ? {} : { '#node-config-input-secret': secret }),
        });
        await editor.done();
      } else if (type === 'webhook-verifier') {
        const dialog = await editor.openNode(id);
        await dialog.locator('#hf-webhook-tabs').getByText('Proof', { exact: true }).click();
        await fill(dialog, {
          '.hf-webhook-key-env': '',
          '.hf-webhook-key-secret': secret,
        });
        await editor.done();
      }
    }
  }

  for (const file of referenceFlows) {
    const title = basename(file.path, '.json');
    test(`imports ${title}, types addresses and secrets, deploys: it runs without an error`, async () => {
      await nodeRed.deploy([]);
      const editor = await openEditor(browser, nodeRed, 'light');
      await editor.importExample('@healthflows/node-red-integration', '00 Reference flows', title);
      await configure(editor, file);
      const logged = nodeRed.logs().length;
      assert.equal(await editor.deploy(), '', 'Node-RED asks before it deploys');
      await waitUntil('Odoo was found', () =>
        editor.page.locator('.red-ui-flow-node-status-label').filter({ hasText: /\S/ }).count(),
      );
      if (title === 'procurement') {
        const number = 'READER-1';
        const message = { id: `msg_${number}`, body: orderDocument(number), secret };
        await waitUntil('the order was accepted', async () => {
          const { status, body } = await post(`${nodeRed.url}/procurement/orders`, message);
          if (status !== 202) throw new Error(`${status}: ${body}`);
          return true;
        });
        await waitUntil('the order stands confirmed in Odoo', () =>
          odoo.records('purchase.order', { partner_ref: number }).find(({ state }) => state === 'purchase'),
        );
      }
      assert.doesNotMatch(nodeRed.logs().slice(logged), /\[error\]/);
      assert.deepEqual(editor.complaints, []);
      await editor.close();
    });
  }
});
