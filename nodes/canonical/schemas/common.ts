/** Types that several entities share. Each is a definition of the `common` schema, once per sensitivity it is used at. */
import {
  boolean,
  date,
  decimal,
  extensions,
  format,
  instant,
  type JsonSchema,
  list,
  object,
  oneOf,
  openList,
  pattern,
  type Sensitivity,
  sensitivities,
  text,
} from './vocabulary.ts';

export const commonId = 'urn:healthflows:canonical:common:1.0.0';

const definitions: Record<string, JsonSchema> = {};

/** Defines a shared type on first use and returns a reference to it. */
function shared(name: string, make: () => JsonSchema): JsonSchema {
  definitions[name] ??= make();
  return { $ref: `${commonId}#/$defs/${name}` };
}

/**
 * Kinds of identifier. GS1 keys carry their check digit, which is verified. `CODE` is the party's, place's or asset's
 * code in the hospital's own ERP.
 */
export const identifierTypes = [
  'CODE', // our own code of a party, asset or account
  'GLN',
  'VAT',
  'DUNS',
  'HIN', // Health Industry Number
  'CRN', // company registration number
  'SITE', // site, store or warehouse code
  'SKU', // our item code
  'GTIN',
  'SUPPLIER-SKU',
  'MFR-PART',
  'UDI-DI',
  'NDC',
  'SSCC',
  'EMPLOYEE',
  'ORDER',
  'SUPPLIER-ORDER',
  'REQUISITION',
  'CONTRACT',
  'DESPATCH',
  'RECEIPT',
  'INVOICE',
  'PAYMENT',
  'CHARGE',
  'CLAIM',
  'ACCOUNT',
  'PSEUDONYM',
  'ASSET',
  'OTHER',
] as const;

export function identifier(sensitivity: Sensitivity): JsonSchema {
  return shared(`identifier${sensitivity}`, () =>
    object(
      'A name by which a system knows something.',
      {
        'type!': openList(sensitivity === 'H' ? 'I' : sensitivity, 'Kind of identifier.', identifierTypes),
        'value!': text(sensitivity, 'The identifier itself.', 128),
        system: text('I', 'URI of whose numbering it is, where the kind alone does not say.', 256),
        use: oneOf('I', 'Which one to prefer.', ['official', 'secondary', 'old']),
        validFrom: date('I', 'First day it is valid.'),
        validTo: date('I', 'Last day it is valid.'),
      },
      { 'x-check-digit': 'by-type' },
    ),
  );
}

export const identifiers = (sensitivity: Sensitivity): JsonSchema =>
  list(identifier(sensitivity), 'Every name by which systems know it.', 20);

/** A pointer to another entity, by canonical id or by any identifier of it. `entity` is documentation. */
export function ref(sensitivity: Sensitivity, entity: string, description: string): JsonSchema {
  const name = `ref${sensitivity}`;
  const pointer = shared(name, () =>
    object(
      'A pointer to another entity.',
      {
        id: pattern(sensitivity === 'H' ? 'H' : 'I', 'Canonical id of it.', '^[0-9a-f-]{36}$'),
        identifiers: { ...identifiers(sensitivity), minItems: 1 },
        name: text(sensitivity, 'Its name, for people.', 256),
      },
      {
        anyOf: [
          { properties: { id: true }, required: ['id'] },
          { properties: { identifiers: true }, required: ['identifiers'] },
        ],
      },
    ),
  );
  return { ...pointer, description, 'x-ref': entity };
}

export const money = (sensitivity: Sensitivity, description: string): JsonSchema => ({
  ...shared(`money${sensitivity}`, () =>
    object('An amount of money.', {
      'amount!': decimal(sensitivity, 'Decimal text; trailing zeros are kept.'),
      'currency!': currency('I', 'ISO 4217 code.'),
    }),
  ),
  description,
});

export const currency = (sensitivity: Sensitivity, description: string): JsonSchema =>
  format(sensitivity, description, 'currency');

/**
 * UCUM says that `{box}` and `{each}` are both 1, so its arithmetic makes a box equal to a piece. Quantities convert
 * only through `pack.perBase`; without it the factor is unknown, never 1.
 */
export const quantity = (sensitivity: Sensitivity, description: string): JsonSchema => ({
  ...shared(`quantity${sensitivity}`, () =>
    object('A quantity with its unit.', {
      'value!': decimal(sensitivity, 'Decimal text.'),
      'unit!': text('I', 'UCUM unit, e.g. `{each}`, `{box}`, `mL`.', 32),
      pack: object('The package the value counts.', {
        'code!': text('I', 'UN/ECE Recommendation 20 or 21 code, e.g. `BX`.', 8),
        perBase: decimal('I', 'How many base units one package holds. Absent: unknown.'),
        gtin: format('I', "The package's own GTIN-14.", 'gtin14'),
      }),
    }),
  ),
  description,
});

export const code = (sensitivity: Sensitivity, description: string): JsonSchema => ({
  ...shared(`code${sensitivity}`, () =>
    object('A code of a published code system.', {
      'system!': text('I', 'URI of the code system, e.g. `http://www.gmdnagency.org`.', 256),
      'code!': text(sensitivity, 'The code.', 64),
      display: text(sensitivity, 'Its words.', 256),
    }),
  ),
  description,
});

export const address = (sensitivity: Sensitivity, description: string): JsonSchema => ({
  ...shared(`address${sensitivity}`, () =>
    object('A postal address.', {
      lines: list(text(sensitivity, 'Street, building, floor.', 128), 'Address lines in order.', 6),
      city: text(sensitivity, 'Town.', 128),
      region: text(sensitivity, 'State or province.', 128),
      postalCode: text(sensitivity, 'Postal code.', 32),
      country: pattern(sensitivity, 'ISO 3166-1 alpha-2.', '^[A-Z]{2}$'),
      use: openList('I', 'What it is for.', ['main', 'billing', 'delivery', 'postal']),
    }),
  ),
  description,
});

export const contact = (description: string): JsonSchema => ({
  ...shared('contactN', () =>
    object('A person or desk to talk to.', {
      role: text('N', 'What they answer for.', 128),
      name: text('N', 'Name.', 256),
      phone: text('N', 'Telephone, E.164 where possible.', 64),
      email: format('N', 'E-mail address.', 'email'),
    }),
  ),
  description,
});

/** Lot, expiry and serial of goods. The serial of an implant becomes patient-linked once it is used. */
export const tracked = (serialSensitivity: Sensitivity): Record<string, JsonSchema> => ({
  lot: text('I', 'Lot or batch number.', 64),
  expiry: date('I', 'Last day of use.'),
  serial: text(serialSensitivity, 'Serial number.', 64),
});

/** What every entity carries about itself. */
export function header(sensitivity: Sensitivity): Record<string, JsonSchema> {
  return {
    id: pattern(
      sensitivity === 'H' ? 'H' : 'I',
      'Canonical id (UUID), given by the cross-reference table.',
      '^[0-9a-f-]{36}$',
    ),
    identifiers: identifiers(sensitivity),
    meta: shared('meta', () =>
      object('Where the entity comes from.', {
        schema: text('I', 'Its schema, as in the event attribute `dataschema`.', 128),
        schemaVersion: pattern('I', 'Semantic version of the schema.', '^\\d+\\.\\d+\\.\\d+$'),
        source: text('I', 'The system it comes from.', 256),
        sourceVersion: text('I', "The source's own version or ETag.", 128),
        recordedAt: instant('I', 'When the source recorded it.'),
        mapping: object('The mapping that made it.', {
          'id!': text('I', 'Mapping id.', 128),
          'version!': text('I', 'Mapping version.', 32),
        }),
        classification: oneOf('I', 'Highest sensitivity class present.', sensitivities),
      }),
    ),
    ext: shared('extensions', extensions),
  };
}

export const active = (): JsonSchema => boolean('I', 'False: kept for history, not for new business.');

/** The schema of the shared types, complete once all entity modules have been loaded. */
export function commonSchema(): JsonSchema {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: commonId, $defs: definitions };
}
