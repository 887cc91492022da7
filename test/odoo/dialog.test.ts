/** The dialog of odoo-rpc in Chromium: conditions as rows and as JSON, what the server says about them, and without it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { apiKeys, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { launchBrowser, type OpenedEditor, openEditor } from '../editor/editor.ts';
import { type NodeRed, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

interface TypedInput {
  typedInput(method: 'value', value?: string): string;
}

describe('the dialog of odoo-rpc', () => {
  let odoo: SandboxOdoo;
  let nodeRed: NodeRed;
  let browser: Browser;
  let editor: OpenedEditor;

  before(async () => {
    odoo = await startSandboxOdoo();
    nodeRed = await startNodeRed({
      flows: [
        { id: 'tab', type: 'tab', label: 'Odoo' },
        {
          id: 'server',
          type: 'odoo-server',
          url: odoo.url,
          database: odoo.database,
          attempts: 1,
          credentials: { apiKey: apiKeys.bot },
        },
        {
          id: 'rpc',
          type: 'odoo-rpc',
          z: 'tab',
          server: 'server',
          operation: 'search-read',
          model: 'res.partner',
          fields: 'name, contry_id',
          domain: '[["ref", "=like", "A%"]]',
          domainType: 'json',
          wires: [[]],
        },
      ],
    });
    browser = await launchBrowser();
    editor = await openEditor(browser, nodeRed, 'light');
    await editor.openNode('rpc');
  });
  after(async () => {
    await browser?.close();
    await nodeRed?.stop();
    await odoo?.close();
  });

  const json = (value?: string) =>
    editor.page.evaluate((text) => {
      const { $ } = globalThis as unknown as { $: (selector: string) => TypedInput };
      const input = $('#node-input-domain');
      return text === undefined ? input.typedInput('value') : String(void input.typedInput('value', text));
    }, value);
  const rows = () => editor.page.locator('.hf-odoo-domain-row');
  const says = (selector: string, text: string) => editor.page.locator(selector).filter({ hasText: text }).waitFor();

  test('counts what matches and names the field that does not exist, with the one that was meant', async () => {
    await says('#hf-odoo-count', '1 record matches now');
    await says('#hf-odoo-problems', 'Did you mean country_id?');
  });

  test('a row that is added is in the JSON with values of the right kind, and is counted', async () => {
    await editor.page.locator('.hf-odoo-domain-add').click();
    await rows().last().locator('.hf-odoo-domain-field').fill('country_id.code');
    await rows().last().locator('select').selectOption('in');
    await rows().last().locator('.hf-odoo-domain-value').fill('FR, NL');
    assert.deepEqual(JSON.parse(await json()), [
      ['ref', '=like', 'A%'],
      ['country_id.code', 'in', ['FR', 'NL']],
    ]);
    await says('#hf-odoo-count', '0 records match now');
  });

  test('JSON that is edited shows as rows; what rows cannot say is left as it is', async () => {
    await json('["|", ["name", "ilike", "a"], ["is_company", "=", true]]');
    await waitUntil('two rows', async () => (await rows().count()) === 2);
    assert.equal(await editor.page.locator('#hf-odoo-domain select').first().inputValue(), 'any');
    const nested = '["!", ["name", "ilike", "a"]]';
    await json(nested);
    await says('#hf-odoo-domain', 'more than rows can say');
    assert.equal(await json(), nested);
  });

  test('an example of what leaves the node has the fields in their types, and nobody’s data', async () => {
    await json('[["ref", "=", "ACME"]]');
    await editor.page.locator('#node-input-fields').fill('name, country_id, credit_limit');
    await editor.page.locator('#hf-odoo-example summary').click();
    await says('#hf-odoo-example pre', '"credit_limit": "12.5"');
    const shown = (await editor.page.locator('#hf-odoo-example pre').textContent()) ?? '';
    const [payload] = shown.split('\n\nmsg.odoo', 1);
    assert.deepEqual(JSON.parse(payload!.replace('msg.payload = ', '')), [
      { id: 42, name: 'text', country_id: { id: 7, name: 'its name' }, credit_limit: '12.5' },
    ]);
    await editor.page.locator('#node-input-output').selectOption('keep');
    await waitUntil('only msg.odoo is left', async () => {
      const text = await editor.page.locator('#hf-odoo-example pre').textContent();
      return text?.startsWith('msg.odoo') ?? false;
    });
  });

  test('with Odoo down it still edits, and says that it does not know', async () => {
    assert.deepEqual(editor.complaints, []);
    await odoo.down();
    await json('[["name", "ilike", "b"]]');
    await says('#hf-odoo-count', 'Odoo does not answer');
    await rows().first().locator('.hf-odoo-domain-value').fill('c');
    assert.deepEqual(JSON.parse(await json()), [['name', 'ilike', 'c']]);
    await odoo.up();
  });
});
