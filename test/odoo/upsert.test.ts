import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Failure } from '../../nodes/kernel/failure.ts';
import {
  act,
  type OdooClient,
  type RowOutcome,
  searchRead,
  upsert,
  type Upserted,
  write,
} from '../../nodes/odoo/index.ts';
import { apiKeys } from '../../sandbox/odoo/index.ts';
import { clientOf, failure, order, sandbox, versions } from './support.ts';

const values = (outcomes: RowOutcome<Upserted>[]): Upserted[] =>
  outcomes.map((outcome) => {
    if (outcome.kind === 'failed') throw outcome.failure;
    return outcome.value;
  });
const one = async (client: OdooClient, document: unknown, options = {}): Promise<Upserted> =>
  values(await upsert(client, 'purchase.order', [document], options))[0]!;
const refused = async (client: OdooClient, document: unknown, model = 'purchase.order'): Promise<Failure> => {
  const [outcome] = await upsert(client, model, [document]);
  if (outcome?.kind !== 'failed') throw new Error('was written');
  return outcome.failure;
};
const linesOf = (client: OdooClient) =>
  searchRead(client, 'purchase.order.line', [], {
    fields: ['product_id', 'product_qty', 'price_unit', 'date_planned', 'product_uom_id', 'tax_ids'],
  });

for (const version of versions) {
  describe(`upsert on Odoo ${version}`, () => {
    test('an order with its lines is one record each, however often it is sent', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const first = await one(client, order(1));
      assert.equal(first.effect, 'created');
      for (let i = 0; i < 3; i++) assert.deepEqual(await one(client, order(1)), { ...first, effect: 'updated' });
      assert.equal(odoo.records('purchase.order').length, 1);
      assert.equal(odoo.records('purchase.order.line').length, 2);
    });

    test('a changed line is updated in place, a new one added', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      await one(client, order(1));
      await one(client, order(1, [{ product_qty: '11' }, { product_qty: '3' }, { product_qty: '5' }]));
      assert.deepEqual(
        (await linesOf(client)).map((line) => line.product_qty),
        ['11', '3', '5'],
      );
    });

    test('lines that a later document leaves out stay, or go when that is asked for; those of people stay', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const { id } = await one(client, order(1, [{}, {}, {}]));
      const other = await one(client, order(11, [{}, {}]));
      await write(client, 'purchase.order', [id], {
        order_line: { create: [{ product_id: { match: { default_code: 'GLOVE-M' } }, product_qty: '7' }] },
      });
      const ofOrder = (of: number) => odoo.records('purchase.order.line').filter((line) => line.order_id === of).length;
      assert.equal((await one(client, order(1, [{}]))).removed, undefined);
      assert.equal(ofOrder(id), 4);
      assert.equal((await one(client, order(1, [{}]), { leftOut: 'remove' })).removed, 2);
      assert.equal(ofOrder(id), 2);
      assert.equal((await one(client, order(1, [{}]), { leftOut: 'remove' })).removed, undefined);
      assert.equal((await one(client, order(1, []), { leftOut: 'remove' })).removed, 1);
      // hf_test.po_11_1 begins like hf_test.po_1, and is another document's.
      assert.equal(ofOrder(other.id), 2);
    });

    test('a line that a confirmed order must keep is a failure that names it, and repeating it is safe', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const { id } = await one(client, order(1));
      await act(client, 'confirm-purchase', [id]);
      for (let i = 0; i < 2; i++) {
        const [outcome] = await upsert(client, 'purchase.order', [order(1, [{}])], { leftOut: 'remove' });
        assert.ok(outcome?.kind === 'failed');
        assert.equal(outcome.failure.code, 'ODOO_LINE_KEPT');
        assert.deepEqual(outcome.failure.detail, {
          model: 'purchase.order',
          id,
          field: 'order_line',
          externalIds: ['hf_test.po_1_2'],
        });
      }
      assert.equal(odoo.records('purchase.order.line').length, 2);
    });

    test('decimals arrive exactly: 0.30, 235.40, 0.000001', async () => {
      const client = clientOf(await sandbox(version));
      await one(client, order(1, [{ price_unit: '0.30' }, { price_unit: '235.40' }, { product_qty: '0.01' }]));
      const lines = await linesOf(client);
      assert.deepEqual(
        lines.map((line) => line.price_unit),
        ['0.3', '235.4', '4.2'],
      );
      assert.equal(lines[2]?.product_qty, '0.01');
    });

    test('load() reads datetimes in the user’s time zone (Brussels here): instants arrive as they were meant', async () => {
      const client = clientOf(await sandbox(version));
      const due = { date_planned: '2026-07-01T09:00:00+02:00' };
      await one(client, order(1, [due, due]));
      assert.equal((await linesOf(client))[0]?.date_planned, '2026-07-01T07:00:00Z');
      const inZone = clientOf(await sandbox(version), { limits: { timeZone: 'America/New_York' } });
      await one(inZone, order(1, [{ date_planned: '2026-07-01' }]));
      assert.equal((await linesOf(inZone))[0]?.date_planned, '2026-07-01T04:00:00Z');
    });

    test('names of 19 work: product_uom_id, tax_ids; references by external id, id and match, also mixed', async () => {
      const client = clientOf(await sandbox(version));
      const [tax] = await searchRead(client, 'account.tax', [['name', '=', '20% Purchase']], { fields: ['name'] });
      await one(
        client,
        order(1, [
          {
            product_uom_id: { externalId: 'uom.product_uom_unit' },
            tax_ids: [{ externalId: 'sandbox.tax_purchase_20' }],
          },
          { product_uom_id: { match: { name: 'Units' } }, tax_ids: [tax!.id] },
        ]),
      );
      const lines = await linesOf(client);
      assert.deepEqual(
        lines.map((line) => (line.product_uom_id as { name: string }).name),
        ['Units', 'Units'],
      );
      assert.deepEqual(
        lines.map((line) => line.tax_ids),
        [[tax!.id], [tax!.id]],
      );
    });

    test('a batch: results in order, one call for many, a bad row named and alone', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const documents = Array.from({ length: 30 }, (_, i) => order(i));
      documents[7]!.values.partner_id = { match: { ref: 'NOBODY' } };
      documents[11]!.values.partner_id = 999_999;
      documents[13]!.externalId = 'no dot';
      documents[17]!.values.partner_ref = { an: 'object' };
      odoo.log.clear();
      const outcomes = await upsert(client, 'purchase.order', documents);
      assert.deepEqual(
        outcomes.flatMap((outcome, i) => (outcome.kind === 'failed' ? [[i, outcome.failure.code]] : [])),
        [
          [7, 'ODOO_REFERENCE_NOT_FOUND'],
          [11, 'ODOO_LOAD_REFUSED'],
          [13, 'ODOO_EXTERNAL_ID'],
          [17, 'ODOO_VALUE'],
        ],
      );
      for (const [i, outcome] of outcomes.entries())
        if (outcome.kind === 'done') assert.equal(outcome.value.externalId, `hf_test.po_${i}`);
      assert.equal(odoo.records('purchase.order').length, 26);
      assert.ok(odoo.log.list({ method: 'load' }).length <= 3);
    });

    test('Odoo’s field is named, its own words are kept in the detail, and nothing was written', async () => {
      const odoo = await sandbox(version);
      const bad = order(1);
      bad.values.partner_id = 999_999;
      const failed = await refused(clientOf(odoo), bad);
      assert.equal(failed.class, 'data-quality');
      assert.match(failed.message, /hf_test\.po_1.*partner_id/);
      assert.ok((failed.detail as { odoo: { message: string } }).odoo.message.length > 0);
      assert.equal(odoo.records('purchase.order').length, 0);
    });

    test('ids:false by a serialization conflict is tried again; when it stays, it is a conflict to retry', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      odoo.faults.set({ kind: 'conflict', method: 'load', times: 3 });
      assert.equal((await one(client, order(1))).effect, 'created');
      odoo.faults.set({ kind: 'conflict', method: 'load' });
      await assert.rejects(
        one(client, order(2), { attempts: 2 }),
        failure({ class: 'conflict', code: 'ODOO_SERIALIZATION_FAILURE', retryable: true, outcome: 'none' }),
      );
    });

    test('8 parallel writers on one key leave one order with two lines', async () => {
      const odoo = await sandbox(version);
      odoo.faults.set({ kind: 'conflict', method: 'load', probability: 0.4 }, { kind: 'slow', method: 'load', ms: 3 });
      const writers = Array.from({ length: 8 }, () => clientOf(odoo));
      const written = await Promise.all(writers.map((client) => one(client, order(1), { attempts: 50 })));
      assert.equal(new Set(written.map(({ id }) => id)).size, 1);
      assert.equal(odoo.records('purchase.order').length, 1);
      assert.equal(odoo.records('purchase.order.line').length, 2);
    });

    test('a user without rights on ir.model.data upserts, and one with them too', async () => {
      const odoo = await sandbox(version);
      assert.equal((await one(clientOf(odoo), order(1))).effect, 'created');
      const admin = clientOf(odoo, { apiKey: apiKeys.admin, login: 'admin' });
      assert.equal((await one(admin, order(1))).effect, 'updated');
      assert.equal((await one(admin, order(2))).effect, 'created');
    });

    test('what a repeat would double, or an empty cell would clear, is refused before it is sent', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const without = order(1);
      delete (without.values.order_line as { externalId?: string }[])[1]!.externalId;
      assert.equal((await refused(client, without)).code, 'ODOO_LINE_WITHOUT_EXTERNAL_ID');
      const twice = order(1);
      (twice.values.order_line as { externalId: string }[])[1]!.externalId = 'hf_test.po_1_1';
      assert.equal((await refused(client, twice)).code, 'ODOO_LINE_TWICE');
      const commands = order(1);
      commands.values.order_line = { clear: true };
      assert.equal((await refused(client, commands)).code, 'ODOO_UPSERT_FORM');
      for (const nothing of [null, 'x', [], {}, { externalId: 'a.b' }, { values: {} }, { match: {}, values: {} }])
        assert.equal((await refused(client, nothing)).class, 'data-quality');
      assert.equal(odoo.log.list({ method: 'load' }).length, 0);
    });

    test('lines may have different fields: what a line leaves out is left alone, what is null is emptied', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const due = { date_planned: '2026-07-01T09:00:00Z' };
      const uneven = (n: number) => order(n, [{ discount: '5', ...due }, {}, { discount: '10' }, { discount: null }]);
      await one(client, order(1, [{}, { discount: '7', ...due }, {}, { discount: '3' }]));
      odoo.log.clear();
      for (const outcome of await upsert(client, 'purchase.order', [uneven(1), uneven(2), order(3)], { verify: true }))
        assert.equal(outcome.kind, 'done');
      assert.deepEqual(
        (await searchRead(client, 'purchase.order', [], { fields: ['order_line'] })).map(
          (row) => (row.order_line as []).length,
        ),
        [4, 4, 2],
      );
      const byName = new Map(odoo.records('purchase.order.line').map((line) => [line.xmlid, line]));
      const discounts = (po: number) =>
        [1, 2, 3, 4].map((line) => Number(byName.get(`hf_test.po_${po}_${line}`)?.discount ?? 0));
      assert.deepEqual(discounts(1), [5, 7, 10, 0]);
      assert.deepEqual(discounts(2), [5, 0, 10, 0]);
      assert.match(String(byName.get('hf_test.po_1_2')?.date_planned), /^2026-07-01/);
      assert.ok(odoo.log.list({ method: 'load' }).length <= 5);
    });

    test('a refusal of the lines with other fields says that the rest was written, and the repeat completes it', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const document = (product: number) => order(1, [{}, { discount: '5', product_id: product }]);
      const failed = await refused(client, document(999_999));
      assert.equal(failed.class, 'data-quality');
      assert.match(failed.message, /without some of its lines/);
      assert.equal(failed.outcome, undefined);
      assert.equal((await one(client, document(3))).effect, 'updated');
      assert.equal(odoo.records('purchase.order').length, 1);
      assert.equal(odoo.records('purchase.order.line').length, 2);
    });

    test('a document that comes twice in one batch ends as the later one said', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const later = order(1, [{ product_qty: '99' }, { product_qty: '98', discount: '1' }]);
      values(await upsert(client, 'purchase.order', [order(1, [{ discount: '2' }, {}]), later]));
      assert.deepEqual(
        (await linesOf(client)).map((line) => line.product_qty),
        ['99', '98'],
      );
      assert.equal(odoo.records('purchase.order').length, 1);
    });

    test('a reference that matches two records is refused, naming what to do', async () => {
      const odoo = await sandbox(version);
      odoo.engine.transaction((env) => env.create('res.partner', { name: 'Second', ref: 'ACME' }));
      const failed = await refused(clientOf(odoo), order(1));
      assert.equal(failed.code, 'ODOO_REFERENCE_AMBIGUOUS');
      assert.match(failed.message, /partner_id: more than one res\.partner/);
    });

    test('many lines are matched by few searches, and a found record is remembered', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const lines = Array.from({ length: 100 }, () => ({}));
      odoo.log.clear();
      await one(client, order(1, lines));
      assert.equal(odoo.log.list({ model: 'product.product', method: 'search_read' }).length, 1);
      await one(client, order(2, lines));
      assert.equal(odoo.log.list({ model: 'product.product', method: 'search_read' }).length, 1);
      assert.equal(odoo.records('purchase.order.line').length, 200);
    });

    test('read back on request: an amount that Odoo changed is a failure that names the field', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      assert.equal((await one(client, order(1), { verify: true })).effect, 'created');
      // 12345678901234.123456 has more digits than the double that Odoo computes with.
      const [outcome] = await upsert(
        client,
        'purchase.order',
        [order(2, [{}, { price_unit: '12345678901234.123456' }])],
        {
          verify: true,
        },
      );
      if (outcome?.kind === 'failed') {
        assert.equal(outcome.failure.code, 'ODOO_ALTERED');
        assert.match(outcome.failure.message, /order_line\[2\]\.price_unit/);
      } else {
        const [, line] = await searchRead(client, 'purchase.order.line', [['order_id.partner_ref', '=', '2']], {
          fields: ['price_unit'],
        });
        assert.equal(line?.price_unit, '12345678901234.123456');
      }
    });

    test('by natural key: created once, then written; in turn where several come at once', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const document = (name: string) => ({ match: { ref: 'WARD-9' }, values: { name } });
      const all = await Promise.all(
        ['A', 'B', 'C', 'D'].map((name) => upsert(client, 'res.partner', [document(name)])),
      );
      assert.equal(new Set(all.map((outcomes) => values(outcomes)[0]!.id)).size, 1);
      assert.equal(odoo.records('res.partner', { ref: 'WARD-9' }).length, 1);
    });

    test('by natural key from processes that know nothing of each other, with every reply lost: one record', async () => {
      const odoo = await sandbox(version);
      odoo.faults.set({ kind: 'drop-reply', model: 'res.partner', method: 'load', times: 4 });
      const all = await Promise.all(
        ['A', 'B', 'C', 'D'].map((name) =>
          upsert(clientOf(odoo), 'res.partner', [{ match: { ref: 'WARD-9' }, values: { name } }]),
        ),
      );
      assert.equal(new Set(all.map((outcomes) => values(outcomes)[0]!.id)).size, 1);
      assert.equal(odoo.records('res.partner', { ref: 'WARD-9' }).length, 1);
    });

    test('by natural key: a record that was made for it and is archived or renamed is not made a second time', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo);
      const document = { match: { ref: 'WARD-9' }, values: { name: 'Ward 9' } };
      const { id } = values(await upsert(client, 'res.partner', [document]))[0]!;
      for (const change of [{ active: false }, { active: true, ref: 'WARD-09' }]) {
        await write(client, 'res.partner', [id], change);
        const failure = await refused(client, document, 'res.partner');
        assert.equal(failure.code, 'ODOO_KEY_MOVED');
        assert.match(failure.message, /hf_key\.res_partner_[0-9a-f]{24}/);
      }
      await write(client, 'res.partner', [id], { ref: 'WARD-9' });
      assert.equal(values(await upsert(client, 'res.partner', [document]))[0]!.id, id);
    });

    test('by natural key with what load() cannot say, after a lost reply: not created again before Odoo has certainly ended the first try', async () => {
      const odoo = await sandbox(version);
      const client = clientOf(odoo, { settleTime: 60_000 });
      const withContact = (ref: string) => ({
        match: { ref },
        values: { name: ref, child_ids: { create: [{ name: 'Desk' }] } },
      });
      odoo.faults.set({ kind: 'drop-request', model: 'res.partner', method: 'create', times: 1 });
      const first = await refused(client, withContact('WARD-9'), 'res.partner');
      assert.equal(first.code, 'ODOO_UNSETTLED');
      assert.equal(first.outcome, 'unknown');
      assert.ok(first.retryable && first.retryAfter! >= 59_000);
      assert.equal((await refused(client, withContact('WARD-9'), 'res.partner')).code, 'ODOO_UNSETTLED');
      assert.equal(odoo.records('res.partner', { ref: 'WARD-9' }).length, 0);

      odoo.faults.set({ kind: 'drop-reply', model: 'res.partner', method: 'create', times: 1 });
      assert.equal((await refused(client, withContact('WARD-10'), 'res.partner')).outcome, 'unknown');
      // It did happen: the next try finds it, and will not add its contact again.
      assert.equal((await refused(client, withContact('WARD-10'), 'res.partner')).code, 'ODOO_LINES_OF_EXISTING');
      assert.equal(odoo.records('res.partner', { ref: 'WARD-10' }).length, 1);
    });
  });
}
