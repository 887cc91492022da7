/** Drills with the shelves: a lot is recalled while the ward goes on using it. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { Cabinet, type Movement, quarantine, ward } from '../../sandbox/partners/cabinet.ts';
import { type PartnerHost, startPartners } from '../../sandbox/partners/host.ts';
import { webhookSecret } from '../e2e/sender.ts';
import { referenceFlows, type Stack, startStack } from '../e2e/stack.ts';
import { freePort, waitUntil } from '../support/processes.ts';
import { drill, engines } from './drill.ts';
import { balanced, onShelves, sum } from './invariants.ts';

describe(`drills with the shelves, ${engines} engines`, { timeout: 1_800_000 }, () => {
  let stack: Stack;
  let partners: PartnerHost;
  let cabinet: Cabinet;
  before(async () => {
    const flows = referenceFlows('inventory');
    const port = await freePort();
    cabinet = new Cabinet({ flows: `http://127.0.0.1:${port}`, secret: webhookSecret });
    partners = await startPartners([cabinet]);
    stack = await startStack({
      engines,
      flows,
      port,
      env: { CABINET_URL: `${partners.url}/cabinet`, CABINET_WEBHOOK_SECRET: webhookSecret },
    });
    await stack.queuesReady();
  });
  after(async () => {
    await stack?.close();
    await partners?.close();
  });

  drill(
    'A lot is recalled while the ward uses it',
    'it is frozen wherever it lies, its next use is held for a person, other lots and items go on',
    async () => {
      const { odoo } = stack;
      const before = onShelves(odoo);
      const accepted: string[] = [];
      const pieces: string[] = [];
      const tell = async (movement: Movement): Promise<string> => {
        const recorded = cabinet.record(movement);
        const { status, body } = await cabinet.tell(recorded);
        assert.equal(status, 202, body);
        accepted.push(recorded.number);
        return recorded.number;
      };
      /** Uses something up: it leaves the shelves. */
      const use = async (item: string, quantity: number, lot?: string): Promise<string> => {
        pieces.push(`-${quantity}`);
        return tell({ kind: 'consumption', item, quantity, ...(lot === undefined ? {} : { lot }) });
      };
      const booked = (number: string) =>
        odoo.records('stock.move', { origin: number }).filter(({ state }) => state === 'done').length;
      const all = (numbers: readonly string[]) =>
        waitUntil('they are booked', () => numbers.every((number) => booked(number) > 0), 120_000, 50);

      const used: string[] = [];
      for (let n = 0; n < 6; n++) used.push(await use('SALINE-500', 2, 'SAL-2601'));
      await all(used);
      const places = odoo
        .records('stock.quant', { lot_id: odoo.records('stock.lot', { name: 'SAL-2601' })[0]!.id })
        .filter(
          ({ location_id: at, quantity }) =>
            Number(quantity) > 0 && odoo.records('stock.location', { id: at })[0]!.usage === 'internal',
        ).length;
      const notice = await cabinet.recall('SALINE-500', 'SAL-2601', 'Particles found');
      assert.equal(notice.status, 202, notice.body);
      const frozen = await waitUntil('the lot is reserved for quarantine from each place', () => {
        const transfers = odoo
          .records('stock.picking')
          .filter(({ origin, state }) => String(origin).startsWith('RECALL R-') && state === 'assigned');
        return transfers.length === places ? transfers : undefined;
      });
      // A nurse pulls one out; somebody else uses another all the same; the ward goes on with other things.
      await all([await tell({ kind: 'recall', item: 'SALINE-500', lot: 'SAL-2601', quantity: 1, to: quarantine })]);
      const late = await tell({ kind: 'consumption', item: 'SALINE-500', lot: 'SAL-2601', quantity: 1 });
      const others: string[] = [];
      for (let n = 0; n < 8; n++) others.push(await use('GLOVE-M', 1), await use('SYR-10', 3));
      await all(others);
      const letters = await waitUntil('the use is held', async () => {
        const open = await stack.deadLetters();
        return open.length > 0 ? open : undefined;
      });
      assert.deepEqual(
        letters.map(({ code }) => code),
        ['INVENTORY_LOT_RECALLED'],
      );
      assert.equal(frozen.length, 3);
      assert.ok(
        frozen.every(
          ({ location_dest_id: to }) => odoo.records('stock.location', { id: to })[0]!.barcode === quarantine,
        ),
      );
      const words = balanced({
        accepted,
        inOdoo: booked,
        waiting: new Map([[late, 'patient-safety']]),
        pieces: { sent: sum([before, ...pieces]), odoo: onShelves(odoo) },
      });
      // What the cabinet holds is what Odoo holds, but for the one that was used all the same.
      const drawer = cabinet.stock().rows.find(({ lot }) => lot === 'SAL-2601')!;
      const [at] = odoo.records('stock.location', { barcode: ward });
      const lot = odoo.records('stock.lot', { name: 'SAL-2601' })[0]!;
      const [quant] = odoo.records('stock.quant', { location_id: at!.id, lot_id: lot.id });
      assert.equal(Number(quant!.quantity) - 1, Number(drawer.quantity));
      assert.equal((await stack.console<{ kind: string }>('audit/verify', {})).kind, 'intact');
      return `reserved for quarantine from ${frozen.length} places; ${words}`;
    },
  );
});
