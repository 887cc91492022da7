/** Users, companies, partners, currencies, groups, API keys, external ids, attachments, messages, sequences. */
import { createHash } from 'node:crypto';
import { validationError, valueError } from '../errors.ts';
import {
  binary,
  boolean,
  char,
  date,
  datetime,
  float,
  html,
  integer,
  many2many,
  many2one,
  one2many,
  selection,
  text as textField,
} from '../fields.ts';
import { type Database, type Env, model, number, ref, text } from '../orm.ts';

/** Groups, under Odoo's external ids, as the access lists name them. */
export const groups = {
  user: 'base.group_user',
  system: 'base.group_system',
  partner: 'base.group_partner_manager',
  purchase: 'purchase.group_purchase_user',
  stock: 'stock.group_stock_user',
  account: 'account.group_account_invoice',
  sales: 'sales_team.group_sale_salesman',
  hr: 'hr.group_hr_user',
  maintenance: 'maintenance.group_equipment_manager',
} as const;

const onlySystem = [groups.system];

/** Fields of a company up to which its books are closed, with Odoo's words for them. */
export function lockDates(version: string): Record<string, string> {
  const common = { fiscalyear_lock_date: 'Global Lock Date', tax_lock_date: 'Tax Return Lock Date' };
  if (version === '17') return { ...common, period_lock_date: 'Journals Entries Lock Date' };
  return {
    ...common,
    sale_lock_date: 'Sales Lock date',
    purchase_lock_date: 'Purchase Lock date',
    hard_lock_date: 'Hard Lock Date',
  };
}

export function defineBase(db: Database): void {
  const { profile } = db;
  db.define({
    name: 'ir.model',
    description: 'Models',
    fields: { name: char('Model Description'), model: char('Model', { index: true }), transient: boolean('Transient') },
    access: { write: onlySystem, create: onlySystem, unlink: onlySystem },
  });
  db.define({
    name: 'ir.model.data',
    description: 'Model Data',
    recName: 'complete_name',
    fields: {
      module: char('Module', { required: true }),
      name: char('External Identifier', { required: true }),
      complete_name: char('Complete ID', { index: true }),
      model: char('Model Name', { required: true }),
      res_id: integer('Record ID'),
      noupdate: boolean('Non Updatable'),
      /** `model,id`: the way back from a record to its external id. */
      target: char('Target', { index: true }),
    },
    access: { read: onlySystem, write: onlySystem, create: onlySystem, unlink: onlySystem },
    prepare: (env, row) => {
      row.complete_name = `${text(row, 'module')}.${text(row, 'name')}`;
      row.target = `${text(row, 'model')},${number(row, 'res_id')}`;
      const taken = env.db.get('ir.model.data').table.lookup('complete_name', row.complete_name);
      if (taken && taken.size > 0) throw uniqueViolation('ir.model.data', 'ir_model_data_module_name_uniq_index');
    },
    methods: {
      check_object_reference: model(['module', 'xml_id', 'raise_on_access_error?'], (env, args) => {
        const name = `${String(args.module)}.${String(args.xml_id)}`;
        const [id] = env.db.get('ir.model.data').table.lookup('complete_name', name) ?? [];
        if (id === undefined) throw valueError(`External ID not found in the system: ${name}`);
        const row = env.row('ir.model.data', id)!;
        return [row.model, row.res_id];
      }),
    },
  });
  db.define({
    name: 'ir.sequence',
    description: 'Sequence',
    recName: 'code',
    fields: { code: char('Sequence Code', { index: true }), number_next: integer('Next Number', { default: 1 }) },
    access: { read: onlySystem, write: onlySystem, create: onlySystem, unlink: onlySystem },
  });
  db.define({
    name: 'ir.config_parameter',
    description: 'System Parameter',
    recName: 'key',
    fields: { key: char('Key', { required: true, index: true }), value: textField('Value', { required: true }) },
    access: { read: onlySystem, write: onlySystem, create: onlySystem, unlink: onlySystem },
  });
  db.define({
    name: 'ir.attachment',
    description: 'Attachment',
    order: 'id desc',
    fields: {
      name: char('Name', { required: true }),
      datas: binary('File Content (base64)'),
      mimetype: char('Mime Type', { default: 'application/octet-stream' }),
      res_model: char('Resource Model', { index: true }),
      res_id: integer('Resource ID'),
      type: selection('Type', { url: 'URL', binary: 'File' }, { default: 'binary', required: true }),
      file_size: integer('File Size', { readonly: true }),
      checksum: char('Checksum/SHA1', { readonly: true }),
      company_id: many2one('res.company', 'Company'),
    },
    prepare: (env, row) => {
      const owner = row.res_model as string | null;
      // Attaching needs the right to write on the document.
      if (owner && !env.su) env.check(env.db.get(owner), 'write');
      row.file_size = Math.floor((text(row, 'datas').replace(/=+$/, '').length * 3) / 4);
      row.checksum = createHash('sha1')
        .update(Buffer.from(text(row, 'datas'), 'base64'))
        .digest('hex');
    },
  });
  db.define({
    name: 'mail.message',
    description: 'Message',
    order: 'id desc',
    recName: 'subject',
    fields: {
      subject: char('Subject'),
      body: html('Contents'),
      date: datetime('Date', { default: (env: Env) => env.now() }),
      model: char('Related Document Model'),
      res_id: integer('Related Document ID', { index: true }),
      message_type: char('Type', { default: 'notification' }),
      author_id: many2one('res.partner', 'Author'),
      attachment_ids: many2many('ir.attachment', 'Attachments'),
    },
  });
  db.define({
    name: 'res.groups',
    description: 'Access Groups',
    fields: { name: char('Name', { required: true }), code: char('External ID', { index: true }) },
    access: { write: onlySystem, create: onlySystem, unlink: onlySystem },
  });
  db.define({
    name: 'res.lang',
    description: 'Languages',
    fields: {
      name: char('Name'),
      code: char('Locale Code', { index: true }),
      active: boolean('Active', { default: true }),
    },
    access: { write: onlySystem, create: onlySystem, unlink: onlySystem },
  });
  db.define({
    name: 'res.country',
    description: 'Country',
    order: 'name, id',
    fields: { name: char('Country Name', { required: true }), code: char('Country Code', { index: true }) },
  });
  db.define({
    name: 'res.currency',
    description: 'Currency',
    order: 'name, id',
    fields: {
      name: char('Currency', { required: true, index: true }),
      symbol: char('Symbol', { required: true }),
      rounding: float('Rounding Factor', { default: 0.01 }),
      decimal_places: integer('Decimal Places', { default: 2 }),
      active: boolean('Active', { default: true }),
    },
    access: { write: onlySystem, create: onlySystem, unlink: onlySystem },
  });
  db.define({
    name: 'res.company',
    description: 'Companies',
    fields: {
      name: char('Company Name', { required: true }),
      partner_id: many2one('res.partner', 'Partner'),
      currency_id: many2one('res.currency', 'Currency', { required: true }),
      has_received_warning_stock_sms: boolean('Warned about SMS'),
      ...Object.fromEntries(Object.entries(lockDates(db.profile.version)).map(([field, name]) => [field, date(name)])),
    },
    access: { write: onlySystem, create: onlySystem, unlink: onlySystem },
  });
  db.define({
    name: 'res.partner',
    description: 'Contact',
    order: 'name, id',
    thread: true,
    fields: {
      name: char('Name', { index: true }),
      ref: char('Reference', { index: true }),
      vat: char('Tax ID', { index: true }),
      company_registry: char('Company ID', { index: true }),
      global_location_number: char('GLN', { index: true }),
      active: boolean('Active', { default: true }),
      is_company: boolean('Is a Company'),
      company_type: selection(
        'Company Type',
        { person: 'Individual', company: 'Company' },
        { compute: (_env, row) => (row.is_company ? 'company' : 'person') },
      ),
      type: selection(
        'Address Type',
        { contact: 'Contact', invoice: 'Invoice Address', delivery: 'Delivery Address', other: 'Other Address' },
        { default: 'contact' },
      ),
      parent_id: many2one('res.partner', 'Related Company'),
      child_ids: one2many('res.partner', 'parent_id', 'Contact'),
      email: char('Email', { index: true }),
      phone: char('Phone'),
      ...(profile.partnerMobile ? { mobile: char('Mobile') } : {}),
      street: char('Street'),
      street2: char('Street2'),
      zip: char('Zip'),
      city: char('City'),
      country_id: many2one('res.country', 'Country'),
      lang: char('Language', { default: 'en_US' }),
      tz: char('Timezone'),
      comment: html('Notes'),
      date: date('Date'),
      color: integer('Color Index'),
      credit_limit: float('Credit Limit'),
      image_1920: binary('Image'),
      supplier_rank: integer('Supplier Rank'),
      customer_rank: integer('Customer Rank'),
      property_purchase_currency_id: many2one('res.currency', 'Supplier Currency'),
      category_id: many2many('res.partner.category', 'Tags'),
      company_id: many2one('res.company', 'Company'),
    },
    access: {
      write: [groups.partner, groups.purchase],
      create: [groups.partner, groups.purchase],
      unlink: [groups.partner],
    },
    displayName: (env, row) => {
      const parent = env.follow(row, 'parent_id');
      const name = text(row, 'name');
      return parent && !row.is_company ? `${text(parent, 'name')}, ${name}` : name;
    },
    prepare: (_env, row) => {
      if (row.name === null && row.type === 'contact') throw checkViolation('Contacts require a name');
    },
  });
  db.define({
    name: 'res.partner.category',
    description: 'Partner Tags',
    fields: { name: char('Name', { required: true }), color: integer('Color') },
  });
  db.define({
    name: 'res.users',
    description: 'User',
    order: 'name, login',
    fields: {
      name: char('Name', { required: true }),
      login: char('Login', { required: true, index: true }),
      password: char('Password', { hidden: true }),
      active: boolean('Active', { default: true }),
      partner_id: many2one('res.partner', 'Related Partner'),
      company_id: many2one('res.company', 'Company', { required: true }),
      company_ids: many2many('res.company', 'Companies'),
      [profile.userGroups]: many2many('res.groups', 'Groups'),
      lang: char('Language', { default: 'en_US' }),
      tz: char('Timezone'),
      api_key_ids: one2many('res.users.apikeys', 'user_id', 'API Keys'),
    },
    access: { write: onlySystem, create: onlySystem, unlink: onlySystem },
    methods: {
      context_get: model([], (env) => {
        const user = env.one('res.users', env.uid);
        return { lang: user.lang, tz: user.tz ?? false, uid: env.uid };
      }),
      has_group: {
        api: profile.version === '17' ? 'model' : 'records',
        params: ['group_ext_id'],
        run: (env, _ids, args) => env.groups.has(String(args.group_ext_id)),
      },
    },
  });
  db.define({
    name: 'res.users.apikeys',
    description: 'Users API Keys',
    fields: {
      name: char('Description', { required: true }),
      user_id: many2one('res.users', 'User'),
      scope: char('Scope'),
      /** The sandbox compares plain text; Odoo keeps an 8-character index and a PBKDF2 hash, and never shows either. */
      key: char('Key', { index: true, hidden: true }),
      expiration_date: datetime('Expiration Date'),
    },
    access: { create: onlySystem, write: onlySystem },
    rule: (env, row) => row.user_id === env.uid || env.groups.has(groups.system),
  });
}

export function uniqueViolation(name: string, constraint: string): Error {
  return validationError(`The operation cannot be completed: duplicate key value violates "${constraint}" (${name})`);
}

function checkViolation(message: string): Error {
  return validationError(`The operation cannot be completed: ${message}`);
}

/** The next number of a sequence, kept in a table so that a rollback and the journal both know it. */
export function nextNumber(env: Env, code: string): number {
  const root = env.sudo();
  const table = env.db.get('ir.sequence').table;
  const [id] = table.lookup('code', code) ?? [];
  if (id === undefined) {
    root.create('ir.sequence', { code, number_next: 2 });
    return 1;
  }
  const row = table.rows.get(id)!;
  const next = number(row, 'number_next');
  root.set(row, { number_next: next + 1 });
  return next;
}

/** Decimals of a document's currency. */
export function decimalsOf(env: Env, currency: number | null): number {
  const row = currency === null ? undefined : env.row('res.currency', currency);
  return row ? number(row, 'decimal_places') : 2;
}

export function companyCurrency(env: Env, company: number | null = null): number | null {
  const row = env.row('res.company', company ?? env.company());
  return row ? ref(row, 'currency_id') : null;
}
