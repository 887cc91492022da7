/** Charges as a hospital system sends them. */
export interface Charge {
  number: string;
  kind?: 'CG' | 'CR' | 'PY';
  code?: string;
  quantity?: string;
  amount?: string;
  unit?: string;
  /** Days since the service. */
  days?: number;
}

/** `YYYYMMDD` so many days ago. */
export const dayOf = (days: number) =>
  new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '');

/** A charge as HL7 v2 with a mark in every field of the patient. */
export function dft({
  number,
  kind = 'CG',
  code = 'SVC-VISIT',
  quantity = '1',
  unit = '120.00',
  amount,
  days = 0,
}: Charge): string {
  return [
    `MSH|^~\\&|HIS|HOSP|BILL|HOSP|${dayOf(0)}101500+0000||DFT^P03^DFT_P03|M-${number}-${kind}|P|2.5`,
    `EVN|P03|${dayOf(0)}101500+0000`,
    'PID|1||MARKMRN^^^HOSP||MARKNAME^KIM||19551231|F|||MARKSTREET|||||||MARKACC',
    'PV1|1|O|||||||||||||||||MARKVISIT',
    `FT1|1|${number}||${dayOf(days)}||${kind}|${code}^MARKWORDS^L|||${quantity}|${amount ?? unit}&EUR|${unit}&EUR|CARD||||||MARKDIAG|MARKDOC^House`,
    'DG1|1||MARKDIAG',
    '',
  ].join('\r');
}
