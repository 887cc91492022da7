/** An analyst builds a mapping from a sample, by mouse and keyboard, and a message passes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { Row } from '../../nodes/canonical/mapping/mapping.ts';
import { launchBrowser, openEditor } from '../editor/editor.ts';
import { type NodeRed, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

/** In the page. */
declare function getComputedStyle(element: unknown): { color: string };

const sample = {
  po: { no: 'PO-9', date: '2026-11-23', cur: 'EUR', comment: 'Dock 4' },
  vendor: 'ACME',
  site: 'WH',
  rows: [
    { pos: 1, article: 'GLOVE-M', text: 'Gloves', count: '10', uom: 'EA', price: '235.40', until: '2026-12-01' },
    { pos: 2, article: 'SYR-10', text: 'Syringe', count: '200', uom: 'EA', price: '0.10', until: '2026-12-01' },
  ],
};

/** Source field and target field, as the panes show them. */
const pairs: [from: string, to: string][] = [
  ['po.no', 'number'],
  ['po.date', 'issueDate'],
  ['po.cur', 'currency'],
  ['po.comment', 'note'],
  ['vendor', 'supplier.identifiers[].value'],
  ['site', 'shipTo.identifiers[].value'],
  ['rows[].pos', 'lines[].number'],
  ['rows[].article', 'lines[].product.identifiers[].value'],
  ['rows[].text', 'lines[].description'],
  ['rows[].count', 'lines[].quantity.value'],
  ['rows[].uom', 'lines[].quantity.unit'],
  ['rows[].until', 'lines[].neededBy'],
];

describe('the mapping editor', () => {
  let browser: Browser;
  let nodeRed: NodeRed;
  before(async () => {
    nodeRed = await startNodeRed({
      flows: [
        { id: 'f1', type: 'tab', label: 'mapping' },
        { id: 'in', type: 'http in', z: 'f1', url: '/map', method: 'post', wires: [['m1']] },
        {
          id: 'm1',
          type: 'canonical-mapper',
          z: 'f1',
          name: '',
          mode: 'to-canonical',
          mapping: '',
          edited: '',
          entity: 'order',
          reading: 'strict',
          allow: 'PI',
          hide: 'drop',
          store: '',
          keep: 5,
          wires: [['reply']],
        },
        { id: 'reply', type: 'http response', z: 'f1', statusCode: '200', wires: [] },
      ],
    });
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await nodeRed?.stop();
  });

  const field = (page: Page, side: 'source' | 'target', path: string) =>
    page.locator(`#hf-mapper-editor-${side} [data-path="${path}"]`);
  const takeSuggestion = async (page: Page, from: string, to: string) => {
    const before = await rows(page).count();
    await page.locator('#hf-mapper-editor-suggest').click();
    const line = page.locator('#hf-mapper-editor-suggestions > div').filter({ hasText: `${from} → ${to}` });
    await line.waitFor();
    assert.equal(await rows(page).count(), before, 'a suggestion is not applied on its own');
    await line.getByRole('button').click();
  };
  const paths = (items: { getAttribute(name: string): string | null }[]) =>
    items.map((item) => item.getAttribute('data-path') ?? '');
  const rows = (page: Page) => page.locator('#hf-mapper-editor-rows .hf-mapper-to');

  test('lets an analyst build twelve rows from a sample, mend an error from the preview, and deploy', async () => {
    const editor = await openEditor(browser, nodeRed, 'light');
    const { page } = editor;
    await editor.openNode('m1');
    await page.locator('#hf-mapper-open').click();
    const sampleBox = page.locator('#hf-mapper-editor-sample');
    await sampleBox.waitFor();
    // The source's JSON Schema fills the pane before there is any document.
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      properties: { po: { properties: { no: { type: 'string', description: 'Our number' } } }, site: {} },
    };
    await sampleBox.fill(JSON.stringify(schema));
    await page.locator('#hf-mapper-editor-findings .hf-mapper-schema').waitFor();
    await field(page, 'source', 'po.no').getByText('string: Our number').waitFor();
    assert.equal(await page.locator('#hf-mapper-editor-source').locator('[data-path]').count(), 2);
    await editor.screenshot('mapping-editor-schema');
    // A row of its own, so that the sample can be read before the mapping is complete.
    await sampleBox.fill(JSON.stringify(sample));
    await page.locator('#hf-mapper-editor-entity').selectOption('location');
    await page.locator('#hf-mapper-editor-entity').selectOption('order');
    await field(page, 'target', 'number').waitFor();
    await field(page, 'source', 'po.no')
      .waitFor()
      .catch(async (error: unknown) => {
        const findings = await page.locator('#hf-mapper-editor-findings').innerText();
        throw new Error(
          `The source pane stays empty; the sample is ${(await sampleBox.inputValue()).length} characters, the findings say: ${findings}`,
          { cause: error },
        );
      });

    // Search, by path and by what is told of a field; personal fields have a colour of their own.
    const shownIn = (side: string) => page.locator(`#hf-mapper-editor-${side} [data-path]:visible`);
    await page.locator('#hf-mapper-editor-source-search').fill('GLOVE-m');
    await waitUntil('the source pane is searched', async () => {
      const found = await shownIn('source').evaluateAll(paths);
      return found.join() === 'rows[].article';
    });
    await page.locator('#hf-mapper-editor-source-search').fill('');
    await page.locator('#hf-mapper-editor-target-search').fill('currency');
    await waitUntil('the target pane is searched', async () =>
      (await shownIn('target').evaluateAll(paths)).every((path) => !path.startsWith('buyer.')),
    );
    assert.ok((await shownIn('target').evaluateAll(paths)).includes('currency'));
    await page.locator('#hf-mapper-editor-target-search').fill('');
    const colour = async (path: string) => field(page, 'target', path).evaluate((item) => getComputedStyle(item).color);
    assert.notEqual(await colour('requester.name'), await colour('number'));
    assert.equal(await colour('supplier.name'), await colour('number'));
    assert.match(await field(page, 'target', 'requester.name').innerText(), /N/);

    for (const [i, [from, to]] of pairs.entries()) {
      if (to === 'note') await takeSuggestion(page, from, to);
      else if (i % 2 === 0) await field(page, 'source', from).dragTo(field(page, 'target', to));
      else {
        await field(page, 'source', from).press('Enter');
        await field(page, 'target', to).press('Enter');
      }
      await waitUntil(`row ${i + 1} is there`, async () => (await rows(page).count()) === i + 1);
    }
    assert.equal(await rows(page).nth(4).inputValue(), 'supplier.identifiers[type=CODE].value');
    await page.getByText('All required fields are filled.').waitFor();

    // The line number is a number where text belongs: the preview says so, and the analyst mends it; then the unit.
    await page.locator('#hf-mapper-editor-findings').getByText('/lines/0/number').waitFor();
    const row = (n: number) => page.locator('#hf-mapper-editor-rows li').nth(n);
    await row(6).locator('.hf-mapper-details').click();
    await row(6).locator('.hf-mapper-add-transform').selectOption('text');
    await row(10).locator('.hf-mapper-details').click();
    await row(10).getByLabel('lookup table').selectOption('unit-to-ucum');
    await page.locator('#hf-mapper-editor-findings .hf-mapper-ok').waitFor();
    // The preview was in order before the lookup too: wait for the one that has it.
    await row(10)
      .locator('.hf-mapper-outcome')
      .getByText(/EA → \{each\}/)
      .waitFor();

    await page.locator('#hf-mapper-editor-undo').click();
    await page.locator('#hf-mapper-editor-findings').getByText('The sample maps').waitFor();
    await page.locator('#hf-mapper-editor-redo').click();
    await waitUntil('the lookup is back', async () => /lookup\(unit-to-ucum\)/.test(await row(10).innerText()));
    await editor.screenshot('mapping-editor');

    await page.locator('#hf-mapper-editor-done').click();
    await page.getByText('This node has a mapping of its own').waitFor();
    await editor.done();
    assert.equal(await editor.deploy(), '');
    assert.deepEqual(editor.complaints, []);
    // Who took the suggestion, when, and what was shown of it, is in the flow.
    const { flows } = (await (await nodeRed.admin('/flows', { headers: { 'Node-RED-API-Version': 'v2' } })).json()) as {
      flows: { id: string; edited?: string }[];
    };
    const deployed = JSON.parse(flows.find(({ id }) => id === 'm1')!.edited!) as { rows: Row[] };
    const [accepted, ...others] = deployed.rows.filter(({ source }) => source === 'suggested');
    assert.deepEqual(others, []);
    assert.equal(accepted?.to, 'note');
    assert.equal(accepted.accepted?.by, 'editor');
    assert.ok(Math.abs(Date.now() - Date.parse(accepted.accepted.at)) < 600_000);
    assert.ok(accepted.accepted.score! > 0 && accepted.accepted.score! <= 100);
    assert.ok(accepted.accepted.reasons!.length > 0);

    const response = await fetch(`${nodeRed.url}/map`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: JSON.stringify(sample),
    });
    assert.equal(response.status, 200);
    const order = (await response.json()) as { number: string; lines: { quantity: { unit: string } }[] };
    assert.equal(order.number, 'PO-9');
    assert.deepEqual(
      order.lines.map(({ quantity }) => quantity.unit),
      ['{each}', '{each}'],
    );

    // The next version: a difference to what is deployed, on the sample and on the message that has just passed.
    await editor.openNode('m1');
    await page.locator('#hf-mapper-open').click();
    await sampleBox.waitFor();
    const report = page.locator('#hf-mapper-editor-suggestions');
    await page.locator('#hf-mapper-editor-difference').click();
    await report.getByText('No difference to the deployed mapping.').waitFor();
    const note = rows(page).nth(3);
    await note.waitFor();
    await row(3).locator('.hf-mapper-from').fill('jsonata: $uppercase(po.comment)');
    await row(3).locator('.hf-mapper-from').press('Tab');
    await row(3).locator('.hf-mapper-outcome').getByText('DOCK 4').waitFor();
    await page.locator('#hf-mapper-editor-difference').click();
    await report.getByText('row 4 has another').waitFor();
    await report.getByText('note: Dock 4 → DOCK 4').waitFor();
    await editor.screenshot('mapping-editor-difference');
    await page.locator('#hf-mapper-editor-dryRun').click();
    await report.locator('.hf-mapper-verdict').getByText('another result').waitFor();
    await editor.screenshot('mapping-editor-dry-run');

    // The way back: the JSONata row has none and says why; the others open in place of the mapping, and undo brings it back.
    await page.locator('#hf-mapper-editor-reverse').click();
    await report.getByText(/row 4: note: is a JSONata expression/).waitFor();
    await editor.screenshot('mapping-editor-reverse');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('#hf-mapper-editor-reverse-download').click(),
    ]);
    assert.equal(download.suggestedFilename(), 'my-mapping-reverse.json');
    await page.locator('#hf-mapper-editor-reverse-open').click();
    await waitUntil('the rows lead back', async () => (await rows(page).first().inputValue()) === 'po.no');
    assert.equal(await page.locator('#hf-mapper-editor-id').inputValue(), 'my-mapping-reverse');
    assert.match(await sampleBox.inputValue(), /"number": "PO-9"/, 'the result of the mapping is the sample');
    await page.locator('#hf-mapper-editor-findings').getByText('"article": "GLOVE-M"').waitFor();
    await page.locator('#hf-mapper-editor-undo').click();
    await waitUntil('the mapping is back', async () => (await rows(page).first().inputValue()) === 'number');
    assert.match(await sampleBox.inputValue(), /"vendor":"ACME"/, 'and so is its sample');
    await row(1).locator('.hf-mapper-outcome').getByText('2026-11-23 → 2026-11-23').waitFor();
    await page.locator('#hf-mapper-editor-redo').click();
    await waitUntil('the way back again', async () => (await rows(page).first().inputValue()) === 'po.no');
    await page.locator('#hf-mapper-editor-findings').getByText('"article": "GLOVE-M"').waitFor();
    // An entity's fields are a source by its schema, in the document or not.
    await field(page, 'source', 'supplierOrderNumber').waitFor();
    await editor.screenshot('mapping-editor-reverse-open');
    await page.locator('#hf-mapper-editor-done').click();
    await page.getByText('This node has a mapping of its own').waitFor();
    assert.equal(await page.locator('#node-input-mode').inputValue(), 'from-canonical');
    assert.deepEqual(editor.complaints, []);
    await editor.close();
  });
});
