import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Engine } from '../../sandbox/odoo/engine.ts';
import { OdooError } from '../../sandbox/odoo/errors.ts';
import { methodNames } from '../../sandbox/odoo/methods.ts';
import type { Args, Context } from '../../sandbox/odoo/orm.ts';
import { type OdooVersion, profileOf } from '../../sandbox/odoo/versions.ts';
import { mulberry32 } from '../../sandbox/random.ts';

const contexts: Context[] = [
  {},
  { lang: 'fr_FR' },
  { active_test: false },
  { allowed_company_ids: [1] },
  { active_model: 'account.move', active_ids: [1] },
];

/** Things a caller sends by mistake, and some that are right. */
const junk: readonly unknown[] = [
  null,
  false,
  true,
  0,
  1,
  -1,
  99_999,
  'x',
  '',
  [],
  [1],
  ['x'],
  [[1]],
  [['name', '=', 'x']],
  [['id', 'in', 3]],
  [['name']],
  ['&'],
  ['|', ['id', '=', 1]],
  [['parent_id', 'any', []]],
  [['name', 'ilike', 5]],
  [['name', '<', 5]],
  [['id', 'child_of', 1]],
  [['create_date', '>=', '-7d']],
  [['state', '=', ['a']]],
  {},
  { name: 'x' },
  { name: null },
  { name: ['a'] },
  { order_line: [[0, 0, null]] },
  { order_line: [0] },
  { order_line: [[1, 999, {}]] },
  { partner_id: 8, order_line: [[0, 0, { product_id: 1 }]] },
  {
    partner_id: 8,
    order_line: [
      [0, 0, { product_id: 1 }],
      [0, 0, { product_id: 1, product_qty: 'x' }],
    ],
  },
  { move_type: 'in_invoice', partner_id: 8, invoice_line_ids: [[0, 0, { name: 'x', price_unit: 1 }]] },
  { child_ids: [[0, 0, { name: 'x' }], [2, 1], [5]] },
  [['a.b', 'x']],
  ['id', 'name'],
  'name desc',
];

for (const version of ['17', '18', '19'] as const satisfies OdooVersion[]) {
  describe(`the sandbox ${version} under wrong arguments`, () => {
    it('answers with an Odoo error, never with one of its own, and a failed call changes nothing', () => {
      const engine = new Engine({ profile: profileOf(version), databases: ['sandbox'] });
      const random = mulberry32(Number(version));
      const one = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
      const unchanging = new Set(['ir.model', 'ir.model.fields']);
      const models = [...engine.db.models.values()];
      const snapshot = () =>
        JSON.stringify(
          models.flatMap(({ name, table }) =>
            unchanging.has(name) ? [] : [[...table.rows.values()].toSorted((a, b) => a.id - b.id)],
          ),
        );
      let before = snapshot();
      let succeeded = 0;
      for (let i = 0; i < 700; i++) {
        const target = one(models);
        const name = one(methodNames(engine.readEnv(), target));
        const method = engine.method(target, name)!;
        const named: Args = {};
        for (const parameter of method.params) {
          if (!parameter.endsWith('?') || random() < 0.5) named[parameter.replace('?', '')] = one(junk);
        }
        const ids = method.api === 'model' ? [] : one([[], [1], [2], [1, 2], [9999]]);
        const call = { uid: one([2, 3]), model: target.name, method: name, ids, positional: [], named };
        const what = `${target.name}.${name}(${JSON.stringify(ids)}, ${JSON.stringify(named)})`;
        try {
          engine.run({ ...call, context: one(contexts), arrivedAt: 0 }, target, method, (text) => new Error(text), []);
          succeeded++;
          before = snapshot();
        } catch (error) {
          assert.ok(error instanceof OdooError, what);
          assert.notEqual(error.odooName, 'sandbox.InternalError', `${what}: ${error.message}`);
          assert.equal(snapshot(), before, `${what} failed and left something behind`);
        }
      }
      assert.ok(succeeded > 50, 'some of it was right');
    });
  });
}
