/**
 * Staff (module `hr`) and repairs (module `maintenance`), as far as the canonical employee and service request go. The
 * fields are those of Odoo's source; unlike the others here they have not been measured on a real server.
 */
import { validationError } from '../errors.ts';
import { boolean, char, date, datetime, html, integer, many2one, one2many, selection } from '../fields.ts';
import { type Database, type Env, text } from '../orm.ts';
import { groups } from './base.ts';

export function defineFacilities(db: Database): void {
  const staff = { read: [groups.hr], write: [groups.hr], create: [groups.hr], unlink: [groups.hr] };
  const keeper = [groups.maintenance];
  const assets = { write: keeper, create: keeper, unlink: keeper };
  db.define({
    name: 'hr.department',
    description: 'Department',
    order: 'name',
    fields: {
      name: char('Department Name', { required: true }),
      parent_id: many2one('hr.department', 'Parent Department'),
      active: boolean('Active', { default: true }),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access: staff,
  });
  db.define({
    name: 'hr.employee',
    description: 'Employee',
    order: 'name',
    thread: true,
    fields: {
      name: char('Employee Name', { required: true }),
      barcode: char('Badge ID', { copy: false, index: true }),
      active: boolean('Active', { default: true }),
      work_email: char('Work Email'),
      work_phone: char('Work Phone'),
      job_title: char('Job Title'),
      department_id: many2one('hr.department', 'Department'),
      parent_id: many2one('hr.employee', 'Manager'),
      user_id: many2one('res.users', 'User'),
      company_id: many2one('res.company', 'Company', { required: true, default: (env: Env) => env.company() }),
    },
    access: staff,
    prepare: (env, row) =>
      unique(env, row, 'hr.employee', 'barcode', 'The Badge ID must be unique, this one is already assigned.'),
  });
  db.define({
    name: 'maintenance.team',
    description: 'Maintenance Teams',
    fields: {
      name: char('Team Name', { required: true }),
      active: boolean('Active', { default: true }),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access: assets,
  });
  db.define({
    name: 'maintenance.stage',
    description: 'Maintenance Stage',
    order: 'sequence, id',
    fields: {
      name: char('Name', { required: true }),
      sequence: integer('Sequence', { default: 20 }),
      done: boolean('Request Done'),
    },
    access: assets,
  });
  db.define({
    name: 'maintenance.equipment',
    description: 'Maintenance Equipment',
    thread: true,
    fields: {
      name: char('Equipment Name', { required: true }),
      serial_no: char('Serial Number', { copy: false, index: true }),
      maintenance_team_id: many2one('maintenance.team', 'Maintenance Team'),
      location: char('Location'),
      active: boolean('Active', { default: true }),
      maintenance_ids: one2many('maintenance.request', 'equipment_id', 'Requests'),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    access: assets,
    displayName: (_env, row) =>
      row.serial_no === null ? text(row, 'name') : `${text(row, 'name')}/${text(row, 'serial_no')}`,
    prepare: (env, row) =>
      unique(env, row, 'maintenance.equipment', 'serial_no', 'Another asset already exists with this serial number!'),
  });
  db.define({
    name: 'maintenance.request',
    description: 'Maintenance Request',
    order: 'id desc',
    thread: true,
    fields: {
      name: char('Subjects', { required: true }),
      description: html('Description'),
      request_date: date('Request Date', { default: (env: Env) => env.now().slice(0, 10) }),
      schedule_date: datetime('Scheduled Date'),
      close_date: date('Close Date', { readonly: true }),
      maintenance_type: selection(
        'Maintenance Type',
        { corrective: 'Corrective', preventive: 'Preventive' },
        { default: 'corrective' },
      ),
      priority: selection('Priority', { '0': 'Very Low', '1': 'Low', '2': 'Normal', '3': 'High' }),
      stage_id: many2one('maintenance.stage', 'Stage', { default: (env: Env) => first(env, 'maintenance.stage') }),
      equipment_id: many2one('maintenance.equipment', 'Equipment', { ondelete: 'restrict' }),
      maintenance_team_id: many2one('maintenance.team', 'Team', {
        required: true,
        default: (env: Env) => first(env, 'maintenance.team'),
      }),
      owner_user_id: many2one('res.users', 'Created by User', { default: (env: Env) => env.uid, index: false }),
      user_id: many2one('res.users', 'Technician'),
      company_id: many2one('res.company', 'Company', { default: (env: Env) => env.company() }),
    },
    // Everybody asks for a repair.
    afterWrite: (env, rows) => {
      for (const row of rows) {
        const done = env.follow(row, 'stage_id')?.done === true;
        if (done !== (row.close_date !== null)) env.set(row, { close_date: done ? env.now().slice(0, 10) : null });
      }
    },
  });
}

const first = (env: Env, model: string): number | false => env.sudo().search(model, [])[0] ?? false;

function unique(env: Env, row: { id: number } & Record<string, unknown>, model: string, field: string, words: string) {
  const value = row[field] as string | null;
  if (value === null) return;
  for (const id of env.db.get(model).table.lookup(field, value) ?? []) if (id !== row.id) throw validationError(words);
}
