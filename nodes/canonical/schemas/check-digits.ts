/**
 * GS1 check digits (GS1 General Specifications, section 7.9): from the right, weights 3, 1, 3, 1 … over the digits
 * before the last; the last digit brings the sum to a multiple of ten.
 */

/** The check digit for the digits before it. `digits` holds only 0–9. */
export function checkDigitOf(digits: string): number {
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    sum += (digits.charCodeAt(digits.length - 1 - i) - 48) * (i % 2 === 0 ? 3 : 1);
  }
  return (10 - (sum % 10)) % 10;
}

function hasCheckDigit(value: string, length: number): boolean {
  return (
    value.length === length &&
    /^\d+$/.test(value) &&
    checkDigitOf(value.slice(0, -1)) === value.charCodeAt(length - 1) - 48
  );
}

/** Global Trade Item Number in its 14-digit form. */
export const isGtin14 = (value: string): boolean => hasCheckDigit(value, 14);
/** Global Location Number. */
export const isGln = (value: string): boolean => hasCheckDigit(value, 13);
/** Serial Shipping Container Code. */
export const isSscc = (value: string): boolean => hasCheckDigit(value, 18);

/** A GTIN-8, -12 or -13 padded to 14 digits; `undefined` when it is none or its check digit is wrong. */
export function toGtin14(value: string): string | undefined {
  if (!/^(\d{8}|\d{12}|\d{13}|\d{14})$/.test(value)) return undefined;
  const padded = value.padStart(14, '0');
  return isGtin14(padded) ? padded : undefined;
}
