/** `load()`: the atomic upsert by external id that every write of the connector stands on. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Caller, type Fixture, fixture, type Protocol, type Target, unique } from './target.ts';

interface Loaded {
  ids: number[] | false;
  messages: { type: string; message: string; record?: number; field?: string; rows?: { from: number; to: number } }[];
}

export function loading(target: () => Target, protocol: Protocol): void {
  describe(`load over ${protocol}`, () => {
    let odoo: Caller;
    let own: Fixture;
    before(async () => {
      odoo = new Caller(target(), protocol);
      own = await fixture(odoo);
    });
    after(() => odoo.tidy());

    const load = async (model: string, fields: string[], data: string[][]) => {
      const loaded = await odoo.call<Loaded>(model, 'load', { fields, data });
      if (loaded.ids) odoo.remember(model, ...loaded.ids);
      return loaded;
    };
    const partners = (...data: string[][]) => load('res.partner', ['id', 'name', 'ref'], data);
    const count = (ref: string) => odoo.call<number>('res.partner', 'search_count', { domain: [['ref', '=', ref]] });

    it('creates, and the same call again updates the same record', async () => {
      const key = unique();
      const first = await partners([`hf_contract.${key}`, 'Before', key]);
      assert.ok(first.ids && first.ids.length === 1, JSON.stringify(first.messages));
      assert.deepEqual(first.messages, []);
      const second = await partners([`hf_contract.${key}`, 'After', key]);
      assert.deepEqual(second.ids, first.ids);
      assert.equal(await count(key), 1);
      assert.equal((await odoo.read('res.partner', first.ids[0]!, ['name'])).name, 'After');
    });

    it('an id without a dot gets the module __import__', async () => {
      const key = unique();
      const { ids } = await partners([key, 'Dotless', key]);
      assert.ok(ids);
      const found = await odoo.call('ir.model.data', 'check_object_reference', { module: '__import__', xml_id: key });
      assert.deepEqual(found, ['res.partner', ids[0]]);
    });

    it('follows many2one by external id and by database id, and leaves an empty one empty', async () => {
      const key = unique();
      await partners([`hf_contract.${key}_p`, 'Parent', `${key}_p`]);
      const fields = ['id', 'name', 'parent_id/id', 'country_id/.id'];
      const { ids } = await load('res.partner', fields, [[`hf_contract.${key}`, 'Child', `hf_contract.${key}_p`, '']]);
      assert.ok(ids);
      const row = await odoo.read<{ parent_id: [number, string]; country_id: unknown }>('res.partner', ids[0]!, [
        'parent_id',
        'country_id',
      ]);
      assert.equal(typeof row.parent_id[0], 'number');
      assert.equal(row.country_id, false);
    });

    it('an order with lines on continuation rows; sent again with their own ids the lines are updated in place', async () => {
      const key = unique();
      const fields = [
        'id',
        'partner_id/.id',
        'partner_ref',
        'order_line/id',
        'order_line/product_id/.id',
        'order_line/product_qty',
        'order_line/price_unit',
      ];
      const rows = (quantity: string) => [
        [
          `hf_contract.${key}`,
          String(own.supplier),
          key,
          `hf_contract.${key}_1`,
          String(own.product),
          quantity,
          '4.20',
        ],
        ['', '', '', `hf_contract.${key}_2`, String(own.service), '3', '0.1'],
      ];
      const first = await load('purchase.order', fields, rows('10'));
      assert.ok(first.ids && first.ids.length === 1, JSON.stringify(first.messages));
      const order = first.ids[0]!;
      const read = () =>
        odoo.read<{ order_line: number[]; amount_untaxed: number }>('purchase.order', order, [
          'order_line',
          'amount_untaxed',
        ]);
      const before = await read();
      assert.equal(before.order_line.length, 2);
      assert.equal(before.amount_untaxed.toFixed(2), '42.30');
      assert.deepEqual((await load('purchase.order', fields, rows('20'))).ids, [order]);
      const afterwards = await read();
      assert.deepEqual(afterwards.order_line, before.order_line);
      assert.equal(afterwards.amount_untaxed.toFixed(2), '84.30');
    });

    it('bad data answers ids: false with where and what, and nothing of the call stays', async () => {
      const key = unique();
      const fields = ['id', 'name', 'ref', 'color'];
      const { ids, messages } = await load('res.partner', fields, [
        [`hf_contract.${key}_1`, 'Good', key, '1'],
        [`hf_contract.${key}_2`, 'Bad', key, 'many'],
      ]);
      assert.equal(ids, false);
      const [message] = messages;
      assert.equal(message?.type, 'error');
      assert.equal(message?.field, 'color');
      assert.deepEqual(message?.rows, { from: 1, to: 1 });
      assert.equal(await count(key), 0);
    });

    it('an external id that leads nowhere is a message about its field', async () => {
      const fields = ['id', 'name', 'country_id/id'];
      const { ids, messages } = await load('res.partner', fields, [[`hf_contract.${unique()}`, 'x', 'base.atlantis']]);
      assert.equal(ids, false);
      assert.equal(messages[0]?.field, 'country_id');
      assert.match(messages[0]!.message, /base\.atlantis/);
    });

    it('a required field that is missing answers ids: false, not an error', async () => {
      const { ids, messages } = await load('purchase.order', ['id', 'partner_ref'], [[`hf_contract.${unique()}`, 'x']]);
      assert.equal(ids, false);
      assert.equal(messages[0]?.type, 'error');
    });

    it('an unknown column is an error of the whole call', async () => {
      const fault = await odoo.fault('res.partner', 'load', { fields: ['id', 'nonsense'], data: [['a.b', 'c']] });
      assert.match(fault.odooName, /^builtins\./);
      if (protocol === 'json2') assert.equal(fault.status, 500);
    });

    it('parallel loads of one new id leave one record; the losers’ conflict is ids: false and worth retrying', async () => {
      const key = unique();
      const attempt = async (): Promise<number> => {
        for (let tries = 0; tries < 10; tries++) {
          const { ids, messages } = await partners([`hf_contract.${key}`, 'Racer', key]);
          if (ids) return ids[0]!;
          assert.ok(
            messages.every((message) => message.field === undefined),
            JSON.stringify(messages),
          );
        }
        throw new Error('Ten tries were not enough.');
      };
      const ids = await Promise.all(Array.from({ length: 6 }, attempt));
      assert.equal(new Set(ids).size, 1);
      assert.equal(await count(key), 1);
    });

    it('a user without rights on ir.model.data looks an external id up both ways; a missing one is a ValueError', async () => {
      const key = unique();
      const { ids } = await partners([`hf_contract.${key}`, 'Known', key]);
      assert.ok(ids);
      const there = await odoo.call('ir.model.data', 'check_object_reference', { module: 'hf_contract', xml_id: key });
      assert.deepEqual(there, ['res.partner', ids[0]]);
      const back = await odoo.call<Record<string, string>>('res.partner', 'get_external_id', { ids });
      assert.equal(back[String(ids[0])], `hf_contract.${key}`);
      const missing = { module: 'hf_contract', xml_id: unique() };
      const fault = await odoo.fault('ir.model.data', 'check_object_reference', missing);
      assert.equal(fault.odooName, 'builtins.ValueError');
    });

    it('a datetime is read as the wall clock of context.tz, unlike write, which takes UTC', async () => {
      const fields = ['id', 'partner_id/.id', 'date_order'];
      const data = [[`hf_contract.${unique()}`, String(own.supplier), '2026-07-01 12:00:00']];
      const dated = async (tz: string) => {
        const context = { tz };
        const { ids } = await odoo.call<Loaded>('purchase.order', 'load', { fields, data, context });
        assert.ok(ids);
        odoo.remember('purchase.order', ...ids);
        return (await odoo.read('purchase.order', ids[0]!, ['date_order'])).date_order;
      };
      assert.equal(await dated('Europe/Brussels'), '2026-07-01 10:00:00');
      assert.equal(await dated('UTC'), '2026-07-01 12:00:00');
    });

    it('deleting a record deletes its external id, and load creates it anew', async () => {
      const key = unique();
      const first = await partners([`hf_contract.${key}`, 'Short-lived', key]);
      assert.ok(first.ids);
      await odoo.call('res.partner', 'unlink', { ids: first.ids });
      const second = await partners([`hf_contract.${key}`, 'Reborn', key]);
      assert.ok(second.ids && second.ids[0] !== first.ids[0]);
    });

    it('many2one by a name that two records share or none has is not silently guessed', async () => {
      const fields = ['id', 'name', 'country_id'];
      const { ids, messages } = await load('res.partner', fields, [[`hf_contract.${unique()}`, 'x', 'Atlantis']]);
      assert.equal(ids, false);
      assert.equal(messages[0]?.field, 'country_id');
    });
  });
}
