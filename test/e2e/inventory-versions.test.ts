/** The inventory flow as it is shipped on older versions: only the address and the key of Odoo are others. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Cabinet, quarantine, store, theatre, ward } from '../../sandbox/partners/cabinet.ts';
import { startPartners } from '../../sandbox/partners/host.ts';
import { freePort, waitUntil } from '../support/processes.ts';
import { webhookSecret } from './sender.ts';
import { referenceFlows, startStack } from './stack.ts';

describe('the inventory flow by configuration alone', { timeout: 300_000 }, () => {
  for (const [odooVersion, version] of [
    ['17', '5.0'],
    ['18', '4.1'],
  ] as const) {
    it(`on Odoo ${odooVersion} and Node-RED ${version}: low shelves, movements, a scrap and a recall stand in Odoo`, async () => {
      const port = await freePort();
      const cabinet = new Cabinet({ flows: `http://127.0.0.1:${port}`, secret: webhookSecret });
      const partners = await startPartners([cabinet]);
      const env = { CABINET_URL: `${partners.url}/cabinet`, CABINET_WEBHOOK_SECRET: webhookSecret };
      const flows = referenceFlows('inventory');
      const stack = await startStack({ engines: 'embedded', odooVersion, version, flows, port, env });
      try {
        const { odoo } = stack;
        const until = <T>(what: string, look: () => T | undefined) =>
          waitUntil(what, look, 60_000, 50).catch(async (error: unknown) => {
            const letters = JSON.stringify(await stack.deadLetters()).slice(0, 2_000);
            throw new Error(`${letters}\n${stack.nodeRed.logs().slice(-3_000)}`, { cause: error });
          });
        const place = (barcode: string) => odoo.records('stock.location', { barcode })[0]!.id;
        const lot = odoo.records('stock.lot', { name: 'SAL-2601' })[0]!.id;
        const at = (barcode: string) =>
          Number(odoo.records('stock.quant', { lot_id: lot, location_id: place(barcode) })[0]?.quantity ?? 0);

        assert.equal((await cabinet.alarm('GLOVE-M', '12')).status, 202);
        const transfer = await until('a transfer', () =>
          odoo.records('stock.picking', { state: 'assigned' }).find(({ origin }) => String(origin).startsWith('REPL-')),
        );
        const [line] = odoo.records('stock.move', { picking_id: transfer!.id });
        // From 12 to at most 100, in boxes of 10: `qty_multiple` here, a unit on 19.
        assert.deepEqual(
          [Number(line!.product_uom_qty), line!.location_id, line!.location_dest_id],
          [80, place(store), place(ward)],
        );

        // The central store is short of these: a draft, and a requisition for Procurement 1, which is not here.
        assert.equal((await cabinet.alarm('SYR-10', '80')).status, 202);
        const draft = await until('a draft', () => odoo.records('purchase.order', { state: 'draft' })[0]);
        const [bought] = odoo.records('purchase.order.line', { order_id: draft!.id });
        assert.equal(Number(bought!.product_qty), 500);

        // A shelf without a cabinet: somebody counts in Odoo.
        assert.ok((await stack.nodeRed.admin('/inject/hf-inv-t-o-b1', { method: 'POST' })).ok);
        await until(
          'a transfer to the theatre',
          () => odoo.records('stock.picking', { state: 'assigned', location_dest_id: place(theatre) })[0],
        );

        for (const movement of [
          { kind: 'consumption', item: 'SALINE-500', lot: 'SAL-2601', quantity: 2 },
          { kind: 'scrap', item: 'GLOVE-M', quantity: 1 },
        ] as const) {
          const recorded = cabinet.record(movement);
          assert.equal((await cabinet.tell(recorded)).status, 202);
          const booked = await until(`${movement.kind} is booked`, () =>
            odoo.records('stock.move', { origin: recorded.number }).find(({ state }) => state === 'done'),
          );
          assert.equal(Number(booked!.quantity), movement.quantity);
        }
        assert.equal(at(ward), 24 - 2);

        assert.equal((await cabinet.recall('SALINE-500', 'SAL-2601', 'Particles found')).status, 202);
        const frozen = await until('the lot is reserved for quarantine from each place', () => {
          const waiting = odoo
            .records('stock.picking', { state: 'assigned' })
            .filter(({ origin }) => String(origin).startsWith('RECALL R-'));
          return waiting.length === 3 ? waiting : undefined;
        });
        assert.ok(frozen!.every(({ location_dest_id: to }) => to === place(quarantine)));
        assert.deepEqual(await stack.deadLetters(), []);
        assert.equal((await stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');
      } finally {
        await stack.close();
        await partners.close();
      }
    });
  }
});
