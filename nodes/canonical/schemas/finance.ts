/** Invoices, payments, charges, claims and the parties around a patient's account. */
import { address, code, currency, money, quantity, ref } from './common.ts';
import { entity } from './entity.ts';
import { date, decimal, instant, list, object, oneOf, openList, pattern, text } from './vocabulary.ts';

const adjustment = object('A charge or an allowance.', {
  'kind!': oneOf('C', 'Adds or takes away.', ['charge', 'allowance']),
  reason: text('C', 'Why.', 256),
  'amount!': money('C', 'How much.'),
});

/** UBL Invoice and CreditNote (380, 381), X12 810, Odoo account.move. */
export const invoice = entity(
  'invoice',
  {
    version: '1.1.0',
    title: 'Invoice',
    description: 'A bill from a supplier (in) or to a customer or payer (out), or a credit note.',
    businessKey: ['direction', 'issuer', 'number'],
  },
  {
    'number!': text('I', "The issuer's invoice number.", 64),
    'direction!': oneOf('I', 'Seen from the hospital.', ['in', 'out']),
    'kind!': openList('I', 'Kind of document.', ['invoice', 'credit', 'prepayment', 'self-billed']),
    status: openList('I', 'Where it stands.', ['draft', 'posted', 'cancelled']),
    paymentStatus: openList('I', 'How far it is paid.', [
      'not-paid',
      'partial',
      'in-payment',
      'paid',
      'reversed',
      'blocked',
    ]),
    'issueDate!': date('I', 'Day of issue.'),
    taxPointDate: date('I', 'Day the tax is due from.'),
    dueDate: date('I', 'Day it is due.'),
    accountingDate: date('I', 'Day it is booked on.'),
    'currency!': currency('I', 'Document currency.'),
    'issuer!': ref('I', 'supplier', 'Who bills.'),
    recipient: ref('I', 'supplier', 'Who is billed.'),
    payee: object('Where to pay.', {
      iban: pattern('C', 'IBAN or local account number.', '^[A-Z0-9]{4,34}$'),
      bic: pattern('C', 'BIC of the bank.', '^[A-Z0-9]{8}([A-Z0-9]{3})?$'),
      reference: text('C', 'Payment reference to quote.', 140),
    }),
    order: ref('I', 'order', 'The order it bills, where it is one for all lines.'),
    despatch: ref('I', 'despatch', 'The despatch it bills.'),
    receipt: ref('I', 'receipt', 'The receipt it bills.'),
    contract: ref('I', 'contract', 'The contract it rests on.'),
    credited: ref('I', 'invoice', 'The invoice that a credit note corrects.'),
    note: text('I', 'Free text.', 4000),
    paymentTerms: text('C', 'Payment terms.', 256),
    'netAmount!': money('C', 'Total before tax.'),
    taxes: list(
      object('Tax of one rate.', {
        code: text('I', 'Tax category.', 32),
        percent: decimal('I', 'Rate in percent.'),
        base: money('C', 'Taxed amount.'),
        'amount!': money('C', 'Tax.'),
      }),
      'Taxes by rate.',
      50,
    ),
    taxAmount: money('C', 'Total tax.'),
    adjustments: list(adjustment, 'Charges and allowances on the whole document.', 100),
    roundingAmount: money('C', 'Rounding of the total.'),
    'grossAmount!': money('C', 'Total with tax.'),
    dueAmount: money('C', 'Left to pay.'),
    'lines!': list(
      object('One billed item.', {
        'number!': text('I', 'Line number.', 20),
        order: ref('I', 'order', 'The order of this line.'),
        orderLine: text('I', 'Line number of the order.', 20),
        product: ref('I', 'product', 'What is billed.'),
        description: text('I', 'Words on the line.', 1024),
        'quantity!': quantity('C', 'How much is billed.'),
        'unitPrice!': money('C', 'Price of one unit before tax.'),
        priceBase: decimal('C', 'How many units the price is for.'),
        discountPercent: decimal('C', 'Discount in percent.'),
        'netAmount!': money('C', 'Line amount before tax.'),
        taxCode: text('I', 'Tax category.', 32),
        taxPercent: decimal('I', 'Rate in percent.'),
        account: text('C', 'Ledger account.', 64),
        costCentre: text('C', 'Cost centre.', 64),
        adjustments: list(adjustment, 'Charges and allowances on the line.', 20),
      }),
      'What is billed.',
      10_000,
      1,
    ),
    responses: list(
      object('What was answered to the issuer (Peppol T111).', {
        'code!': openList('I', 'State.', ['AB', 'AP', 'RE', 'IP', 'UQ', 'CA', 'PD']),
        reason: openList('I', 'Reason.', [
          'REF',
          'LEG',
          'REC',
          'QUA',
          'DEL',
          'PRI',
          'QTY',
          'ITM',
          'PAY',
          'UNR',
          'FIN',
          'PPD',
          'OTH',
          'NON',
        ]),
        action: openList('I', 'What the issuer should do.', ['NOA', 'PIN', 'NIN', 'CNF', 'CNP', 'CNA', 'OTH']),
        note: text('C', 'What the issuer is told in words.', 1024),
        at: instant('I', 'When.'),
        by: text('N', 'Who answered.', 128),
      }),
      'Answers given.',
      50,
    ),
  },
);

/** X12 820, UBL RemittanceAdvice, Odoo account.payment. */
export const payment = entity(
  'payment',
  {
    version: '1.0.0',
    title: 'Payment',
    description: 'Money paid or received.',
    businessKey: ['number'],
  },
  {
    'number!': text('C', 'Payment number.', 64),
    'direction!': oneOf('C', 'Seen from the hospital.', ['in', 'out']),
    method: openList('C', 'How.', ['transfer', 'direct-debit', 'card', 'cheque', 'cash']),
    status: openList('C', 'Where it stands.', ['draft', 'in-process', 'paid', 'cancelled', 'rejected']),
    payer: ref('I', 'supplier', 'Who pays.'),
    payee: ref('I', 'supplier', 'Who is paid.'),
    'amount!': money('C', 'How much.'),
    'valueDate!': date('C', 'Value date.'),
    memo: text('C', 'Words on the payment.', 256),
    bankReference: text('C', "The bank's reference or trace number.", 128),
    references: list(
      object('What it pays.', {
        'document!': ref('I', 'invoice', 'The document.'),
        amount: money('C', 'How much of it.'),
      }),
      'What it pays.',
      10_000,
    ),
  },
);

/** HL7 v2 DFT^P03 FT1, FHIR ChargeItem, X12 837 SV1/SV2. */
export const charge = entity(
  'charge',
  {
    version: '1.1.0',
    title: 'Charge',
    description: 'A service or product used for a patient, to be billed.',
    businessKey: ['number'],
    partitionKey: ['party'],
    identifiers: 'H',
  },
  {
    'number!': text('H', 'Charge number.', 64),
    'kind!': openList('I', 'Kind of transaction (HL7 table 0017).', ['charge', 'credit', 'payment', 'adjustment']),
    'party!': ref('H', 'adminParty', 'Whose account; a pseudonym.'),
    encounter: ref('H', 'encounter', 'Encounter it belongs to.'),
    reverses: ref('H', 'charge', 'The charge that a credit takes back.'),
    'serviceDate!': date('H', 'Day of service.'),
    postedAt: instant('H', 'When it was posted.'),
    'codes!': list(code('H', 'A code of the service.'), 'Service codes.', 20, 1),
    description: text('H', 'Words.', 1024),
    'quantity!': quantity('H', 'How much.'),
    unitPrice: money('H', 'Price of one unit.'),
    amount: money('H', 'Extended amount.'),
    department: text('I', 'Department that charges.', 128),
    performer: ref('N', 'employee', 'Who performed it.'),
    product: ref('H', 'product', 'Product used.'),
    lot: text('H', 'Lot used.', 64),
    serial: text('H', 'Serial number used.', 64),
    modifiers: list(text('H', 'A modifier.', 16), 'Modifiers.', 20),
  },
);

/** X12 837, FHIR Claim. */
export const claim = entity(
  'claim',
  {
    version: '1.0.0',
    title: 'Claim',
    description: 'A claim to a payer. No diagnosis is carried.',
    businessKey: ['number'],
    identifiers: 'H',
  },
  {
    'number!': text('H', 'Claim number.', 64),
    status: openList('H', 'Where it stands.', [
      'prepared',
      'submitted',
      'accepted',
      'rejected',
      'adjudicated',
      'paid',
      'denied',
    ]),
    'payer!': ref('I', 'supplier', 'Who is to pay.'),
    billingProvider: ref('I', 'supplier', 'Who claims.'),
    'subscriber!': ref('H', 'adminParty', 'Who is insured; a pseudonym.'),
    'serviceFrom!': date('H', 'First day of service.'),
    serviceTo: date('H', 'Last day of service.'),
    submittedAt: instant('I', 'When it was sent.'),
    'billed!': money('H', 'Amount claimed.'),
    lines: list(
      object('One claimed service.', {
        'number!': text('I', 'Line number.', 20),
        charge: ref('H', 'charge', 'The charge.'),
        'code!': code('H', 'Code of the service.'),
        quantity: quantity('H', 'How much.'),
        'billed!': money('H', 'Amount claimed.'),
      }),
      'Claimed services.',
      999,
    ),
  },
);

/** X12 835, FHIR ExplanationOfBenefit. */
export const remittance = entity(
  'remittance',
  {
    version: '1.0.0',
    title: 'Remittance',
    description: "A payer's answer to claims: what is paid, adjusted, denied.",
    businessKey: ['payer', 'number'],
    identifiers: 'H',
  },
  {
    'number!': text('C', 'Trace number.', 64),
    'payer!': ref('I', 'supplier', 'Who pays.'),
    payee: ref('I', 'supplier', 'Who is paid.'),
    'issueDate!': date('C', 'Day of issue.'),
    'amount!': money('C', 'Amount paid in all.'),
    'claims!': list(
      object('One claim answered.', {
        'claim!': ref('H', 'claim', 'The claim.'),
        status: openList('H', 'The answer.', ['paid', 'paid-secondary', 'denied', 'reversed', 'forwarded']),
        'billed!': money('H', 'Amount claimed.'),
        allowed: money('H', 'Amount allowed.'),
        'paid!': money('H', 'Amount paid.'),
        patientShare: money('H', "The patient's share."),
        adjustments: list(
          object('Why paid differs from billed (X12 CAS).', {
            'group!': openList('H', 'Whose responsibility.', ['CO', 'OA', 'PI', 'PR']),
            'reason!': text('H', 'Claim adjustment reason code.', 8),
            'amount!': money('H', 'How much.'),
          }),
          'Adjustments.',
          99,
        ),
        denialReason: text('H', 'Reason of a denial.', 256),
      }),
      'Claims answered.',
      10_000,
    ),
    adjustments: list(
      object('Adjustment outside the claims (X12 PLB).', {
        'reason!': text('C', 'Reason code.', 8),
        'amount!': money('C', 'How much.'),
      }),
      'Adjustments outside the claims.',
      100,
    ),
  },
);

/** A patient's account seen by administration: pseudonym by default. FHIR Account/Coverage, HL7 PID-18, GT1, IN1. */
export const adminParty = entity(
  'adminParty',
  {
    version: '1.0.0',
    title: 'Administrative party',
    description: 'Whoever a patient account belongs to, as far as billing needs it. No diagnosis, no birth date.',
    businessKey: ['pseudonym'],
    identifiers: 'H',
  },
  {
    'pseudonym!': text('H', 'Pseudonym; the key that leads to the patient is kept elsewhere.', 64),
    accountNumber: text('H', 'Account number.', 64),
    guarantor: ref('H', 'adminParty', 'Who answers for the bill.'),
    payer: ref('H', 'supplier', 'Who insures.'),
    coverage: text('H', 'Number of the coverage.', 64),
    preferredLanguage: pattern('H', 'BCP 47 tag.', '^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$'),
    address: address('H', 'Postal address, for the bill.'),
  },
);
