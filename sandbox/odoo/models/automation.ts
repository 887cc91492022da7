/**
 * Automations that post to an address (`base_automation`, "Send Webhook Notification"): unsigned, one second, no
 * second try. 19 posts after commit, before the reply; 18 inside the transaction, where a reader does not see the
 * record yet and a rollback does not call the post back.
 */
import { request } from 'node:http';
import { boolean, char, integer, many2many, many2one, type Row, selection } from '../fields.ts';
import { type Database, type Env, list, type Model, ref, text } from '../orm.ts';
import { toWire } from '../values.ts';
import { groups } from './base.ts';

type Event = 'create' | 'write' | 'unlink';

const triggers: Record<string, readonly Event[]> = {
  on_create: ['create'],
  on_create_or_write: ['create', 'write'],
  on_write: ['write'],
  on_unlink: ['unlink'],
};

/** Milliseconds a receiver has; Odoo's own limit. */
const patience = 1000;

export function defineAutomation(db: Database): void {
  const access = {
    read: [groups.system],
    write: [groups.system],
    create: [groups.system],
    unlink: [groups.system],
  };
  db.define({
    name: 'ir.model.fields',
    description: 'Fields',
    fields: {
      name: char('Field Name', { required: true, index: true }),
      model: char('Model Name', { index: true }),
      field_description: char('Field Label'),
      ttype: char('Field Type'),
    },
    access: { write: [groups.system], create: [groups.system], unlink: [groups.system] },
  });
  db.define({
    name: 'ir.actions.server',
    description: 'Server Actions',
    fields: {
      name: char('Action Name', { required: true }),
      state: selection('Type', { webhook: 'Send Webhook Notification' }, { default: 'webhook', required: true }),
      model_id: many2one('ir.model', 'Model', { required: true }),
      webhook_url: char('Webhook URL'),
      webhook_field_ids: many2many('ir.model.fields', 'Webhook Fields'),
      base_automation_id: many2one('base.automation', 'Automation Rule', { ondelete: 'cascade' }),
      sequence: integer('Sequence', { default: 5 }),
    },
    access,
  });
  db.define({
    name: 'base.automation',
    description: 'Automation Rule',
    fields: {
      name: char('Automation Rule Name', { required: true }),
      model_id: many2one('ir.model', 'Model', { required: true }),
      trigger: selection(
        'Trigger',
        {
          on_create: 'On create',
          on_create_or_write: 'On create and edit',
          on_write: 'On update',
          on_unlink: 'On deletion',
        },
        { required: true },
      ),
      trigger_field_ids: many2many('ir.model.fields', 'Trigger Fields'),
      active: boolean('Active', { default: true }),
      action_server_ids: {
        type: 'one2many',
        string: 'Actions',
        relation: 'ir.actions.server',
        inverse: 'base_automation_id',
      },
    },
    access,
  });
  db.observers.push((env, model, rows, event, changed) => {
    const rules = db.get('base.automation').table.rows;
    if (rules.size === 0) return;
    for (const rule of rules.values()) {
      if (rule.active && concerns(env, rule, model, event, changed))
        notify(env, rule, model, rows, fanOut(env, rule, event));
    }
  });
}

function concerns(env: Env, rule: Row, model: Model, event: Event, changed: ReadonlySet<string>): boolean {
  if (env.follow(rule, 'model_id')?.model !== model.name) return false;
  if (!triggers[text(rule, 'trigger')]?.includes(event)) return false;
  const watched = list(rule, 'trigger_field_ids').map((id) => text(env.row('ir.model.fields', id)!, 'name'));
  return event !== 'write' || watched.length === 0 || watched.some((name) => changed.has(name));
}

/**
 * Identical posts for one created record: "on create and edit" without watched fields also sees the writes with which
 * Odoo computes the new record (12 on a 19, 13 on an 18, measured on res.partner).
 */
function fanOut(env: Env, rule: Row, event: Event): number {
  const unwatched = list(rule, 'trigger_field_ids').length === 0;
  return event === 'create' && rule.trigger === 'on_create_or_write' && unwatched ? env.profile.webhookFanOut : 1;
}

function notify(env: Env, rule: Row, model: Model, rows: Row[], times: number): void {
  for (const action of env.sudo().lines(rule, 'action_server_ids')) {
    const url = text(action, 'webhook_url');
    for (const row of url === '' ? [] : rows) {
      const body = payload(env, action, model, row);
      const send = () => env.db.outbound(() => post(url, body));
      for (let i = 0; i < times; i++) {
        if (env.profile.webhookAfterCommit) env.tx.afterCommit.push(send);
        else send();
      }
    }
  }
}

/** Sorted keys; many2one as id, null as false, and datetimes with their microseconds, unlike the API. */
function payload(env: Env, action: Row, model: Model, row: Row): string {
  const values: Record<string, unknown> = {
    _action: `${text(action, 'name')}(#${action.id})`,
    _id: row.id,
    _model: model.name,
    id: row.id,
  };
  for (const id of list(action, 'webhook_field_ids')) {
    const name = text(env.row('ir.model.fields', id)!, 'name');
    const field = model.fields[name];
    if (!field) continue;
    const value = env.value(model.name, row, name);
    if (field.type === 'many2one') values[name] = ref(row, name) ?? false;
    else if (field.type === 'datetime') values[name] = value ?? false;
    else values[name] = toWire(field.type, value);
  }
  const sorted = Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
  return JSON.stringify(sorted);
}

/** Resolves when answered, given up or failed: Odoo writes a log line and goes on. */
function post(url: string, body: string): Promise<void> {
  return new Promise((resolve) => {
    let outgoing: ReturnType<typeof request>;
    try {
      outgoing = request(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'python-requests/2.31.0',
          'content-length': Buffer.byteLength(body),
        },
        signal: AbortSignal.timeout(patience),
      });
    } catch {
      resolve();
      return;
    }
    outgoing.on('response', (response) => {
      response.resume();
      response.on('end', () => resolve());
      response.on('error', () => resolve());
    });
    outgoing.on('error', () => resolve());
    outgoing.end(body);
  });
}
