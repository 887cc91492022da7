/** The inventory flow: low shelves, movements in order, the nightly comparison, a recall. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { OdooClient, searchRead } from '../../nodes/odoo/index.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { Cabinet, type Sent, store, ward } from '../../sandbox/partners/cabinet.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { type FlowNode, packageRoot } from '../support/node-red.ts';
import { freePort, waitUntil } from '../support/processes.ts';
import { webhookSecret } from './sender.ts';
import { type Engines, type Stack, startStack } from './stack.ts';

const debugs = ['hf-inv-t-5-show', 'hf-inv-m-6-show', 'hf-inv-n-2-show', 'hf-inv-r-3-show'];

export function inventoryPromises(engines: Engines): void {
  describe(`the inventory flow, ${engines} engines`, { timeout: 600_000 }, () => {
    let stack: Stack;
    let partners: PartnerHost;
    let cabinet: Cabinet;
    let client: OdooClient;
    before(async () => {
      const flows = JSON.parse(readFileSync(join(packageRoot, 'flows/inventory.json'), 'utf8')) as FlowNode[];
      for (const node of flows) {
        // What was published is read where the flow shows it.
        if (debugs.includes(node.id)) node.console = true;
        // A burst is over in seconds, and so is the wait for a number that does not come.
        if (node.type === 'debounce') node.window = 3;
        if (node.type === 'sequence') node.deadline = 0.1;
      }
      const port = await freePort();
      cabinet = new Cabinet({ flows: `http://127.0.0.1:${port}`, secret: webhookSecret });
      partners = await startPartners([cabinet]);
      stack = await startStack({
        engines,
        flows,
        port,
        env: { CABINET_URL: `${partners.url}/cabinet`, CABINET_WEBHOOK_SECRET: webhookSecret },
      });
      client = new OdooClient({ url: stack.odoo.url, database: 'sandbox', apiKey: apiKeys.bot, protocol: 'json2' });
    });
    after(async () => {
      await client?.close(0);
      await stack?.close();
      await partners?.close();
    });

    const explained = async <T>(wait: Promise<T>): Promise<T> =>
      wait.catch(async (error: unknown) => {
        const letters = JSON.stringify(await stack.deadLetters()).slice(0, 2_000);
        throw new Error(`${letters}\n${stack.nodeRed.logs().slice(-3_000)}`, { cause: error });
      });
    const eventually = <T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> =>
      explained(waitUntil(what, look, 60_000, 50) as Promise<T>);
    /** The event that the flow showed. */
    const told = (pattern: RegExp) => explained(stack.nodeRed.waitForLog(pattern, { timeout: 60_000 }));
    /** Presses a button of the flow, which asks the cabinet. */
    async function press(scenario: string, expected = 202): Promise<Sent[]> {
      const response = await fetch(`${partners.url}/cabinet/scenarios/${scenario}`, { method: 'POST' });
      const { sent } = (await response.json()) as { sent: Sent[] };
      for (const { status, body } of sent) assert.equal(status, expected, body);
      return sent;
    }

    const place = (barcode: string): number => Number(stack.odoo.records('stock.location', { barcode })[0]!.id);
    const product = (sku: string): number =>
      Number(stack.odoo.records('product.product', { default_code: sku })[0]!.id);
    const transfers = (origin: RegExp) =>
      stack.odoo.records('stock.picking').filter((row) => origin.test(String(row.origin)));
    const planned = (sku: string) =>
      transfers(/^REPL-/).filter(
        (row) => stack.odoo.records('stock.move', { picking_id: row.id, product_id: product(sku) }).length > 0,
      );
    /** One position of a proposal's order, with its order. */
    const quotations = (sku: string) =>
      stack.odoo
        .records('purchase.order.line', { product_id: product(sku) })
        .map((line) => ({ line, order: stack.odoo.records('purchase.order', { id: line.order_id })[0]! }));
    it('five alarms of one shelf are one transfer from the central store, in whole packs, reserved', async () => {
      await press('alarm-burst');
      const transfer = await eventually('a transfer', () => planned('GLOVE-M').find((row) => row.state === 'assigned'));
      await told(/outcome: 'transfer'/);
      const [line] = stack.odoo.records('stock.move', { picking_id: transfer.id });
      // From 12 to at most 100, in boxes of 10.
      assert.deepEqual(
        [Number(line!.product_uom_qty), line!.location_id, line!.location_dest_id],
        [80, place(store), place(ward)],
      );
      const domain = [
        ['product_id', '=', product('GLOVE-M')],
        ['location_id', '=', place(store)],
      ];
      const [quant] = await searchRead(client, 'stock.quant', domain, { fields: ['reserved_quantity'] });
      assert.equal(Number(quant!.reserved_quantity), 80);
      // The newest of the four others goes on after the window, and finds the transfer on the way.
      await told(new RegExp(`documents: \\[ '${String(transfer.origin)}' \\],[^}]*outcome: 'enough'`));
      assert.equal(planned('GLOVE-M').length, 1);
    });

    it('what the central store does not have is asked of the first supplier, once', async () => {
      await press('store-short');
      await told(/outcome: 'requisition'/);
      const [first, ...more] = quotations('SYR-10');
      assert.equal(more.length, 0);
      assert.equal(first!.order.state, 'draft');
      assert.match(String(first!.order.origin), /^REPL LOC-1-WARD 3 EAST /);
      assert.equal(stack.odoo.records('res.partner', { id: first!.order.partner_id })[0]!.ref, 'ACME');
      // From 80 to at most 600, in boxes of 100.
      assert.equal(Number(first!.line.product_qty), 500);
      await press('store-short');
      await told(new RegExp(`documents: \\[ '${String(first!.order.name)}' \\],[^}]*outcome: 'enough'`));
      assert.equal(quotations('SYR-10').length, 1);
    });
  });
}
