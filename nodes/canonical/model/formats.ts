/** String formats of the schemas. Each is linear in the length of the text. */
import { isGln, isGtin14, isSscc } from '../schemas/check-digits.ts';

const daysInMonth = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** A day of the Gregorian calendar that exists, `YYYY-MM-DD` (RFC 3339 full-date). */
export function isDate(text: string): boolean {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!match) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth[month - 1]! + (leap && month === 2 ? 1 : 0);
}

/** RFC 3339 date-time; the offset is obligatory, leap seconds are refused because Odoo and EDI cannot hold them. */
export function isInstant(text: string): boolean {
  const match = /^(\d{4}-\d{2}-\d{2})T(\d{2}):(\d{2}):(\d{2})(\.\d{1,9})?(Z|[+-](\d{2}):(\d{2}))$/.exec(text);
  if (!match || !isDate(match[1]!)) return false;
  const offsetFits = match[6] === 'Z' || (Number(match[7]) <= 23 && Number(match[8]) <= 59);
  return Number(match[2]) <= 23 && Number(match[3]) <= 59 && Number(match[4]) <= 59 && offsetFits;
}

const currencies = new Set(Intl.supportedValuesOf('currency'));
/** An ISO 4217 code that exists. */
export const isCurrency = (text: string): boolean => currencies.has(text);

/** One `@`, something on both sides, a dot in the domain; whether mail arrives is not a question of syntax. */
const isEmail = (text: string): boolean => /^[^\s@]{1,64}@[^\s@.]{1,63}(\.[^\s@.]{1,63})+$/.test(text);

export const formats: Record<string, { test(text: string): boolean; expected: string }> = {
  date: { test: isDate, expected: 'a calendar date as YYYY-MM-DD' },
  instant: {
    test: isInstant,
    expected: 'an RFC 3339 date-time with its UTC offset, e.g. 2026-03-29T14:05:00+02:00',
  },
  currency: { test: isCurrency, expected: 'an ISO 4217 currency code in capitals, e.g. EUR' },
  gtin14: { test: isGtin14, expected: 'a GTIN of 14 digits with a correct check digit' },
  gln: { test: isGln, expected: 'a GLN of 13 digits with a correct check digit' },
  sscc: { test: isSscc, expected: 'an SSCC of 18 digits with a correct check digit' },
  email: { test: isEmail, expected: 'an e-mail address' },
};
