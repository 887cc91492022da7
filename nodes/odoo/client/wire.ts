/**
 * JSON as it goes over the wire to Odoo, without a float on the way: a decimal string leaves as a number literal with
 * exactly its digits, and a number that a double could not hold comes in as text.
 */
import { Failure } from '../../kernel/failure.ts';
import { isForbiddenKey } from '../../kernel/json.ts';

const literal = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/;

/** JSON.rawJSON (ECMAScript proposal "JSON.parse source text access", in V8 since 11.4), which TypeScript's library lacks. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON: (text: string) => object };

/** A value that {@link JSON.stringify} writes as the number literal `text`. @param text a normalised decimal string */
export function numberLiteral(text: string): object {
  if (!literal.test(text))
    throw new Failure('defect', 'NUMBER_LITERAL', 'A decimal was not normalised before it was sent to Odoo.');
  return rawJson(text);
}

const integer = /^-?\d{1,15}$/;

/** A number a double may not hold exactly: with 16 digits or more. Shorter ones survive the way through it unchanged. */
const long = /\d[\d.]{15}/;
const fraction = /\d[.eE]/;
const forbidden = ['__proto__', 'constructor', 'prototype'];

/**
 * Parses an answer of Odoo. Numbers with a fraction, an exponent or more than 15 digits stay text; keys that could
 * reach a prototype once Node-RED clones the message are dropped.
 *
 * @param typed the caller turns values into the flow's form by the types of their fields: then numbers of up to 15
 * digits may come as numbers, which is several times faster
 * @throws SyntaxError when the text is not JSON
 */
export function parseAnswer(text: string, typed = false): unknown {
  const plain = typed || !fraction.test(text);
  if (plain && !long.test(text) && !text.includes('-0') && !forbidden.some((key) => text.includes(key)))
    return JSON.parse(text);
  return JSON.parse(text, ((key: string, value: unknown, context?: { source?: string }) => {
    if (isForbiddenKey(key)) return undefined;
    if (typeof value !== 'number') return value;
    const source = context?.source ?? String(value);
    return integer.test(source) && source !== '-0' ? value : source;
  }) as (key: string, value: unknown) => unknown);
}

const exponent = /^(-?)(\d+)(?:\.(\d+))?[eE]([+-]?\d{1,3})$/;

/** Python writes small and large floats with an exponent (`1e-05`, `1.5e+16`); this is the plain decimal text. */
export function plainDecimal(text: string): string {
  const match = exponent.exec(text);
  if (match === null) return text;
  const [, sign, whole, fraction = '', power] = match;
  const shift = Number(power);
  const digits = whole! + fraction;
  const point = whole!.length + shift;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${'0'.repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}
