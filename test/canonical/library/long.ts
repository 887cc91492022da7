/** Documents of 500 lines, no two lines alike; too long to be read, so they are made here. */
const count = 500;
const numbers = Array.from({ length: count }, (_, i) => i + 1);

const price = (n: number): string => `${n % 90}.${String((n * 37) % 10_000).padStart(4, '0')}`;
const units = ['EA', 'BX', 'CA', 'CT', 'RO', 'LT'];
const unit = (n: number): string => units[n % units.length]!;

const x12 = (): string => {
  const body = numbers.flatMap((n) => [
    `PO1*${n}*${n % 7 === 0 ? `${n}.5` : n}*${unit(n)}*${price(n)}**BP*ITEM-${n}*VN*V/${n * 3}`,
    ...(n % 3 === 0 ? [`PID*F****ITEM NUMBER ${n} OF MANY`] : []),
    ...(n % 5 === 0 ? [`PO4*${n}`] : []),
    ...(n % 2 === 0 ? [`DTM*002*2026${String((n % 12) + 1).padStart(2, '0')}28`] : []),
  ]);
  const set = [
    'ST*850*0500',
    'BEG*00*SA*LONG-850**20260101',
    'CUR*BY*EUR',
    'N1*BY**92*HOSP',
    'N1*VN**92*ACME',
    ...body,
    `CTT*${count}`,
  ];
  return [
    'ISA*00*          *00*          *ZZ*HOSPITAL       *ZZ*ACME           *260101*0800*U*00401*000000500*0*P*>',
    'GS*PO*HOSPITAL*ACME*20260101*0800*500*X*004010',
    ...set,
    `SE*${set.length + 1}*0500`,
    'GE*1*500',
    'IEA*1*000000500',
  ]
    .map((segment) => `${segment}~\r\n`)
    .join('');
};

const hl7 = (): string =>
  [
    'MSH|^~\\&|WARD|HOSP|MM|HOSP|20260101080000+0100||OMS^O05^OMS_O05|LONG|P|2.5',
    ...numbers.flatMap((n) => [
      `ORC|NW|R-${n}^WARD||G-500^WARD|||||20260101080000+0100|4711`,
      `RQD|${n}|ITEM-${n}^Item ${n} \\T\\ more|||${n % 4 === 0 ? `${n}.25` : n}|${unit(n)}|CC-${n % 9}||WARD-${n % 30}|202602${String((n % 28) + 1).padStart(2, '0')}`,
    ]),
  ].join('\r');

const ubl = (): string => {
  const lines = numbers.map(
    (n) =>
      `<cac:InvoiceLine><cbc:ID>${n}</cbc:ID><cbc:InvoicedQuantity unitCode="${n % 2 === 0 ? 'XBX' : 'C62'}">${n}</cbc:InvoicedQuantity><cbc:LineExtensionAmount currencyID="EUR">${n}.10</cbc:LineExtensionAmount>${
        n % 10 === 0
          ? '<cac:AllowanceCharge><cbc:ChargeIndicator>false</cbc:ChargeIndicator><cbc:Amount currencyID="EUR">0.10</cbc:Amount></cac:AllowanceCharge>'
          : ''
      }<cac:Item><cbc:Name>Item ${n} &lt;${n % 17}&gt;</cbc:Name><cac:BuyersItemIdentification><cbc:ID>ITEM-${n}</cbc:ID></cac:BuyersItemIdentification></cac:Item><cac:Price><cbc:PriceAmount currencyID="EUR">${price(n)}</cbc:PriceAmount></cac:Price></cac:InvoiceLine>`,
  );
  const space = 'urn:oasis:names:specification:ubl:schema:xsd:';
  return `<?xml version="1.0"?>\n<Invoice xmlns="${space}Invoice-2" xmlns:cac="${space}CommonAggregateComponents-2" xmlns:cbc="${space}CommonBasicComponents-2"><cbc:ID>LONG-380</cbc:ID><cbc:IssueDate>2026-01-31</cbc:IssueDate><cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode><cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode><cac:AccountingSupplierParty><cac:Party><cac:PartyIdentification><cbc:ID>ACME</cbc:ID></cac:PartyIdentification></cac:Party></cac:AccountingSupplierParty><cac:LegalMonetaryTotal><cbc:TaxExclusiveAmount currencyID="EUR">125300.00</cbc:TaxExclusiveAmount><cbc:TaxInclusiveAmount currencyID="EUR">125300.00</cbc:TaxInclusiveAmount><cbc:PayableAmount currencyID="EUR">125300.00</cbc:PayableAmount></cac:LegalMonetaryTotal>${lines.join('\n')}</Invoice>`;
};

const fhir = (): string =>
  JSON.stringify({
    resourceType: 'Bundle',
    type: 'collection',
    entry: numbers.map((n) => ({
      resource: {
        resourceType: 'SupplyRequest',
        identifier: [
          { use: 'official', value: `REQ-500-${n}` },
          { use: 'secondary', value: 'REQ-500' },
        ],
        status: 'active',
        priority: 'routine',
        itemCodeableConcept: { coding: [{ system: 'urn:healthflows:item', code: `ITEM-${n}` }], text: `Item ${n}` },
        quantity: { value: n, code: n % 2 === 0 ? '{box}' : '{each}' },
        occurrenceDateTime: `2026-02-${String((n % 28) + 1).padStart(2, '0')}`,
        deliverTo: { identifier: { value: `WARD-${n % 30}` } },
      },
    })),
  });

const csv = (): string =>
  [
    'Order;Date;Supplier;Currency;Line;Item;Name;Quantity;Unit;Price',
    ...numbers.map(
      (n) =>
        `LONG;31.01.2026;ACME;EUR;${n};ITEM-${n};"Item; ""${n}""";${n % 4 === 0 ? `${n},25` : n};${unit(n)};${price(n).replace('.', ',')}`,
    ),
  ].join('\r\n');

/** By the file name that they would have. */
export const longDocuments: Readonly<Record<string, () => string>> = {
  'x12/850-500-lines.edi': x12,
  'hl7v2/oms-500-lines.hl7': hl7,
  'ubl/invoice-500-lines.xml': ubl,
  'fhir/supply-requests-500-lines.json': fhir,
  'csv/order-500-lines.csv': csv,
};
