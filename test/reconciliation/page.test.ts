/** Reconcile in a real Node-RED, and its page in the console as a steward uses it, in Chromium, light and dark. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import type { RunSummary } from '../../nodes/reconciliation/breaks.ts';
import { launchBrowser } from '../editor/editor.ts';
import { type EmbeddedNodeRed, embedNodeRed, type FlowNode, packageRoot } from '../support/node-red.ts';

const example = join(packageRoot, 'examples/10 Inventory/04 - compare two sides.json');
const shots = join(packageRoot, '.test-output', 'screenshots');

let red: EmbeddedNodeRed;
let flows: FlowNode[];
before(async () => {
  red = await embedNodeRed({ settings: { healthflows: { allowUnauthenticatedOperations: true } } });
  flows = JSON.parse(readFileSync(example, 'utf8')) as FlowNode[];
  await red.setFlows(flows);
});
after(() => red?.stop());

/** Presses one of the example's buttons. */
async function press(name: string, output: string): Promise<FlowMessage> {
  const received = red.receive(`hf0704${output}`);
  const inject = flows.find((node) => node.type === 'inject' && node.name === name)!;
  red.node(inject.id).receive({});
  return (await received)[0] as FlowMessage;
}

type Result = RunSummary & { repeated: boolean; breaks: { opened: { class: string }[]; resolved: unknown[] } };

test('runs open breaks by class, resolve what is clean, and the same window again changes nothing', async () => {
  const monday = (await press('Monday: a unit mixed up, a loss', 'breaks')).payload as Result;
  assert.deepEqual(
    monday.breaks.opened.map((each) => each.class),
    ['unit-mix-up', 'loss'],
  );
  const again = (await press('Monday: a unit mixed up, a loss', 'breaks')).payload as Result;
  assert.deepEqual([again.repeated, again.proof], [true, monday.proof]);
  const tuesday = (await press('Tuesday: unit corrected, a movement missing', 'breaks')).payload as Result;
  assert.deepEqual(
    [tuesday.breaks.opened.map((each) => each.class), tuesday.breaks.resolved.length, tuesday.open],
    [['missing-movement'], 1, 2],
  );
  assert.equal(tuesday.previousProof, monday.proof);
});

test('a side that was not read is refused, and nothing changes', async () => {
  const caught = await press('the count could not be read', 'why');
  assert.equal(caught.failure?.code, 'RECONCILE_SIDE_EMPTY');
  const answer = await fetch(`${red.url}/healthflows/console/api/reconciliation/overview`);
  const [overview] = (await answer.json()) as { open: number; lastRun: RunSummary }[];
  assert.deepEqual([overview!.open, overview!.lastRun.run], [2, '2026-11-24']);
});

describe('the page Reconciliation', () => {
  let browser: Browser;
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser?.close());

  async function open(colorScheme: 'light' | 'dark'): Promise<{ page: Page; complaints: string[] }> {
    const context = await browser.newContext({
      colorScheme,
      viewport: { width: 1366, height: 820 },
      reducedMotion: 'reduce',
    });
    const page = await context.newPage();
    page.setDefaultTimeout(90_000);
    const complaints: string[] = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${red.url}/healthflows/console#reconciliation`);
    await page.getByRole('heading', { name: 'Open breaks, the oldest first' }).waitFor();
    return { page, complaints };
  }

  test('dark: each break is explained, and the runs are proved', async () => {
    const { page, complaints } = await open('dark');
    await page.screenshot({ path: join(shots, 'reconciliation-dark.png'), fullPage: true });
    await page.getByRole('button', { name: 'SALINE-500 · WARD-3E · L77' }).click();
    await page.getByText('The count has 20, Odoo 24: a movement not yet booked (CAB7-000123)').waitFor();
    await page.screenshot({ path: join(shots, 'reconciliation-break-dark.png') });
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Runs and proof…' }).click();
    await page.getByText('2 runs proved').waitFor();
    await page.screenshot({ path: join(shots, 'reconciliation-runs-dark.png') });
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  test('light: breaks are assigned and resolved with a reason, by keyboard, and then nothing is open', async () => {
    const { page, complaints } = await open('light');
    await page.screenshot({ path: join(shots, 'reconciliation-light.png'), fullPage: true });
    await page.getByLabel('Choose SYR-10 · WARD-3E').focus();
    await page.keyboard.press('Space');
    await page.getByRole('button', { name: 'Assign…' }).focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Owner (empty: nobody)').fill('store keeper');
    await page.getByLabel('Reason').fill('Counts the ward on Wednesday');
    await page.screenshot({ path: join(shots, 'reconciliation-assign-light.png') });
    await page.getByRole('button', { name: 'Assign', exact: true }).click();
    await page.getByRole('cell', { name: 'store keeper' }).waitFor();
    for (const box of await page.getByRole('checkbox').all()) await box.check();
    await page.getByRole('button', { name: 'Resolve…' }).click();
    await page.getByLabel('What was found').selectOption('counted');
    await page.getByLabel('Reason').fill('Counted twice, adjusted in Odoo');
    await page.getByRole('button', { name: 'Resolve', exact: true }).click();
    await page.getByText('Nothing is open').waitFor();
    await page.screenshot({ path: join(shots, 'reconciliation-empty-light.png'), fullPage: true });
    await page.getByLabel('State').selectOption('resolved');
    await page.getByRole('heading', { name: 'Resolved breaks' }).waitFor();
    await page.getByText('Counted twice, adjusted in Odoo').first().waitFor();
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
});

test('a run that is missing is told once, and the next one ends it', async () => {
  const late = flows.map((node) => (node.type === 'reconcile' ? { ...node, every: 0.000001 } : node));
  await red.setFlows(late);
  const [told] = await red.receive('hf0704why');
  assert.equal((told as FlowMessage).failure?.code, 'RECONCILE_OVERDUE');
});
