/** The Node-RED editor in a real browser, used as a person uses it. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Locator, type Page } from 'playwright-core';
import { type NodeRed, packageRoot } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';
import { findChromium } from '../support/services.ts';

export type Theme = 'light' | 'dark';

const screenshots = join(packageRoot, '.test-output', 'screenshots');

/** Chromium's own traffic off: it would otherwise ask for updates. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: await findChromium(), args: flags });
}

/** The part of the editor's global `RED` that is called from here, inside the page. */
interface EditorRed {
  actions: { invoke(name: string): void };
  nodes: {
    node(id: string): { id: string; type: string } | null;
    dirty(): boolean;
    eachNode(callback: (node: { id: string; type: string; z: string }) => void): void;
    eachConfig(callback: (node: { id: string; type: string }) => void): void;
  };
  editor: { edit(node: unknown): void; editConfig(name: string, type: string, id: string): void };
  view: { reveal(id: string): void };
  workspaces: { show(id: string): void };
}

declare global {
  var RED: EditorRed;
}

export interface OpenedEditor {
  readonly page: Page;
  /** What the browser complained about so far: console errors, uncaught exceptions, refused requests. */
  readonly complaints: string[];
  /** The deployed state of the canvas: id and type of every node, config nodes last. */
  canvas(): Promise<{ id: string; type: string; config: boolean }[]>;
  /** Imports from Import → Examples; `path` is folders and name. */
  importExample(...path: string[]): Promise<void>;
  /** Brings a node into view, on its tab. */
  reveal(id: string): Promise<void>;
  /** Opens a node's dialog and waits until it stands still. */
  openNode(id: string): Promise<Locator>;
  openConfig(type: string, id: string): Promise<Locator>;
  /** Presses Done (or Update) of the dialog on top. */
  done(): Promise<void>;
  cancel(): Promise<void>;
  /**
   * Presses Deploy and waits until the runtime has taken it. Returns what Node-RED asked before (nodes that are not
   * configured, unknown types), answered with Confirm; empty when it did not ask.
   */
  deploy(): Promise<string>;
  screenshot(name: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Turns the tips of the Info sidebar off, as a user does in the settings. Node-RED starts their one-second timer before
 * it asks for keymap.json and creates their box after: where that answer takes longer, a tip without a key throws
 * "Cannot read properties of undefined (reading 'html')".
 */
async function withoutTips(nodeRed: NodeRed): Promise<void> {
  const response = await nodeRed.admin('/settings/user', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ editor: { view: { 'view-show-tips': false } } }),
  });
  if (!response.ok) throw new Error(`The user settings were answered ${response.status}: ${await response.text()}`);
}

export async function openEditor(browser: Browser, nodeRed: NodeRed, theme: Theme): Promise<OpenedEditor> {
  await withoutTips(nodeRed);
  const context = await browser.newContext({
    viewport: { width: 1440, height: 960 },
    colorScheme: theme,
    reducedMotion: 'reduce',
  });
  // Node-RED 5 keeps the choice here; 4.1 has one theme and ignores it.
  await context.addInitScript((chosen) => localStorage.setItem('view-dark-theme', chosen), theme);
  const page = await context.newPage();
  page.setDefaultTimeout(90_000);
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.stack ?? error.message}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${new URL(response.url()).pathname}`);
  });
  await page.goto(`${nodeRed.adminUrl}/`);
  await page.waitForFunction(() => globalThis.RED?.nodes !== undefined);
  await page.locator('.red-ui-palette-node').first().waitFor({ state: 'attached' });
  await page.locator('#red-ui-loading-progress').waitFor({ state: 'hidden' });

  /** The innermost dialog: config nodes open on top of the node that uses them. */
  const tray = () => page.locator('.red-ui-tray').last();
  const settled = async () => {
    await tray().locator('.red-ui-tray-footer, .red-ui-tray-toolbar').first().waitFor();
    // The tray slides in: wait until it is where it stays.
    let left = Number.NaN;
    for (;;) {
      const box = await tray().boundingBox();
      if (box !== null && box.x === left) return tray();
      left = box?.x ?? Number.NaN;
      await page.waitForTimeout(80);
    }
  };
  const closed = async (press: () => Promise<void>) => {
    const count = await page.locator('.red-ui-tray').count();
    await press();
    await waitUntil('the dialog closed', async () => (await page.locator('.red-ui-tray').count()) < count);
  };

  const canvas = () =>
    page.evaluate(() => {
      const found: { id: string; type: string; config: boolean }[] = [];
      RED.nodes.eachNode(({ id, type }) => found.push({ id, type, config: false }));
      RED.nodes.eachConfig(({ id, type }) => found.push({ id, type, config: true }));
      return found;
    });

  return {
    page,
    complaints,
    canvas,
    async importExample(...path) {
      await page.evaluate(() => RED.actions.invoke('core:show-examples-import-dialog'));
      const tab = page.locator('#red-ui-clipboard-dialog-import-tab-examples');
      await tab.waitFor();
      let list = tab.locator('.red-ui-treeList');
      for (const [depth, name] of path.entries()) {
        const label = list
          .locator('.red-ui-treeList-label')
          .filter({ has: page.getByText(name, { exact: true }) })
          .first();
        await label.waitFor();
        const item = label.locator('xpath=..');
        if (depth < path.length - 1) {
          list = item.locator('> .red-ui-editableList');
          // The dialog opens some folders by itself, a moment later: a click may close what has just opened.
          await waitUntil(
            `the folder ${name} is open`,
            async () => {
              if (await list.locator('.red-ui-treeList-label').first().isVisible()) return true;
              await label.locator('.red-ui-treeList-icon').first().click();
              return false;
            },
            60_000,
            1_000,
          );
        } else await label.click();
      }
      const before = (await canvas()).length;
      await page.locator('#red-ui-clipboard-dialog-ok').click();
      await page.locator('#red-ui-clipboard-dialog-ok').waitFor({ state: 'hidden' });
      // The dialog closes first; then the editor asks for the file and imports it.
      await waitUntil('the example is on the canvas', async () => (await canvas()).length > before);
      await page.waitForFunction(() => RED.nodes.dirty());
    },
    reveal: (id) => page.evaluate((node) => RED.view.reveal(node), id),
    async openNode(id) {
      await page.evaluate((node) => {
        RED.view.reveal(node);
        RED.editor.edit(RED.nodes.node(node));
      }, id);
      return settled();
    },
    async openConfig(type, id) {
      await page.evaluate(([kind, node]) => RED.editor.editConfig('', kind!, node!), [type, id]);
      return settled();
    },
    done: () => closed(() => page.locator('#node-config-dialog-ok, #node-dialog-ok').last().click()),
    cancel: () => closed(() => page.locator('#node-config-dialog-cancel, #node-dialog-cancel').last().click()),
    async deploy() {
      let question = '';
      const answer = page.waitForResponse(
        (response) => response.url().endsWith('/flows') && response.request().method() === 'POST',
      );
      const confirm = page.locator('#red-ui-deploy-dialog-confirm-deploy-deploy');
      const asked = confirm.waitFor().then(
        async () => {
          question = await page.locator('.red-ui-notification').last().innerText();
          await confirm.click();
        },
        () => {},
      );
      await page.locator('#red-ui-header-button-deploy').click();
      const response = await Promise.race([answer, asked.then(() => answer)]);
      if (!response.ok()) throw new Error(`Deploy was answered ${response.status()}: ${await response.text()}`);
      await page.waitForFunction(() => !RED.nodes.dirty());
      await page.locator('.red-ui-deploy-button-spinner').waitFor({ state: 'hidden' });
      await page.locator('#red-ui-header-shade').waitFor({ state: 'hidden' });
      return question;
    },
    async screenshot(name) {
      mkdirSync(screenshots, { recursive: true });
      await page.screenshot({
        path: join(screenshots, `${name}.png`),
        // "Imported", "Successfully deployed": they would hide what the picture is of.
        style: '#red-ui-notifications { visibility: hidden !important }',
      });
    },
    close: () => context.close(),
  };
}
