/** Which mapping reads a document of the library, which one writes it, and what is agreed to differ. */

/** A difference (`lost path: value`, `gained …`, `changed …`) and why it is agreed. */
export type Agreement = readonly [pattern: RegExp, why: string];

export interface Pair {
  /** Beginning of the names of its files. */
  files: string;
  /** Reads the document: a shipped mapping, or a file of the library. */
  read: string;
  /** Writes it; without one, the way back that is derived from `read`. */
  write?: string;
  /** Why nothing is written back. */
  oneWay?: string;
  /** What of the written tree is the document that came, where more is written. */
  part?: (tree: unknown) => unknown;
  /** Reads what was written, where that is another document than the one that came. */
  readBack?: string;
  /** Agreed differences between the entity and the one that came back. */
  entity?: readonly Agreement[];
  /** Agreed differences between what was read of the document and of the one written. */
  source?: readonly Agreement[];
}

const firstOfBundle = (tree: unknown): unknown => (tree as { entry: { resource: unknown }[] }).entry[0]!.resource;

const plainDecimal: Agreement = [
  /^changed \S+\.0[24]: [-.\d |]*→ [-.\d |]*$/,
  'a decimal has a digit before its point',
];
const stated: Agreement = [
  /^gained (CUR\.02|TDS\.02|BIG\.07|BAK\.08|REF\.02): /,
  'what the partner left to be understood is said',
];
const legalName: Agreement = [/PartyLegalEntity\.RegistrationName: /, 'one name is kept, and written as both'];
const tradeName: Agreement = [/^gained \S+\.PartyName\.Name: /, 'one name is kept, and written as both'];
const noTaxNumber: Agreement = [
  /^lost buyer\/identifiers\/VAT\//,
  "Peppol's answers name a buyer without a tax number",
];

/** A bundle has one SupplyDelivery a line, so each has a number of its own. */
const numberedByLine = {
  entity: [[/^changed number: (\S+) → \1-1$/, 'one SupplyDelivery a line']],
  source: [[/^changed identifier\.value: (\S+) → \1 \| \1-1$/, 'one SupplyDelivery a line']],
} satisfies Pick<Pair, 'entity' | 'source'>;
const spelling: Agreement = [
  /^changed (orderNumber|supplier\.code|currency|kind|unit|lines\.(sku|unit)): /,
  'spaces around a value, and small letters',
];

export const pairs: readonly Pair[] = [
  {
    files: 'x12/850-',
    read: 'x12-850-to-order',
    write: 'order-to-x12-850',
    source: [
      plainDecimal,
      stated,
      [/^changed BEG\.02: (NE|KN) → SA$/, 'several codes mean a standard order'],
      [/^changed PO1Loop\.PO1\.ids\.v: .*\b036000292053\b/, 'a GTIN of 12 digits is written with 14'],
    ],
  },
  {
    files: 'x12/855-',
    read: 'x12-855-to-order-response',
    write: 'order-response-to-x12-855',
    source: [
      plainDecimal,
      stated,
      [/^changed BAK\.02: (AT → AD|RJ → RD)$/, 'several codes mean accepted, and several refused'],
      [/^changed PO1Loop\.ACKLoop\.ACK\.01: .*\bIP\b/, 'several codes mean changed'],
    ],
  },
  {
    files: 'x12/856-',
    read: 'x12-856-to-despatch',
    write: 'despatch-to-x12-856',
    source: [
      [/^changed HLLoop\.DTM\.02: 20261105 \| /, 'a day of shipping (DTM 011) is no moment, which the model has'],
    ],
  },
  {
    files: 'x12/810-',
    read: 'x12-810-to-invoice',
    write: 'invoice-to-x12-810',
    source: [plainDecimal, stated],
  },
  { files: 'x12/820-', read: 'x12-820-to-payment', write: 'payment-to-x12-820', source: [stated] },
  {
    files: 'hl7v2/dft-billing-',
    read: 'hl7-dft-to-billing-charge',
    write: 'charge-to-hl7-dft',
    readBack: 'hl7-dft-to-charge',
    entity: [
      [/\bparty\/identifiers\/(PSEUDONYM|ACCOUNT)\//, 'what is sent on is a pseudonym, in the place of the account'],
      [/^lost reverses\//, 'a DFT^P03 does not say which charge a credit takes back'],
    ],
  },
  { files: 'hl7v2/dft-', read: 'hl7-dft-to-charge', write: 'charge-to-hl7-dft' },
  { files: 'hl7v2/mfn-m15-', read: 'hl7-mfn-m15-to-inventory-level', write: 'inventory-level-to-hl7-mfn-m15' },
  { files: 'hl7v2/mfn-m16-', read: 'hl7-mfn-m16-to-product', write: 'product-to-hl7-mfn-m16' },
  { files: 'hl7v2/oms-', read: 'hl7-oms-to-requisition', write: 'requisition-to-hl7-oms' },
  {
    files: 'ubl/order-response-',
    read: 'ubl-order-response-to-order-response',
    write: 'order-response-to-ubl-order-response',
    entity: [noTaxNumber, [/^gained lines\/0\/orderLine: 1$/, 'a UBL line must name the line that it answers']],
    source: [
      [/^lost OrderResponse\.BuyerCustomerParty\.Party\.PartyTaxScheme\./, noTaxNumber[1]],
      [/^gained OrderResponse\.OrderLine\.OrderLineReference\.LineID: 1$/, 'a UBL line must name the line it answers'],
    ],
  },
  {
    files: 'ubl/order-',
    read: 'ubl-order-to-order',
    write: 'order-to-ubl-order',
    source: [
      legalName,
      tradeName,
      [/^(lost|gained) Order\.OrderLine\.LineItem\.Item\.(Description|Name): /, 'the words of an item are its name'],
      [/^lost \S+\.PartyName\.Name: Hôpital$/, 'a buyer known by a code alone keeps no name'],
      [/@unitCode: {2}XPK {2}→ XPK$/, 'spaces around a code say nothing'],
    ],
  },
  { files: 'ubl/despatch-', read: 'ubl-despatch-to-despatch', write: 'despatch-to-ubl-despatch' },
  {
    files: 'ubl/invoice-',
    read: 'ubl-invoice-to-invoice',
    write: 'invoice-to-ubl-invoice',
    source: [legalName, [/PayeeFinancialAccount\.ID: BE71 0961/, 'an IBAN is kept without spaces']],
  },
  {
    files: 'ubl/credit-note-',
    read: 'ubl-credit-note-to-invoice',
    write: 'invoice-to-ubl-credit-note',
    source: [legalName, tradeName],
  },
  { files: 'fhir/organization-', read: 'fhir-organization-to-supplier', write: 'supplier-to-fhir-organization' },
  { files: 'fhir/location-', read: 'fhir-location-to-location', write: 'location-to-fhir-location' },
  {
    files: 'fhir/supply-requests-',
    read: 'fhir-supply-requests-to-requisition',
    write: 'requisition-to-fhir-supply-requests',
  },
  {
    files: 'fhir/supply-request-',
    read: 'fhir-supply-request-to-requisition',
    write: 'requisition-to-fhir-supply-requests',
    readBack: 'fhir-supply-requests-to-requisition',
    entity: [
      [/^lost neededBy: /, 'each SupplyRequest of a bundle has its own day'],
      [/^gained lines\/0\/(neededBy|deliverTo\/)/, 'each SupplyRequest of a bundle has its own day and place'],
    ],
  },
  {
    files: 'fhir/supply-delivery-despatch',
    read: 'fhir-supply-delivery-to-despatch',
    write: 'despatch-to-fhir-supply-deliveries',
    part: firstOfBundle,
    ...numberedByLine,
    source: [
      ...numberedByLine.source,
      [/^changed occurrenceDateTime: (\S+)T\S+ → \1$/, 'a despatch has a day of issue, not a moment'],
    ],
  },
  {
    files: 'fhir/supply-delivery-receipt',
    read: 'fhir-supply-delivery-to-receipt',
    write: 'receipt-to-fhir-supply-deliveries',
    part: firstOfBundle,
    ...numberedByLine,
  },
  {
    files: 'fhir/charge-item-billing-reversed',
    read: 'fhir-charge-item-to-billing-charge',
    oneWay: 'a ChargeItem has no status for a credit of another one',
  },
  {
    files: 'fhir/charge-item-billing',
    read: 'fhir-charge-item-to-billing-charge',
    write: 'charge-to-fhir-charge-item',
    readBack: 'fhir-charge-item-to-charge',
  },
  { files: 'fhir/charge-item-', read: 'fhir-charge-item-to-charge', write: 'charge-to-fhir-charge-item' },
  {
    files: 'fhir/invoice-',
    read: 'fhir-invoice-to-invoice',
    write: 'invoice-to-fhir-invoice',
    entity: [[/^lost note: /, 'an Annotation has nothing that would tell one of a list']],
    source: [
      [/^lost note\.text: /, 'an Annotation has nothing that would tell one of a list'],
      [/^changed identifier\.value: PB-77 \| other → PB-77$/, 'the official identifier is the number'],
    ],
  },
  {
    files: 'fhir/claim-billing',
    read: 'fhir-claim-to-billing-claim',
    oneWay: 'a pseudonym has no way back',
  },
  {
    files: 'fhir/claim-',
    read: 'fhir-claim-to-claim',
    write: 'claim-to-fhir-claim',
    source: [
      [
        /^(lost item\.servicedDate|gained billablePeriod\.start|gained created): 2026-12-01$/,
        'the day of service is said for the whole claim',
      ],
    ],
  },
  { files: 'json/supplier-order-', read: 'supplier-order-json-to-order', source: [spelling] },
  { files: 'json/cabinet-threshold-', read: 'cabinet-threshold-to-inventory-level' },
  {
    files: 'json/cabinet-',
    read: 'cabinet-movement-to-stock-movement',
    source: [
      spelling,
      [/^gained reason: transfer$/, 'without a reason the kind is the reason'],
      [/^gained toLocation: CONSUMED$/, 'what is consumed goes to a place of its own'],
    ],
  },
  {
    files: 'csv/order-',
    read: 'csv/order-csv-to-order.mapping.json',
    write: 'csv/order-to-order-csv.mapping.json',
  },
];
