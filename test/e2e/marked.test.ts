/**
 * Marked secrets and marked patient fields are sent through everything that can go well or wrong; then every log line,
 * metric, span, audit entry and page is searched for them. Only the payload that a person opens with a reason has them.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../editor/editor.ts';
import { packageRoot } from '../support/node-red.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp.ts';
import { waitUntil } from '../support/processes.ts';
import { post } from './sender.ts';
import { messageId, type Stack, startStack, supplierOrder } from './stack.ts';

/** Its own letters, so that a value that is cut or written in another case is found too. */
const patient = 'QXPATIENT';
const payloadKey = randomBytes(32).toString('base64');
const webhookKey = Buffer.from('QXSECRET of the webhook, long enough').toString('base64');
const secrets = {
  'the webhook secret': webhookKey.slice(0, 20),
  'the webhook secret, decoded': 'QXSECRET',
  'the API key of Odoo': 'sandbox-key',
  'the payload key': payloadKey.slice(0, 20),
};
const secret = `whsec_${webhookKey}`;

const marked = (number: string, change: Record<string, unknown> = {}) =>
  supplierOrder(number, {
    note: `For ${patient}-NOTE, bed 4`,
    patient: { name: `${patient}-NAME`, birthDate: `${patient}-BIRTH`, insurance: `${patient}-INSURANCE` },
    lines: [
      {
        lineNo: 1,
        sku: 'GLOVE-M',
        description: `Gloves for ${patient}-LINE`,
        qty: '10',
        unit: 'EA',
        unitPrice: '4.20',
        needBy: '2026-12-01',
      },
    ],
    ...change,
  });

describe('marked values', { timeout: 300_000 }, () => {
  let stack: Stack;
  let receiver: OtlpReceiver;
  let browser: Browser;

  const send = (number: string, body: string, extra: object = {}) =>
    post(stack.ordersUrl, { id: messageId(number), body, secret, ...extra });

  before(async () => {
    receiver = await startOtlpReceiver();
    stack = await startStack({
      engines: 'embedded',
      settings: { logging: { console: { level: 'debug', metrics: false, audit: true } } },
      env: {
        NODE_OPTIONS: `--require ${join(packageRoot, 'deploy/otel-setup.example.cjs')}`,
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_METRIC_EXPORT_INTERVAL: '1000',
        OTEL_BSP_SCHEDULE_DELAY: '200',
        SUPPLIER_WEBHOOK_SECRET: secret,
        HEALTHFLOWS_PAYLOAD_KEY: payloadKey,
      },
    });
    browser = await launchBrowser();

    const statuses = [
      // Well, and the same again.
      (await send('M-1', marked('M-1'))).status,
      (await send('M-1', marked('M-1'))).status,
      // Another document under the same id.
      (await send('M-1', marked('M-1', { note: `${patient}-OTHER` }))).status,
      // No such supplier in Odoo: a dead letter.
      (await send('M-2', marked('M-2', { supplier: { code: 'UNKNOWN-77' } }))).status,
      // What the mapper refuses, by values that must not be quoted.
      (await send('M-3', marked('M-3', { orderDate: `${patient}-DATE` }))).status,
      (await send('M-4', marked('M-4', { lines: `${patient}-LINES` }))).status,
      (await send('M-5', `{"note": "${patient}-BROKEN", `)).status,
      (await send('M-6', marked('M-6'), { contentType: 'text/plain' })).status,
      // A forged one.
      (await send('M-7', marked('M-7'), { secret: `whsec_${Buffer.from('another secret').toString('base64')}` }))
        .status,
    ];
    assert.deepEqual(statuses.slice(0, 2), [202, 202]);
    assert.ok(
      statuses.slice(4).every((status) => status >= 400),
      statuses.join(),
    );
    await waitUntil('the first order is done', () => stack.confirmed().has('M-1'));
    await waitUntil('the second is a dead letter', async () => (await stack.deadLetters()).length === 1, 60_000, 200);
    // Odoo's own words quote the record.
    stack.odoo.faults.set({
      kind: 'error',
      name: 'odoo.exceptions.ValidationError',
      message: `The partner ${patient}-ODOO is blocked.`,
      times: 1,
      method: 'load',
    });
    assert.equal((await send('M-8', marked('M-8'))).status, 202);
    await waitUntil('the third is a dead letter', async () => (await stack.deadLetters()).length === 2, 60_000, 200);
    await waitUntil('the trace of a failure is there', () =>
      receiver.spans.some(({ status, attributes }) => status === 2 && 'rpc.method' in attributes),
    );
  });
  after(async () => {
    await browser?.close();
    await stack?.close();
    await receiver?.close();
  });

  function assertClean(where: string, text: string): void {
    assert.ok(text.length > 0, `${where} is empty`);
    for (const [what, value] of [...Object.entries(secrets), ['a patient’s field', patient] as const]) {
      const at = text.toLowerCase().indexOf(value.toLowerCase());
      assert.equal(at, -1, `${where} shows ${what}: …${text.slice(Math.max(0, at - 200), at + 100)}…`);
    }
  }

  test('the logs, with every debug line and Node-RED’s own audit', () => {
    assert.match(stack.nodeRed.logs(), /"event":"hop"/);
    assertClean('the log', stack.nodeRed.logs());
  });

  test('the metrics', async () => {
    const metrics = await (await stack.nodeRed.admin('/healthflows/metrics')).text();
    assert.match(metrics, /dead_letters_total\{.*\} [1-9]/);
    assertClean('the scrape', metrics);
  });

  test('the traces and metrics by OTLP', () => {
    assertClean('OTLP', receiver.bodies.join('\n'));
  });

  test('what the console answers, the trail and its export', async () => {
    const ask = async (path: string) => {
      const answer = await stack.console<unknown>(path);
      assertClean(path, JSON.stringify(answer));
      return answer;
    };
    for (const path of ['now', 'messages', 'messages-facets', 'connections', 'messaging', 'jobs', 'groups', 'audit']) {
      await ask(path);
    }
    const causes = (await ask('causes')) as { queue: string; fingerprint: string }[];
    assert.equal(causes.length, 2);
    for (const { queue, fingerprint } of causes) {
      await ask(`cause?queue=${encodeURIComponent(queue)}&fingerprint=${encodeURIComponent(fingerprint)}`);
    }
    const { letters } = (await ask('letters?state=open')) as { letters: { id: string }[] };
    for (const { id } of letters) await ask(`letters/${id}`);
    // The journal is written a second behind.
    const messages = await waitUntil('the journal has them', async () => {
      const found = ((await ask('messages')) as { messages: { id: string }[] }).messages;
      return found.length >= 3 ? found : undefined;
    });
    for (const { id } of messages) await ask(`messages/${encodeURIComponent(id)}`);
    const exported = await stack.console<{ lines: string }>('audit/export', {});
    assertClean('the export', exported.lines);
  });

  test('the pages, as a browser holds them', async () => {
    const page = await browser.newPage();
    const console_ = `${stack.nodeRed.adminUrl}/healthflows/console`;
    for (const hash of ['now', 'messages', `messages?id=${messageId('M-2')}`, 'failures', 'connections', 'audit']) {
      await page.goto(`${console_}#${hash}`);
      await page.reload();
      await page.locator('main h1').waitFor();
      await page.locator('.loading').first().waitFor({ state: 'detached' });
      assertClean(`page ${hash}`, await page.content());
    }
    await page.close();
  });

  test('the payload that a person opens, with a reason, is the document with its marks', async () => {
    const [letter] = await stack.deadLetters();
    const opened = await stack.console<{ original: { text: string } }>(`letters/${letter!.id}/reveal`, {});
    assert.match(opened.original.text, new RegExp(patient));
  });
});
