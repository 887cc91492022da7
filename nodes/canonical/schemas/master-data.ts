/** Who, what and where: partners, products, places, people. */
import { active, address, code, contact, currency, money, quantity, ref } from './common.ts';
import { entity } from './entity.ts';
import {
  boolean,
  date,
  decimal,
  format,
  instant,
  integer,
  list,
  object,
  openList,
  pattern,
  text,
} from './vocabulary.ts';

/** FHIR Organization, UBL Party, X12 N1, Odoo res.partner. */
export const supplier = entity(
  'supplier',
  {
    version: '1.0.0',
    title: 'Supplier',
    description: 'An organisation the hospital deals with: supplier, manufacturer, payer, carrier.',
    businessKey: ['code'],
  },
  {
    'code!': text('I', 'Our code of the organisation.', 64),
    'name!': text('I', 'Name in use.', 256),
    legalName: text('I', 'Registered name.', 256),
    active: active(),
    roles: list(
      openList('I', 'A role it has.', ['supplier', 'manufacturer', 'payer', 'carrier', 'customer']),
      'Its roles.',
      10,
    ),
    vat: text('I', 'VAT registration number with country prefix.', 32),
    gln: format('I', 'Global Location Number.', 'gln'),
    companyRegistry: text('I', 'Company registration number.', 64),
    addresses: list(address('I', 'An address.'), 'Its addresses; the first is the main one.', 50),
    phone: text('I', 'Switchboard.', 64),
    email: format('I', 'General address.', 'email'),
    website: text('P', 'Home page.', 256),
    contacts: list(contact('A contact.'), 'People to talk to.', 100),
    currency: currency('C', 'Currency it bills in.'),
    paymentTerms: text('C', 'Payment terms.', 128),
    incoterm: pattern('C', 'Incoterms 2020 rule.', '^[A-Z]{3}$'),
    leadTimeDays: integer('C', 'Usual days from order to delivery.', 0, 3650),
    bankAccounts: list(
      object('Where it is paid.', {
        'iban!': pattern('C', 'IBAN, or the local account number.', '^[A-Z0-9]{4,34}$'),
        bic: pattern('C', 'BIC of the bank.', '^[A-Z0-9]{8}([A-Z0-9]{3})?$'),
        holder: text('C', 'Name on the account.', 256),
        verifiedAt: instant('C', 'When the account was verified by call-back.'),
        verifiedBy: text('N', 'Who verified it.', 128),
      }),
      'Bank accounts.',
      20,
    ),
    onboarding: object('Where its admission stands.', {
      state: openList('C', 'State.', ['requested', 'in-review', 'approved', 'suspended', 'offboarded']),
      risk: openList('C', 'Risk class.', ['low', 'medium', 'high']),
      sanctionCheckAt: instant('C', 'Last check against sanction lists.'),
    }),
  },
);

const pack = object('A package the product is traded in.', {
  'code!': text('I', 'UN/ECE Rec 20/21 code, e.g. `BX`.', 8),
  'perBase!': decimal('I', 'Base units in one package.'),
  gtin: format('I', 'GTIN-14 of the package.', 'gtin14'),
});

/** FHIR Device/Medication, UBL Item, X12 PO1/LIN, HL7 ITM, Odoo product.product. */
export const product = entity(
  'product',
  {
    version: '1.0.0',
    title: 'Product',
    description: 'Something the hospital buys, stores or uses.',
    businessKey: ['sku'],
  },
  {
    'sku!': text('I', 'Our item code.', 64),
    'name!': text('P', 'Name.', 256),
    description: text('P', 'Description for purchasing.', 4000),
    active: active(),
    gtin: format('I', 'GTIN-14 of the base unit.', 'gtin14'),
    kind: openList('I', 'Kind of product.', ['goods', 'drug', 'device', 'kit', 'service']),
    stocked: boolean('I', 'Quantities are kept.'),
    classifications: list(code('P', 'A class of it.'), 'UNSPSC, GMDN, CPV classes.', 20),
    category: text('I', 'Category in the ERP.', 256),
    tracking: openList('I', 'How single pieces are told apart.', ['none', 'lot', 'serial']),
    expires: boolean('I', 'Has a last day of use.'),
    coldChain: boolean('I', 'Must be kept cold.'),
    implant: boolean('I', 'Stays in the patient.'),
    hazard: text('P', 'Hazard class.', 64),
    recalled: boolean('I', 'Under recall.'),
    manufacturer: ref('I', 'supplier', 'Who makes it.'),
    'baseUnit!': text('I', 'UCUM unit that stock is kept in.', 32),
    packs: list(pack, 'Packages, smallest first.', 20),
    cost: money('C', 'Standard cost of a base unit.'),
    prices: list(
      object('A price of a supplier.', {
        'supplier!': ref('I', 'supplier', 'Whose price.'),
        supplierSku: text('I', "The supplier's item code.", 64),
        'price!': money('C', 'Price of one unit.'),
        minimum: quantity('C', 'From this quantity on.'),
        validFrom: date('C', 'First day.'),
        validTo: date('C', 'Last day.'),
        contract: ref('C', 'contract', 'Contract it comes from.'),
      }),
      'Prices.',
      200,
    ),
  },
);

/** FHIR Location, UBL DeliveryLocation, Odoo stock.location and stock.warehouse. */
export const location = entity(
  'location',
  {
    version: '1.0.0',
    title: 'Location',
    description: 'A site, store, ward or dock.',
    businessKey: ['code'],
  },
  {
    'code!': text('I', 'Site, store or location code.', 64),
    'name!': text('I', 'Name.', 256),
    type: openList('I', 'Kind of place.', ['site', 'store', 'ward', 'dock', 'supplier', 'customer', 'virtual']),
    active: active(),
    gln: format('I', 'Global Location Number.', 'gln'),
    barcode: text('I', 'Label on the place.', 64),
    parent: ref('I', 'location', 'The place it is in.'),
    address: address('I', 'Where it is.'),
    costCentre: text('I', 'Cost centre it belongs to.', 64),
  },
);

/** FHIR Practitioner and PractitionerRole, HL7 STF/PRA, Odoo hr.employee. */
export const employee = entity(
  'employee',
  {
    version: '1.0.0',
    title: 'Employee',
    description: 'Somebody who works for the hospital.',
    businessKey: ['number'],
    identifiers: 'N',
  },
  {
    'number!': text('N', 'Employee number.', 64),
    'name!': text('N', 'Name.', 256),
    active: { ...active(), 'x-sensitivity': 'N' },
    workEmail: format('N', 'E-mail at work.', 'email'),
    phone: text('N', 'Telephone at work.', 64),
    jobTitle: text('N', 'Job title.', 128),
    roles: list(text('N', 'A role.', 64), 'Roles.', 50),
    department: text('N', 'Department.', 128),
    manager: ref('N', 'employee', 'Line manager.'),
    location: ref('N', 'location', 'Where they work.'),
    credentials: list(
      object('A licence or certificate.', {
        'type!': text('N', 'Kind.', 64),
        number: text('N', 'Number.', 64),
        validTo: date('N', 'Last day it is valid.'),
      }),
      'Licences and certificates.',
      50,
    ),
  },
);
