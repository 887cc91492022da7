/** Staff and repairs, where the modules `hr` and `maintenance` are there. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Caller, type Protocol, type Target, unique } from './target.ts';

export function facilities(target: () => Target, protocol: Protocol): void {
  describe(`staff and repairs over ${protocol}`, () => {
    let odoo: Caller;
    const there = new Map<string, boolean>();
    before(async () => {
      odoo = new Caller(target(), protocol);
      for (const model of ['hr.employee', 'maintenance.request']) {
        const found = await odoo.call(model, 'search_count', { domain: [] }).then(
          () => true,
          () => false,
        );
        assert.ok(found || !target().sandbox, `the sandbox has ${model}`);
        there.set(model, found);
      }
    });
    after(() => odoo.tidy());
    const absent = (t: TestContext, model: string): boolean => {
      if (there.get(model)) return false;
      t.skip(`${model} is not installed, or not for this user`);
      return true;
    };

    it('an employee is known by the badge, which is unique, and belongs to a department and a manager', async (t) => {
      if (absent(t, 'hr.employee')) return;
      const badge = unique();
      const department = await odoo.create('hr.department', { name: `Ward ${badge}` });
      const manager = await odoo.create('hr.employee', { name: 'Robin', barcode: `${badge}1` });
      const values = { name: 'Kim', department_id: department, parent_id: manager, job_title: 'Buyer' };
      const kim = await odoo.create('hr.employee', { ...values, barcode: `${badge}2` });
      const read = await odoo.read<Record<string, unknown>>('hr.employee', kim, [
        'barcode',
        'department_id',
        'parent_id',
        'job_title',
        'active',
      ]);
      assert.deepEqual(
        [
          read.barcode,
          read.job_title,
          read.active,
          (read.department_id as unknown[])[0],
          (read.parent_id as unknown[])[0],
        ],
        [`${badge}2`, 'Buyer', true, department, manager],
      );
      const fault = await odoo.fault('hr.employee', 'create', { vals_list: [{ name: 'Lee', barcode: `${badge}2` }] });
      assert.match(fault.message, /unique/i);
    });

    it('a request for repair begins in the first stage, today, with a team, and is about an equipment by its serial number', async (t) => {
      if (absent(t, 'maintenance.request')) return;
      const serial = unique();
      const pump = await odoo.create('maintenance.equipment', { name: 'Pump', serial_no: serial });
      const id = await odoo.create('maintenance.request', {
        name: `Alarm ${serial}`,
        equipment_id: pump,
        priority: '2',
      });
      const read = await odoo.read<Record<string, unknown>>('maintenance.request', id, [
        'stage_id',
        'maintenance_type',
        'maintenance_team_id',
        'equipment_id',
        'request_date',
      ]);
      assert.equal(read.maintenance_type, 'corrective');
      assert.match(String(read.request_date), /^\d{4}-\d\d-\d\d$/);
      assert.ok(Array.isArray(read.stage_id) && Array.isArray(read.maintenance_team_id));
      assert.deepEqual(read.equipment_id, [pump, `Pump/${serial}`]);
      const fault = await odoo.fault('maintenance.equipment', 'create', {
        vals_list: [{ name: 'Pump', serial_no: serial }],
      });
      assert.match(fault.message, /serial number/i);
    });
  });
}
