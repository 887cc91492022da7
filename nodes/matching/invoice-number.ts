/**
 * An invoice number as it might be typed twice: case, spaces and punctuation gone, the letter O read as 0, leading zeros
 * of a run of digits gone. `INV-00O7` and `inv 7` are one number.
 */
export function normaliseInvoiceNumber(number: string): string {
  return number
    .normalize('NFKC')
    .toUpperCase()
    .replace(/[^\p{L}\p{N}]/gu, '')
    .replace(/O/g, '0')
    .replace(/(?<!\d)0+(?=\d)/g, '');
}
