/** The data a fresh sandbox starts with: enough for the procurement flow, the same ids every time. */
import { groups } from './models/base.ts';
import { applyCount } from './models/inventory.ts';
import type { Env, Values } from './orm.ts';

/** A body of digits with its GS1 check digit (mod 10, weights 3 and 1 from the right). */
export function withCheckDigit(body: string): string {
  const total = body
    .split('')
    .reverse()
    .reduce((acc, digit, i) => acc + Number(digit) * (i % 2 === 0 ? 3 : 1), 0);
  return body + String((10 - (total % 10)) % 10);
}

export const suppliers = [
  { ref: 'ACME', name: 'ACME Medical Supplies', gln: withCheckDigit('400000100001'), country: 'DE', city: 'Hamburg' },
  { ref: 'NORDIC', name: 'Nordic Care Products', gln: withCheckDigit('735000200002'), country: 'SE', city: 'Malmö' },
  { ref: 'PHARMA1', name: 'Pharma One Wholesale', gln: withCheckDigit('871000300003'), country: 'NL', city: 'Utrecht' },
  {
    ref: 'STERILE',
    name: 'Sterile Goods International',
    gln: withCheckDigit('541000400004'),
    country: 'BE',
    city: 'Gent',
  },
] as const;

/** Archived: nothing is bought here any more, and a bill that comes all the same is held. */
export const blockedSupplier = 'LAPSED';

/** `code`: the UN/ECE Recommendation 20 or 21 code that partners write for the unit. */
export const units = [
  { name: 'Units', code: 'EA', factor: 1 },
  { name: 'Box of 10', code: 'BX', factor: 10 },
  { name: 'Box of 100', code: 'BX/100', factor: 100 },
  { name: 'Pack of 6', code: 'PK', factor: 6 },
  { name: 'Dozens', code: 'DZN', factor: 12 },
  { name: 'Carton of 1000', code: 'CT', factor: 1000 },
  { name: 'kg', code: 'KGM', factor: 1 },
  { name: 'g', code: 'GRM', factor: 0.001 },
  { name: 'L', code: 'LTR', factor: 1 },
  { name: 'm', code: 'MTR', factor: 1 },
  { name: 'Hours', code: 'HUR', factor: 1 },
] as const;

export const products = [
  { sku: 'GLOVE-M', name: 'Nitrile gloves, medium', price: '4.20', unit: 'Units', tracking: 'none' },
  { sku: 'GLOVE-L', name: 'Nitrile gloves, large', price: '4.20', unit: 'Units', tracking: 'none' },
  { sku: 'SYR-10', name: 'Syringe 10 ml, sterile', price: '0.12', unit: 'Units', tracking: 'none' },
  { sku: 'SYR-20', name: 'Syringe 20 ml, sterile', price: '0.19', unit: 'Units', tracking: 'none' },
  { sku: 'NEEDLE-21G', name: 'Needle 21G x 40 mm', price: '0.04', unit: 'Units', tracking: 'none' },
  { sku: 'MASK-FFP2', name: 'Respirator FFP2', price: '0.65', unit: 'Units', tracking: 'none' },
  { sku: 'GAUZE-10', name: 'Gauze swab 10 x 10 cm', price: '0.08', unit: 'Units', tracking: 'none' },
  { sku: 'IVSET-1', name: 'Infusion set', price: '1.35', unit: 'Units', tracking: 'none' },
  { sku: 'CATH-18', name: 'Catheter CH 18', price: '3.10', unit: 'Units', tracking: 'none' },
  { sku: 'SALINE-500', name: 'Sodium chloride 0.9 %, 500 ml', price: '1.08', unit: 'Units', tracking: 'lot' },
  { sku: 'STENT-35', name: 'Coronary stent 3.5 mm', price: '820.00', unit: 'Units', tracking: 'serial' },
  { sku: 'DISINF-1L', name: 'Hand disinfectant 1 l', price: '5.95', unit: 'Units', tracking: 'none' },
  { sku: 'SVC-CALIB', name: 'Calibration service, hour', price: '95.00', unit: 'Units', tracking: 'none' },
  { sku: 'MORPH-10', name: 'Morphine 10 mg/ml, ampoule', price: '1.90', unit: 'Units', tracking: 'lot' },
] as const;

/** What a hospital bills; no supplier sells it. */
export const services = [
  { sku: 'SVC-VISIT', name: 'Consultation, 30 minutes', price: '120.00' },
  { sku: 'SVC-XRAY', name: 'Chest X-ray, two views', price: '90.00' },
  { sku: 'SVC-PHYSIO', name: 'Physiotherapy, 45 minutes', price: '60.00' },
] as const;

export const apiKeys = {
  /** The integration's own user: purchasing, stock, accounting, sales. */
  bot: 'sandbox-key',
  /** The bot's former key, expired in 2020. */
  expired: 'sandbox-key-expired',
  /** A user who may read contacts and products, and nothing of purchasing. */
  clerk: 'sandbox-key-clerk',
  /** The bot's key whose scope is neither empty nor `rpc`. */
  wrongScope: 'sandbox-key-wrong-scope',
  /** Settings rights, for set-up and verification. */
  admin: 'sandbox-key-admin',
} as const;

export function seed(env: Env): void {
  const { profile } = env;
  const named = (module: string, name: string, model: string, id: number): number => {
    env.create('ir.model.data', { module, name, model, res_id: id, noupdate: true });
    return id;
  };
  const make = (externalId: string, model: string, values: Values): number => {
    const [module = '', name = ''] = externalId.split('.');
    return named(module, name, model, env.create(model, values));
  };

  const euro = make('base.EUR', 'res.currency', { name: 'EUR', symbol: '€' });
  make('base.USD', 'res.currency', { name: 'USD', symbol: '$' });
  make('base.SEK', 'res.currency', { name: 'SEK', symbol: 'kr' });
  make('base.JPY', 'res.currency', { name: 'JPY', symbol: '¥', rounding: 1, decimal_places: 0 });
  for (const [code, name, active] of [
    ['en_US', 'English (US)', true],
    ['fr_FR', 'French / Français', true],
    ['de_DE', 'German / Deutsch', false],
  ] as const) {
    make(`base.lang_${code.slice(0, 2)}`, 'res.lang', { name, code, active });
  }
  const country: Record<string, number> = {};
  for (const [code, name] of [
    ['BE', 'Belgium'],
    ['DE', 'Germany'],
    ['FR', 'France'],
    ['NL', 'Netherlands'],
    ['SE', 'Sweden'],
    ['US', 'United States'],
  ] as const) {
    country[code] = make(`base.${code.toLowerCase()}`, 'res.country', { name, code });
  }

  const companies = ['Sandbox General Hospital', 'Sandbox Clinic North', 'Sandbox Laboratory'].map((name, i) => {
    const partner = env.create('res.partner', {
      name,
      is_company: true,
      ref: `SITE-${i + 1}`,
      global_location_number: withCheckDigit(`40000090000${i + 1}`),
    });
    return make(i === 0 ? 'base.main_company' : `sandbox.company_${i + 1}`, 'res.company', {
      name,
      partner_id: partner,
      currency_id: euro,
      // The books of the year before last are closed.
      fiscalyear_lock_date: `${new Date().getUTCFullYear() - 2}-12-31`,
    });
  });

  const groupIds = Object.fromEntries(
    Object.values(groups).map((code) => [code, make(code, 'res.groups', { name: code, code })]),
  );
  const user = (externalId: string, login: string, name: string, codes: readonly string[], allowed: number[]): number =>
    make(externalId, 'res.users', {
      name,
      login,
      password: `${login}-password`,
      partner_id: env.create('res.partner', { name, email: `${login}@sandbox.example` }),
      company_id: companies[0],
      company_ids: [[6, 0, allowed]],
      [profile.userGroups]: [[6, 0, codes.map((code) => groupIds[code])]],
      tz: 'Europe/Brussels',
    });
  const ordinary = Object.values(groups).filter((code) => code !== groups.system);
  const root = user('base.user_root', '__system__', 'OdooBot', [], companies.slice(0, 1));
  env.write('res.users', [root], { active: false, password: false });
  const admin = user('base.user_admin', 'admin', 'Administrator', Object.values(groups), companies);
  const bot = user('sandbox.user_bot', 'bot', 'Integration Bot', ordinary, companies.slice(0, 2));
  const clerk = user('sandbox.user_clerk', 'clerk', 'Ward Clerk', [groups.user], companies.slice(0, 1));
  const inNinetyDays = new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10);
  const key = (name: string, value: string, owner: number, rest: Values = {}) =>
    env.create('res.users.apikeys', { name, key: value, user_id: owner, scope: 'rpc', ...rest });
  key('integration', apiKeys.bot, bot, { expiration_date: `${inNinetyDays} 00:00:00` });
  key('integration, former', apiKeys.expired, bot, { expiration_date: '2020-01-01 00:00:00' });
  key('clerk', apiKeys.clerk, clerk, { expiration_date: `${inNinetyDays} 00:00:00` });
  key('other purpose', apiKeys.wrongScope, bot, { scope: 'mail' });
  key('administration', apiKeys.admin, admin);

  const unit: Record<string, number> = {};
  const unitNames = ['uom.product_uom_unit', 'sandbox.uom_box_10', 'sandbox.uom_box_100', 'uom.product_uom_pack_6'];
  for (const [i, { name, factor }] of units.entries()) {
    const externalId = unitNames[i] ?? `sandbox.uom_${name.toLowerCase().replace(/\W+/g, '_')}`;
    unit[name] = make(externalId, 'uom.uom', {
      name,
      factor,
      ...(i > 0 && i < 6 ? { relative_uom_id: unit.Units } : {}),
    });
  }

  const tax = make('sandbox.tax_purchase_20', 'account.tax', {
    name: '20% Purchase',
    amount: 20,
    type_tax_use: 'purchase',
    company_id: companies[0],
  });
  make('sandbox.tax_sale_20', 'account.tax', {
    name: '20% Sale',
    amount: 20,
    type_tax_use: 'sale',
    company_id: companies[0],
  });

  const accounts: Record<string, number> = {};
  for (const [code, name, type] of [
    ['600000', 'Purchases', 'expense'],
    ['700000', 'Sales', 'income'],
    ['440000', 'Suppliers', 'liability_payable'],
    ['400000', 'Customers', 'asset_receivable'],
    ['411000', 'VAT', 'tax'],
    ['101402', 'Outstanding Receipts', 'asset_current'],
  ] as const) {
    accounts[code] = env.create('account.account', { code, name, account_type: type });
  }
  for (const [code, name, type] of [
    ['BILL', 'Vendor Bills', 'purchase'],
    ['INV', 'Customer Invoices', 'sale'],
    ['BNK1', 'Bank', 'bank'],
    ['MISC', 'Miscellaneous Operations', 'general'],
  ] as const) {
    const journal = env.create('account.journal', { code, name, type });
    for (const payment_type of type === 'bank' ? ['inbound', 'outbound'] : []) {
      const payment_account_id = accounts['101402']!;
      env.create('account.payment.method.line', {
        name: 'Manual',
        payment_type,
        payment_account_id,
        journal_id: journal,
      });
    }
  }

  const vendor: Record<string, number> = {};
  for (const { ref, name, gln, country: code, city } of suppliers) {
    vendor[ref] = make(`sandbox.supplier_${ref.toLowerCase()}`, 'res.partner', {
      name,
      ref,
      global_location_number: gln,
      is_company: true,
      supplier_rank: 1,
      country_id: country[code],
      city,
      email: `orders@${ref.toLowerCase()}.example`,
    });
  }
  make('sandbox.supplier_lapsed', 'res.partner', {
    name: 'Lapsed Medical Trading',
    ref: blockedSupplier,
    is_company: true,
    supplier_rank: 1,
    active: false,
  });
  make('sandbox.customer_ward', 'res.partner', {
    name: 'Ward 3 East',
    ref: 'WARD-3E',
    customer_rank: 1,
    is_company: true,
  });

  const places = (name: string, usage: string, parent?: number, company?: number): number =>
    env.create('stock.location', {
      name,
      usage,
      location_id: parent ?? false,
      company_id: company ?? false,
      ...(usage === 'internal' && company ? { barcode: `LOC-${company}-${name.toUpperCase()}` } : {}),
    });
  const partners = places('Partners', 'view');
  const vendors = named('stock', 'stock_location_suppliers', 'stock.location', places('Vendors', 'supplier', partners));
  const customers = named(
    'stock',
    'stock_location_customers',
    'stock.location',
    places('Customers', 'customer', partners),
  );
  for (const [i, company] of companies.entries()) {
    const code = ['WH', 'NORTH', 'LAB'][i]!;
    const view = places(code, 'view', undefined, company);
    const stock = places('Stock', 'internal', view, company);
    const warehouse = env.create('stock.warehouse', {
      name: `${['Central', 'North', 'Laboratory'][i]} Warehouse`,
      code,
      lot_stock_id: stock,
      company_id: company,
    });
    if (i === 0) {
      named('stock', 'stock_location_stock', 'stock.location', stock);
      named('stock', 'warehouse0', 'stock.warehouse', warehouse);
    }
    for (const [name, kind, prefix, from, to] of [
      ['Receipts', 'incoming', 'IN', vendors, stock],
      ['Delivery Orders', 'outgoing', 'OUT', stock, customers],
      ['Internal Transfers', 'internal', 'INT', stock, stock],
    ] as const) {
      const type = env.create('stock.picking.type', {
        name,
        code: kind,
        sequence_code: prefix,
        warehouse_id: warehouse,
        default_location_src_id: from,
        default_location_dest_id: to,
        company_id: company,
      });
      // Odoo's own name of the third.
      if (i === 0)
        named('stock', `picking_type_${kind === 'internal' ? kind : prefix.toLowerCase()}`, 'stock.picking.type', type);
    }
    if (i === 0) {
      for (const ward of ['Ward 3 East', 'Operating Theatre']) places(ward, 'internal', stock, company);
    }
  }

  const virtual = places('Virtual Locations', 'view');
  places('Inventory adjustment', 'inventory', virtual);
  places('Scrap', 'inventory', virtual);
  env.write('stock.location', [places('Consumption', 'inventory', virtual)], { barcode: 'CONSUMED' });
  const quarantine = env.search('stock.location', [['complete_name', '=', 'WH']])[0];
  env.write('stock.location', [places('Quarantine', 'internal', quarantine)], { barcode: 'LOC-1-QUARANTINE' });

  const all = make('product.product_category_all', 'product.category', { name: 'All' });
  const medicines = make('sandbox.category_medicines', 'product.category', { name: 'Medicines', parent_id: all });
  const controlled = make('sandbox.category_controlled', 'product.category', {
    name: 'Controlled',
    parent_id: medicines,
  });
  const category: Record<string, number> = { 'SALINE-500': medicines, 'MORPH-10': controlled };
  for (const [i, { sku, name, price, unit: base, tracking }] of products.entries()) {
    const service = sku.startsWith('SVC');
    const template = make(`sandbox.product_${sku.toLowerCase().replace(/\W/g, '_')}`, 'product.template', {
      name,
      default_code: sku,
      barcode: withCheckDigit(`1400000${String(100_000 + i * 37)}`),
      type: service ? 'service' : profile.storable === 'type' ? 'product' : 'consu',
      ...(service || profile.storable === 'type' ? {} : { is_storable: true }),
      tracking,
      categ_id: category[sku] ?? all,
      uom_id: unit[base],
      ...(profile.version === '19' ? {} : { uom_po_id: unit[base] }),
      standard_price: price,
      list_price: String(Math.round(Number(price) * 150) / 100),
      purchase_method: service ? 'purchase' : 'receive',
      ...(service ? { supplier_taxes_id: [[6, 0, [tax]]] } : {}),
    });
    const codes = i % 2 === 0 ? ['ACME', 'NORDIC'] : i % 3 === 0 ? ['PHARMA1', 'ACME'] : ['NORDIC', 'STERILE'];
    for (const code of codes) {
      env.create('product.supplierinfo', {
        partner_id: vendor[code],
        product_tmpl_id: template,
        product_code: `${code.slice(0, 2)}-${1000 + i}`,
        price,
        currency_id: euro,
        delay: 3,
      });
    }
  }
  wards(env, unit, make);
  facilities(make);
  for (const { sku, name, price } of services) {
    make(`sandbox.product_${sku.toLowerCase().replace(/\W/g, '_')}`, 'product.template', {
      name,
      default_code: sku,
      type: 'service',
      uom_id: unit.Units,
      ...(profile.version === '19' ? {} : { uom_po_id: unit.Units }),
      list_price: price,
      purchase_ok: false,
    });
  }
  if (profile.version !== '17') {
    const gloves = env.search('product.product', [['default_code', '=', 'GLOVE-L']])[0];
    make('sandbox.blanket_gloves', 'purchase.requisition', {
      name: 'BO-GLOVES',
      vendor_id: vendor.NORDIC,
      date_start: '2026-01-01',
      date_end: '2030-12-31',
      line_ids: [[0, 0, { product_id: gloves, product_qty: 100_000, price_unit: '3.95' }]],
      state: 'confirmed',
    });
  }
  for (const name of env.db.models.keys()) {
    const model = env.db.get(name);
    env.create('ir.model', { name: model.description, model: name, transient: model.transient ?? false });
    for (const [field, { type, string, hidden }] of Object.entries(model.fields)) {
      if (!hidden) env.create('ir.model.fields', { name: field, model: name, field_description: string, ttype: type });
    }
  }
}

/** Two departments with a head and a member, and a pump that the biomedical team looks after. */
function facilities(make: (id: string, model: string, values: Values) => number): void {
  const departments = ['Purchasing', 'Ward 3 East'].map((name) =>
    make(`sandbox.department_${name.toLowerCase().replaceAll(' ', '_')}`, 'hr.department', { name }),
  );
  const head = { name: 'Robin de Vries', barcode: 'E0001', job_title: 'Head of purchasing' };
  const robin = make('sandbox.employee_e0001', 'hr.employee', { ...head, department_id: departments[0] });
  make('sandbox.employee_e0002', 'hr.employee', {
    name: 'Sam Peeters',
    barcode: 'E0002',
    job_title: 'Nurse',
    work_email: 's.peeters@sandbox.example',
    department_id: departments[1],
    parent_id: robin,
  });
  for (const [sequence, name] of ['New Request', 'In Progress', 'Repaired', 'Scrap'].entries()) {
    make(`maintenance.stage_${sequence}`, 'maintenance.stage', { name, sequence: sequence + 1, done: sequence > 1 });
  }
  const team = make('sandbox.team_biomedical', 'maintenance.team', { name: 'Biomedical' });
  make('sandbox.pump_0042', 'maintenance.equipment', {
    name: 'Infusion pump',
    serial_no: 'PUMP-0042',
    maintenance_team_id: team,
  });
}

/** Stock, lots and reordering rules of the central store and a ward: what the inventory flow starts with. */
function wards(
  env: Env,
  unit: Record<string, number>,
  make: (id: string, model: string, values: Values) => number,
): void {
  const one = (model: string, field: string, value: string): number => env.search(model, [[field, '=', value]])[0]!;
  const at = (barcode: string): number => one('stock.location', 'barcode', barcode);
  const product = (sku: string): number => one('product.product', 'default_code', sku);
  const lot = (name: string, sku: string, expires: string): number =>
    make(`sandbox.lot_${name.toLowerCase().replace(/\W/g, '_')}`, 'stock.lot', {
      name,
      product_id: product(sku),
      expiration_date: `${expires} 00:00:00`,
    });
  const lots = {
    'SAL-2601': lot('SAL-2601', 'SALINE-500', '2028-06-30'),
    'SAL-2401': lot('SAL-2401', 'SALINE-500', '2024-12-31'),
    'MOR-2607': lot('MOR-2607', 'MORPH-10', '2028-01-31'),
  };
  const ward = 'LOC-1-WARD 3 EAST';
  const theatre = 'LOC-1-OPERATING THEATRE';
  for (const [sku, place, quantity, name] of [
    ['GLOVE-M', 'LOC-1-STOCK', 400, undefined],
    ['GLOVE-M', ward, 12, undefined],
    ['SYR-10', 'LOC-1-STOCK', 30, undefined],
    ['CATH-18', 'LOC-1-STOCK', 300, undefined],
    ['SALINE-500', 'LOC-1-STOCK', 240, 'SAL-2601'],
    ['SALINE-500', ward, 24, 'SAL-2601'],
    ['SALINE-500', theatre, 10, 'SAL-2601'],
    ['SALINE-500', ward, 3, 'SAL-2401'],
    ['MORPH-10', 'LOC-1-STOCK', 200, 'MOR-2607'],
    ['MORPH-10', ward, 8, 'MOR-2607'],
    ['SYR-20', 'LOC-1-STOCK', 500, undefined],
    ['SYR-20', theatre, 60, undefined],
    // Somebody took more than was ever booked in.
    ['DISINF-1L', theatre, -3, undefined],
  ] as const) {
    env.create('stock.quant', {
      product_id: product(sku),
      location_id: at(place),
      lot_id: name === undefined ? false : lots[name],
      quantity,
    });
  }
  // Counted on the day the sandbox began: what happened before is in the count.
  const syringes = { product_id: product('SYR-10'), location_id: at(ward), inventory_quantity: 80 };
  applyCount(env, env.one('stock.quant', env.create('stock.quant', syringes)));
  // The hospital packs it itself: nobody sells it.
  make('sandbox.product_dress_kit', 'product.template', {
    name: 'Dressing kit, made in house',
    default_code: 'DRESS-KIT',
    ...(env.profile.storable === 'type' ? { type: 'product' } : { type: 'consu', is_storable: true }),
    uom_id: unit.Units,
    ...(env.profile.version === '19' ? {} : { uom_po_id: unit.Units }),
    standard_price: '3.50',
  });
  for (const [sku, minimum, maximum, pack, place = ward] of [
    ['GLOVE-M', 20, 100, 'Box of 10'],
    ['SYR-10', 100, 600, 'Box of 100'],
    ['CATH-18', 50, 250, 'Box of 10'],
    ['SALINE-500', 20, 60, 'Pack of 6'],
    ['MORPH-10', 10, 40, 'Box of 10'],
    ['SYR-20', 40, 120, 'Box of 10', theatre],
    ['DISINF-1L', 2, 6, 'Units', theatre],
    ['DRESS-KIT', 5, 20, 'Units', theatre],
  ] as const) {
    const multiple = env.one('uom.uom', unit[pack]!).factor as number;
    const shelf = `${place === ward ? 'ward_3_east' : 'operating_theatre'}_${sku.toLowerCase().replace(/\W/g, '_')}`;
    make(`sandbox.orderpoint_${shelf}`, 'stock.warehouse.orderpoint', {
      product_id: product(sku),
      location_id: at(place),
      product_min_qty: minimum,
      product_max_qty: maximum,
      ...(env.profile.version === '19' ? { replenishment_uom_id: unit[pack] } : { qty_multiple: multiple }),
    });
  }
}
