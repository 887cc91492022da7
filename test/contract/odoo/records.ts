/** Values in and out, domains, paging, grouping: the same over both protocols. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Caller, fixture, json2, jsonrpc, names, type Protocol, type Target, unique } from './target.ts';

type Row = Record<string, unknown> & { id: number };

export function records(target: () => Target, protocol: Protocol): void {
  describe(`records over ${protocol}`, () => {
    let odoo: Caller;
    let tag: string;
    before(() => {
      odoo = new Caller(target(), protocol);
      tag = unique();
    });
    after(() => odoo.tidy());

    const partner = (values: Record<string, unknown> = {}) => odoo.create('res.partner', { name: unique(), ...values });
    const search = (domain: unknown[], options: object = {}) =>
      odoo.call<number[]>('res.partner', 'search', { domain, ...options });

    it('null reads as false, for every type but boolean and number', async () => {
      const row = await odoo.read<Row>('res.partner', await partner(), [
        'parent_id',
        'email',
        'date',
        'color',
        'active',
      ]);
      assert.deepEqual([row.parent_id, row.email, row.date], [false, false, false]);
      assert.deepEqual([row.color, row.active], [0, true]);
    });

    it('false, null and "" all clear a text', async () => {
      for (const nothing of [false, null, '']) {
        const id = await partner({ ref: unique() });
        await odoo.call('res.partner', 'write', { ids: [id], vals: { ref: nothing } });
        assert.equal((await odoo.read<Row>('res.partner', id, ['ref'])).ref, false);
      }
    });

    it('many2one reads as [id, name], and as the id alone with load: null', async () => {
      const parent = await partner({ is_company: true });
      const id = await partner({ parent_id: parent });
      const pair = (await odoo.read<Row>('res.partner', id, ['parent_id'])).parent_id as [number, string];
      assert.equal(pair[0], parent);
      assert.equal(typeof pair[1], 'string');
      const plain = await odoo.call<Row[]>('res.partner', 'read', { ids: [id], fields: ['parent_id'], load: null });
      assert.equal(plain[0]?.parent_id, parent);
    });

    it('read of missing ids answers fewer rows', async () => {
      const id = await partner();
      const rows = await odoo.call<Row[]>('res.partner', 'read', { ids: [id, 2_000_000_000], fields: ['name'] });
      assert.deepEqual(
        rows.map((row) => row.id),
        [id],
      );
    });

    it('a batch is created all or nothing', async () => {
      const ref = unique();
      const vals_list = [
        { name: ref, ref },
        { name: ref, ref, date: 'no date' },
      ];
      await odoo.fault('res.partner', 'create', { vals_list });
      assert.deepEqual(await search([['ref', '=', ref]]), []);
    });

    it('text becomes a number where it is one; "false" becomes true for a boolean', async () => {
      const id = await partner({ color: '7', active: 'false' });
      const row = await odoo.read<Row>('res.partner', id, ['color', 'active']);
      assert.deepEqual([row.color, row.active], [7, true]);
    });

    it('a float leaves with its point: 10.0, so that a lossless parser sees a decimal', async () => {
      const { supplier, product } = await fixture(odoo);
      const order = await odoo.create('purchase.order', {
        partner_id: supplier,
        order_line: [[0, 0, { product_id: product, product_qty: '10', price_unit: '0.10' }]],
      });
      const { order_line } = await odoo.read<{ order_line: number[] }>('purchase.order', order, ['order_line']);
      const text = await rawRead(odoo, 'purchase.order.line', order_line, ['product_qty', 'price_unit']);
      assert.match(text, /"product_qty": ?10\.0[,}]/);
      assert.match(text, /"price_unit": ?0\.1[,}]/);
    });

    it('a datetime is UTC with a blank; ISO 8601 is refused; a day is midnight', async () => {
      const supplier = await partner();
      const order = await odoo.create('purchase.order', { partner_id: supplier });
      const write = (date_order: unknown) => ({ ids: [order], vals: { date_order } });
      await odoo.call('purchase.order', 'write', write('2026-03-01 10:20:30'));
      assert.equal((await odoo.read<Row>('purchase.order', order, ['date_order'])).date_order, '2026-03-01 10:20:30');
      for (const iso of [
        '2026-03-01T10:20:30',
        '2026-03-01T10:20:30Z',
        '2026-03-01 10:20:30.123',
        '2026-03-01 10:20:30+01:00',
      ]) {
        const fault = await odoo.fault('purchase.order', 'write', write(iso));
        assert.equal(fault.odooName, 'builtins.ValueError', iso);
      }
      await odoo.call('purchase.order', 'write', write('2026-03-02'));
      assert.equal((await odoo.read<Row>('purchase.order', order, ['date_order'])).date_order, '2026-03-02 00:00:00');
      await odoo.fault('purchase.order', 'write', write(''));
    });

    it('a date silently loses what follows the day', async () => {
      const id = await partner({ date: '2026-03-01T23:59:59Z' });
      assert.equal((await odoo.read<Row>('res.partner', id, ['date'])).date, '2026-03-01');
    });

    it('x2many commands create, update, delete, unlink, link, clear and replace', async () => {
      const id = await partner({
        is_company: true,
        child_ids: [
          [0, 0, { name: `${tag} a` }],
          [0, 0, { name: `${tag} b` }],
        ],
      });
      const children = async () => (await odoo.read<Row>('res.partner', id, ['child_ids'])).child_ids as number[];
      const [a, b] = await children();
      odoo.remember('res.partner', a!, b!);
      await odoo.call('res.partner', 'write', {
        ids: [id],
        vals: {
          child_ids: [
            [1, a, { name: `${tag} a2` }],
            [2, b],
          ],
        },
      });
      assert.deepEqual(await children(), [a]);
      assert.equal((await odoo.read<Row>('res.partner', a!, ['name'])).name, `${tag} a2`);

      const first = await odoo.create('res.partner.category', { name: `${tag} 1` });
      const second = await odoo.create('res.partner.category', { name: `${tag} 2` });
      const tags = async (commands: unknown) => {
        await odoo.call('res.partner', 'write', { ids: [id], vals: { category_id: commands } });
        return ((await odoo.read<Row>('res.partner', id, ['category_id'])).category_id as number[]).toSorted(
          (x, y) => x - y,
        );
      };
      assert.deepEqual(await tags([[4, first]]), [first]);
      assert.deepEqual(await tags([[4, second]]), [first, second]);
      assert.deepEqual(await tags([[3, first]]), [second]);
      assert.deepEqual(await tags([[6, 0, [first]]]), [first]);
      assert.deepEqual(await tags([[5]]), []);
      assert.deepEqual(await tags([second]), [second], 'a bare list of ids replaces');
    });

    it('an archived record is hidden unless active_test is off or active is asked for', async () => {
      const ref = unique();
      const id = await partner({ ref, active: false });
      assert.deepEqual(await search([['ref', '=', ref]]), []);
      assert.deepEqual(await search([['ref', '=', ref]], { context: { active_test: false } }), [id]);
      assert.deepEqual(
        await search([
          ['ref', '=', ref],
          ['active', 'in', [true, false]],
        ]),
        [id],
      );
    });

    it('a binary is base64, and with bin_size its size in words', async () => {
      const datas = Buffer.from('contract').toString('base64');
      const id = await odoo.create('ir.attachment', { name: unique(), datas });
      const read = (context: Record<string, unknown>) =>
        odoo.call<Row[]>('ir.attachment', 'read', { ids: [id], fields: ['datas'], context });
      assert.equal((await read({}))[0]?.datas, datas);
      assert.notEqual((await read({ bin_size: true }))[0]?.datas, datas);
    });

    it('domains: and, or, not, in, ilike, comparison, dotted path', async () => {
      const ref = unique();
      const parent = await partner({ ref: `${ref}-p`, is_company: true });
      const a = await partner({ ref: `${ref}-a`, color: 1, parent_id: parent });
      const b = await partner({ ref: `${ref}-b`, color: 2 });
      const found = async (...domain: unknown[]) =>
        search(['&', ['ref', 'like', `${ref}-_`], ['id', 'in', [a, b]], ...domain], { order: 'id' });
      assert.deepEqual(await found(), [a, b]);
      assert.deepEqual(await found(['color', '>', 1]), [b]);
      assert.deepEqual(await found('|', ['color', '=', 1], ['color', '=', 2]), [a, b]);
      assert.deepEqual(await found('!', ['color', '=', 1]), [b]);
      assert.deepEqual(await found(['color', 'not in', [2, 3]]), [a]);
      assert.deepEqual(await found(['ref', 'ilike', `${ref}-A`.toUpperCase()]), [a]);
      assert.deepEqual(await found(['parent_id.ref', '=', `${ref}-p`]), [a]);
      assert.deepEqual(await found(['parent_id', '=', false]), [b]);
      assert.deepEqual(await found(['parent_id', '!=', false]), [a]);
      if (target().version >= 19) assert.deepEqual(await found(['parent_id', 'any', [['ref', '=', `${ref}-p`]]]), [a]);
    });

    it('limit 0 is no limit, a negative one is refused, and keyset paging sees every row once', async () => {
      const ref = unique();
      const ids = await odoo.call<number[]>('res.partner', 'create', {
        vals_list: Array.from({ length: 5 }, (_, i) => ({ name: `${ref} ${i}`, ref })),
      });
      odoo.remember('res.partner', ...ids);
      assert.equal((await search([['ref', '=', ref]], { limit: 0 })).length, 5);
      await odoo.fault('res.partner', 'search_read', { domain: [], fields: ['id'], limit: -1 });
      const seen: number[] = [];
      for (let last = 0; ; ) {
        const page = await odoo.call<Row[]>('res.partner', 'search_read', {
          domain: [
            ['ref', '=', ref],
            ['id', '>', last],
          ],
          fields: ['id'],
          order: 'id',
          limit: 2,
        });
        if (page.length === 0) break;
        seen.push(...page.map((row) => row.id));
        last = seen.at(-1)!;
      }
      assert.deepEqual(
        seen,
        ids.toSorted((a, b) => a - b),
      );
    });

    it('search_read orders by what is asked and counts what search_count counts', async () => {
      const ref = unique();
      await partner({ ref, color: 1 });
      await partner({ ref, color: 3 });
      await partner({ ref, color: 2 });
      const domain = [['ref', '=', ref]];
      const rows = await odoo.call<Row[]>('res.partner', 'search_read', {
        domain,
        fields: ['color'],
        order: 'color desc, id',
      });
      assert.deepEqual(
        rows.map((row) => row.color),
        [3, 2, 1],
      );
      assert.equal(await odoo.call('res.partner', 'search_count', { domain }), 3);
    });

    it('fields_get names the fields as this version calls them', async () => {
      const own = names(target().version);
      const fields = await odoo.call<Record<string, { type: string; relation?: string }>>(
        'purchase.order.line',
        'fields_get',
        {
          attributes: ['type', 'relation', 'required'],
        },
      );
      assert.equal(fields[own.uom]?.relation, 'uom.uom');
      assert.equal(fields[own.purchaseTaxes]?.relation, 'account.tax');
      assert.equal(fields.order_id?.type, 'many2one');
      const users = await odoo.call<Record<string, unknown>>('res.users', 'fields_get', { allfields: [own.groups] });
      assert.deepEqual(Object.keys(users), [own.groups]);
    });

    it('name_search finds by name within a domain', async () => {
      const name = unique();
      const id = await partner({ name, ref: name });
      const found = await odoo.call<[number, string][]>('res.partner', 'name_search', {
        name,
        [names(target().version).searchDomain]: [['ref', '=', name]],
        limit: 2,
      });
      assert.deepEqual(
        found.map(([found]) => found),
        [id],
      );
    });

    it('read_group sums by group', async () => {
      const ref = unique();
      for (const color of [1, 1, 2]) await partner({ ref, color });
      const groups = await odoo.call<{ color: number; __count: number }[]>('res.partner', 'read_group', {
        domain: [['ref', '=', ref]],
        fields: ['color'],
        groupby: ['color'],
        lazy: false,
      });
      assert.deepEqual(
        groups.map((group) => [group.color, group.__count]),
        [
          [1, 2],
          [2, 1],
        ],
      );
    });

    it('formatted_read_group exists from 19 on', async (t) => {
      if (target().version < 19) return t.skip('19 only');
      const ref = unique();
      for (const color of [1, 1, 2]) await partner({ ref, color });
      const groups = await odoo.call<Record<string, unknown>[]>('res.partner', 'formatted_read_group', {
        domain: [['ref', '=', ref]],
        groupby: ['color'],
        aggregates: ['__count'],
      });
      assert.deepEqual(
        groups.map((group) => [group.color, group.__count]),
        [
          [1, 2],
          [2, 1],
        ],
      );
      assert.ok(groups.every((group) => Array.isArray(group.__extra_domain)));
    });

    it('web_search_read answers nested relations with the length', async () => {
      const id = await partner();
      const found = await odoo.call<{ length: number; records: Row[] }>('res.partner', 'web_search_read', {
        domain: [['id', '=', id]],
        specification: { name: {}, child_ids: { fields: { name: {} } } },
      });
      assert.equal(found.length, 1);
      assert.deepEqual(found.records[0]?.child_ids, []);
    });

    it('write_date read back: 19 compares whole seconds, 18 microseconds', async () => {
      const id = await partner();
      const { write_date } = await odoo.read<Row>('res.partner', id, ['write_date']);
      assert.match(String(write_date), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
      const matches = async (operator: string) =>
        (
          await search([
            ['id', '=', id],
            ['write_date', operator, write_date],
          ])
        ).length;
      assert.equal(await matches('>='), 1, '>= always finds it');
      if (target().version >= 19) assert.deepEqual([await matches('='), await matches('>')], [1, 0]);
      else assert.deepEqual([await matches('='), await matches('>'), await matches('<=')], [0, 1, 0]);
    });

    it('an attachment hangs on its document, a message is posted to it', async () => {
      const id = await partner();
      const attachment = await odoo.create('ir.attachment', {
        name: 'note.txt',
        datas: Buffer.from('x').toString('base64'),
        res_model: 'res.partner',
        res_id: id,
        mimetype: 'text/plain',
      });
      const posted = await odoo.call<number[] | number>('res.partner', 'message_post', {
        ids: [id],
        body: 'Contract',
        attachment_ids: [attachment],
      });
      assert.ok(Array.isArray(posted) ? posted.length === 1 : Number.isInteger(posted));
    });
  });
}

/** The bytes of an answer to `read`. */
async function rawRead(odoo: Caller, model: string, ids: number[], fields: string[]): Promise<string> {
  const { target } = odoo;
  if (odoo.protocol === 'json2') return (await json2(target, `${model}/read`, { ids, fields })).text;
  const { uid } = await odoo.call<{ uid: number }>('res.users', 'context_get');
  const args = [target.database, uid, target.key, model, 'read', [ids, fields]];
  return (await jsonrpc(target, 'object', 'execute_kw', args)).text;
}
