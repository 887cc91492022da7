/** An analyst builds a mapping from a sample, by mouse and keyboard, and a message passes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { Row } from '../../nodes/canonical/mapping/mapping.ts';
import { launchBrowser, openEditor } from '../editor/editor.ts';
import { type NodeRed, nodeRedVersions, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

/** In the page. */
declare function getComputedStyle(element: unknown): { color: string };
declare const document: {
  activeElement: { getAttribute(name: string): string | null; className: string; textContent: string };
};

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

const mapperNode = {
  id: 'm2',
  type: 'canonical-mapper',
  z: 'f1',
  name: '',
  mode: 'to-canonical',
  mapping: 'hl7-dft-to-charge',
  edited: '',
  entity: 'order',
  reading: 'strict',
  allow: 'PI',
  hide: 'drop',
  store: '',
  keep: 0,
  wires: [[]],
};

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
        mapperNode,
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
    // Without a login nobody has a name to open stored documents under; what the node keeps is tried all the same.
    await report.getByText('Dead letters and originals are left out').waitFor();
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

  test('offers samples of its format, tells classes by colour and word, and is worked by the keyboard alone', async () => {
    const editor = await openEditor(browser, nodeRed, 'light');
    const { page } = editor;
    await editor.openNode('m2');
    await page.locator('#hf-mapper-open').click();
    const box = page.locator('#hf-mapper-editor-sample');
    await box.waitFor();
    // A sample of the library, and only of what this side reads; undo brings the last one back.
    const samples = page.locator('#hf-mapper-editor-samples');
    const offered = (await samples.locator('option').allInnerTexts()).slice(1);
    assert.ok(offered.length >= 15, `${offered.length} samples`);
    assert.ok(offered.every((title) => !/850-|ubl/.test(title)));
    const first = await box.inputValue();
    await samples.selectOption({ label: offered.find((title) => title.startsWith('dft-credit-lf-mllp'))! });
    await waitUntil(
      'the sample is taken',
      async () => /FT1\|/.test(await box.inputValue()) && (await box.inputValue()) !== first,
    );
    await page.locator('#hf-mapper-editor-findings .hf-mapper-ok').waitFor();
    await page.locator('#hf-mapper-editor-undo').click();
    await waitUntil('the sample before is back', async () => (await box.inputValue()) === first);

    // Public and internal fields have the colour of text; the others each say their class in words, too.
    const told = async (entity: string, path: string) => {
      await page.locator('#hf-mapper-editor-entity').selectOption(entity);
      await field(page, 'target', path).waitFor();
      return field(page, 'target', path).evaluate((item) => {
        const { getAttribute } = item as unknown as { getAttribute(name: string): string };
        return { colour: getComputedStyle(item).color, title: getAttribute.call(item, 'title') };
      });
    };
    const internal = await told('charge', 'kind');
    const patient = await told('charge', 'party.identifiers[].value');
    const personal = await told('charge', 'performer.identifiers[].value');
    const confidential = await told('supplier', 'currency');
    const publicly = await told('supplier', 'website');
    assert.equal(publicly.colour, internal.colour);
    assert.equal(new Set([internal, patient, personal, confidential].map(({ colour }) => colour)).size, 4);
    assert.match(patient.title, /H: linked to a patient/);
    assert.match(personal.title, /N: personal/);
    assert.match(confidential.title, /C: confidential/);
    assert.doesNotMatch(internal.title, /internal/);
    await told('charge', 'kind');
    await editor.screenshot('mapping-editor-classes');

    // From the search down into the list, along it, over to the other list, and the row moves up.
    const active = () => page.evaluate(() => document.activeElement.getAttribute('data-path'));
    const before = await rows(page).count();
    await page.locator('#hf-mapper-editor-source-search').fill('FT1.');
    await page.keyboard.press('ArrowDown');
    const from = (await active())!;
    await page.keyboard.press('ArrowDown');
    const second = (await active())!;
    assert.notEqual(second, from);
    await page.keyboard.press('ArrowUp');
    assert.equal(await active(), from);
    await page.keyboard.press('Enter');
    assert.equal(await field(page, 'source', from).getAttribute('aria-selected'), 'true');
    await page.keyboard.press('Escape');
    assert.equal(await field(page, 'source', from).getAttribute('aria-selected'), 'false', 'and the dialog stays');
    await page.keyboard.press('Enter');
    await page.locator('#hf-mapper-editor-target-search').fill('description');
    await page.keyboard.press('ArrowDown');
    const to = (await active())!;
    await page.keyboard.press('Enter');
    await waitUntil('the row is there', async () => (await rows(page).count()) === before + 1);
    assert.deepEqual(
      [await page.locator('.hf-mapper-from').last().inputValue(), await rows(page).last().inputValue()],
      [from, to],
    );
    const handle = page.locator('.hf-mapper-handle').last();
    await handle.focus();
    await page.keyboard.press('ArrowUp');
    assert.equal(
      await rows(page)
        .nth(before - 1)
        .inputValue(),
      to,
      'it moved up',
    );
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), `Move row ${before}`);
    await page.keyboard.press('Delete');
    await waitUntil('the row is gone', async () => (await rows(page).count()) === before);
    await page.keyboard.press('Control+z');
    await waitUntil('undo brings it back', async () => (await rows(page).count()) === before + 1);
    assert.equal(
      await rows(page)
        .nth(before - 1)
        .inputValue(),
      to,
    );
    await page.keyboard.press('Control+y');
    await waitUntil('and redo takes it away', async () => (await rows(page).count()) === before);
    assert.deepEqual(editor.complaints, []);
    await editor.close();
  });
});

for (const version of nodeRedVersions) {
  test(`nothing of the mapping editor lies behind its footer, on small and large screens (Node-RED ${version})`, async () => {
    const nodeRed = await startNodeRed({
      version,
      flows: [
        { id: 'f1', type: 'tab', label: 'mapping' },
        { ...mapperNode, mapping: 'ubl-invoice-to-invoice' },
      ],
    });
    const browser = await launchBrowser();
    try {
      const editor = await openEditor(browser, nodeRed, 'dark');
      const { page } = editor;
      for (const [width, height] of [
        [1280, 720],
        [1920, 1080],
      ] as const) {
        await page.setViewportSize({ width, height });
        await editor.openNode('m2');
        await page.locator('#hf-mapper-open').click();
        await page.locator('#hf-mapper-editor-findings .hf-mapper-ok').waitFor();
        const end = async (selector: string) => {
          const { y, height: high } = (await page.locator(selector).last().boundingBox())!;
          return { top: y, bottom: y + high };
        };
        const footer = await end('.red-ui-tray-footer');
        for (const pane of ['#hf-mapper-editor-sample', '#hf-mapper-editor-findings']) {
          const clip = pane.endsWith('sample') ? pane : `:has(> ${pane})`;
          const box = await end(clip);
          assert.ok(
            box.bottom <= footer.top && box.bottom - box.top > 80,
            `${pane} ${JSON.stringify({ box, footer })}`,
          );
        }
        await editor.screenshot(`mapping-editor-${version}-${width}`);
        // Smaller while it is open.
        await page.setViewportSize({ width, height: height - 60 });
        await waitUntil('it fits again', async () => {
          const sample = await end('#hf-mapper-editor-sample');
          return sample.bottom <= (await end('.red-ui-tray-footer')).top;
        });
        await page.locator('#hf-mapper-editor-cancel').click();
        await page.locator('#hf-mapper-editor').waitFor({ state: 'detached' });
        await editor.cancel();
      }
      await editor.close();
    } finally {
      await browser.close();
      await nodeRed.stop();
    }
  });
}
