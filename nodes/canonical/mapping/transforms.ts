/**
 * The transforms of mapping rows: a closed list of named, typed, pure functions. Each states what it takes and gives,
 * so that a chain is checked before it is deployed, and its inverse where one exists.
 */
import { compare, divide, multiply, normalise, round, sum, toDecimal } from '../../kernel/decimal.ts';
import { Failure } from '../../kernel/failure.ts';
import { isCurrency, isDate, isInstant } from '../model/formats.ts';
import { isGln, isSscc, toGtin14 } from '../schemas/check-digits.ts';
import { formatDay, formatMoment, hl7Moment, parseDay, parseMoment, shiftOffset } from './dates.ts';
import { TransformProblem } from './problem.ts';
import { pseudonymOf } from './pseudonym.ts';

export type ValueType = 'any' | 'text' | 'decimal' | 'integer' | 'boolean' | 'date' | 'instant' | 'list';

/** A transform in a row: its name alone, or its name with arguments. */
export type TransformUse = string | ({ name: string } & Record<string, unknown>);

interface Argument {
  kind: 'text' | 'integer' | 'decimal' | 'texts' | 'choice';
  description: string;
  required?: boolean;
  choices?: readonly string[];
}

export type Arguments = Record<string, string | number | readonly string[] | undefined>;

export interface Transform {
  takes: ValueType;
  gives: ValueType;
  description: string;
  arguments?: Record<string, Argument>;
  apply(value: unknown, args: Arguments): unknown;
  /** The transform that undoes this one, or undefined where none does. */
  inverse?(args: Arguments): TransformUse | undefined;
}

const text = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  if (typeof value === 'boolean') return String(value);
  throw new TransformProblem(`text was expected, not ${kindOf(value)}`);
};

/** Text that a transform may make longer: more than fits into a key or name, so that no document fills the memory. */
const short = (value: unknown): string => {
  const whole = text(value);
  if (whole.length > 10_000) throw new TransformProblem('text of at most 10,000 characters was expected');
  return whole;
};

const decimal = (value: unknown): string => {
  if (value instanceof ExactNumber) return value.text;
  try {
    // X12 type R leaves a leading zero out: .12 is 0.12.
    if (typeof value !== 'string') return toDecimal(value);
    const sent = value.trim();
    return toDecimal(/^[+-]?\./.test(sent) ? sent.replace('.', '0.') : sent);
  } catch (error) {
    if (error instanceof Failure && error.code === 'DECIMAL_FLOAT') {
      throw new TransformProblem(
        'a decimal number as text was expected, not a floating-point number, whose exact digits are lost; parse the document with the webhook-verifier or give the text to this node',
        'MAPPING_FLOAT',
      );
    }
    throw new TransformProblem('a decimal number was expected, e.g. 12.50');
  }
};

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const required = (kind: Argument['kind'], description: string): Argument => ({ kind, description, required: true });
const optional = (kind: Argument['kind'], description: string): Argument => ({ kind, description });
const choice = (description: string, choices: readonly string[]): Argument => ({
  kind: 'choice',
  description,
  choices,
  required: true,
});
const str = (value: unknown): string => String(value ?? '');

/** A decimal that a document writer puts out as a number, digit by digit. */
export class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toJSON(): unknown {
    return rawJson(this.text);
  }
  toString(): string {
    return this.text;
  }
}

/** `JSON.rawJSON` (Node 21 and later): the text goes into the JSON document as it is. */
const rawJson = (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON;

/** Marks an inverse that has nothing to do: the value is already right on the way back. */
export const nothing: TransformUse = 'same';

export const transforms: Readonly<Record<string, Transform>> = {
  same: {
    takes: 'any',
    gives: 'any',
    description: 'Leaves the value as it is.',
    apply: (v) => v,
    inverse: () => nothing,
  },

  // Text
  text: {
    takes: 'any',
    gives: 'text',
    description: 'A number or yes/no as text.',
    apply: text,
    inverse: () => nothing,
  },
  trim: {
    takes: 'text',
    gives: 'text',
    description: 'Removes spaces at both ends.',
    apply: (v) => text(v).trim(),
    inverse: () => nothing,
  },
  collapse: {
    takes: 'text',
    gives: 'text',
    description: 'Makes every run of white space one space.',
    apply: (v) => text(v).trim().replace(/\s+/g, ' '),
    inverse: () => nothing,
  },
  upper: { takes: 'text', gives: 'text', description: 'CAPITALS.', apply: (v) => text(v).toUpperCase() },
  lower: { takes: 'text', gives: 'text', description: 'small letters.', apply: (v) => text(v).toLowerCase() },
  digits: {
    takes: 'text',
    gives: 'text',
    description: 'Keeps only the digits.',
    apply: (v) => text(v).replace(/\D/g, ''),
  },
  truncate: {
    takes: 'text',
    gives: 'text',
    description: 'Keeps at most so many characters.',
    arguments: { length: required('integer', 'Characters to keep.') },
    apply: (v, a) => [...text(v).slice(0, 2 * Number(a.length))].slice(0, Number(a.length)).join(''),
  },
  padLeft: {
    takes: 'text',
    gives: 'text',
    description: 'Fills up on the left to a length.',
    arguments: {
      length: required('integer', 'Length to reach.'),
      with: optional('text', 'Character to fill with; default 0.'),
    },
    apply: (v, a) => text(v).padStart(Math.min(Number(a.length), 1024), str(a.with ?? '0') || '0'),
    inverse: (a) => ({ name: 'stripLeft', with: a.with ?? '0', length: a.length }),
  },
  stripLeft: {
    takes: 'text',
    gives: 'text',
    description: 'Removes a fill character on the left; at least one character stays.',
    arguments: {
      with: optional('text', 'Character to remove; default 0.'),
      length: optional('integer', 'Length that the other side is filled up to, for the way back.'),
    },
    apply: (v, a) => {
      const whole = text(v);
      const fill = str(a.with ?? '0');
      let start = 0;
      while (start < whole.length - 1 && whole[start] === fill) start++;
      return whole.slice(start);
    },
    inverse: (a) => (a.length === undefined ? undefined : { name: 'padLeft', length: a.length, with: a.with ?? '0' }),
  },
  prefix: {
    takes: 'text',
    gives: 'text',
    description: 'Puts words before.',
    arguments: { text: required('text', 'Words to put before.') },
    apply: (v, a) => str(a.text) + text(v),
    inverse: (a) => ({ name: 'removePrefix', text: a.text }),
  },
  removePrefix: {
    takes: 'text',
    gives: 'text',
    description: 'Removes words at the start; they must be there.',
    arguments: { text: required('text', 'Words to remove.') },
    apply: (v, a) => {
      const whole = text(v);
      if (!whole.startsWith(str(a.text))) throw new TransformProblem(`text that begins with "${a.text}" was expected`);
      return whole.slice(str(a.text).length);
    },
    inverse: (a) => ({ name: 'prefix', text: a.text }),
  },
  suffix: {
    takes: 'text',
    gives: 'text',
    description: 'Puts words after.',
    arguments: { text: required('text', 'Words to put after.') },
    apply: (v, a) => text(v) + str(a.text),
    inverse: (a) => ({ name: 'removeSuffix', text: a.text }),
  },
  removeSuffix: {
    takes: 'text',
    gives: 'text',
    description: 'Removes words at the end; they must be there.',
    arguments: { text: required('text', 'Words to remove.') },
    apply: (v, a) => {
      const whole = text(v);
      if (!whole.endsWith(str(a.text))) throw new TransformProblem(`text that ends with "${a.text}" was expected`);
      return whole.slice(0, whole.length - str(a.text).length);
    },
    inverse: (a) => ({ name: 'suffix', text: a.text }),
  },
  replace: {
    takes: 'text',
    gives: 'text',
    description: 'Replaces every occurrence of words.',
    arguments: { find: required('text', 'Words to find.'), with: optional('text', 'Words to put there.') },
    apply: (v, a) => short(v).replaceAll(str(a.find), () => str(a.with)),
  },
  part: {
    takes: 'text',
    gives: 'text',
    description: 'Splits at a separator and takes one part.',
    arguments: { separator: required('text', 'Where to split.'), index: required('integer', 'Which part, from 0.') },
    apply: (v, a) => text(v).split(str(a.separator), Number(a.index) + 1)[Number(a.index)],
  },

  pseudonym: {
    takes: 'text',
    gives: 'text',
    description:
      'A pseudonym in place of a person or account: the same one each time, and nobody gets back without the key in HEALTHFLOWS_PSEUDONYM_KEY.',
    arguments: { prefix: optional('text', 'Words before it; default PSN-.') },
    apply: (v, a) => str(a.prefix ?? 'PSN-') + pseudonymOf(text(v).trim()),
  },

  // Lists
  join: {
    takes: 'list',
    gives: 'text',
    description: 'Joins several values with a separator; missing ones are left out.',
    arguments: { separator: optional('text', 'What to put between; default a space.') },
    apply: (v, a) => {
      const present = list(v).filter((item) => item !== undefined && item !== null && item !== '');
      return present.length === 0 ? undefined : present.map(text).join(str(a.separator ?? ' '));
    },
  },
  coalesce: {
    takes: 'list',
    gives: 'any',
    description: 'The first value that is there.',
    apply: (v) => list(v).find((item) => item !== undefined && item !== null && item !== ''),
    inverse: () => nothing,
  },
  only: {
    takes: 'list',
    gives: 'any',
    description: 'The one value that all items have; items that differ are an error.',
    apply: (v) => {
      const present = list(v).filter((item) => item !== undefined && item !== null && item !== '');
      if (present.some((item) => item !== present[0]))
        throw new TransformProblem('the same value in every item was expected', 'MAPPING_AMBIGUOUS');
      return present[0];
    },
  },
  count: { takes: 'list', gives: 'integer', description: 'How many values there are.', apply: (v) => list(v).length },
  sum: {
    takes: 'list',
    gives: 'decimal',
    description: 'The exact sum of decimal numbers.',
    apply: (v) => sum(list(v).map(decimal)),
  },
  product: {
    takes: 'list',
    gives: 'decimal',
    description: 'Decimal numbers multiplied exactly; all must be there.',
    apply: (v) => list(v).reduce<string>((total, item) => multiply(total, decimal(item)), '1'),
  },
  externalId: {
    takes: 'list',
    gives: 'text',
    description: 'An Odoo external id from business keys; two different keys never give the same id.',
    arguments: {
      module: required('text', 'Part before the dot, e.g. hf_orders.'),
      prefix: required('text', 'What the record is, e.g. po.'),
    },
    apply: (v, a) => externalId(str(a.module), str(a.prefix), list(v)),
  },
  toBaseUnits: {
    takes: 'list',
    gives: 'decimal',
    description: 'Quantity and pack factor, multiplied. An unknown factor is an error, never 1.',
    apply: (v) => {
      const [value, perBase] = list(v);
      if (perBase === undefined || perBase === null || perBase === '') {
        throw new TransformProblem(
          'the pack factor is not known, so the quantity cannot be converted',
          'MAPPING_PACK_FACTOR_UNKNOWN',
        );
      }
      return normalise(multiply(decimal(value), decimal(perBase)));
    },
  },

  // Numbers
  decimal: {
    takes: 'any',
    gives: 'decimal',
    description: 'A decimal number as text, digits exactly as sent.',
    apply: decimal,
    inverse: () => nothing,
  },
  decimalComma: {
    takes: 'text',
    gives: 'decimal',
    description: 'A number with decimal comma and points between thousands, e.g. 1.234,50.',
    apply: (v) => {
      const sent = text(v).trim();
      if (!/^[+-]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?$/.test(sent))
        throw new TransformProblem('a number with decimal comma was expected, e.g. 1.234,50');
      return decimal(sent.replaceAll('.', '').replace(',', '.'));
    },
    inverse: () => 'toDecimalComma',
  },
  toDecimalComma: {
    takes: 'decimal',
    gives: 'text',
    description: 'A number with decimal comma, e.g. 1234,50.',
    apply: (v) => decimal(v).replace('.', ','),
    inverse: () => 'decimalComma',
  },
  jsonNumber: {
    takes: 'decimal',
    gives: 'any',
    description: 'A JSON number, digits exactly as they are; for FHIR, whose decimals are no text.',
    apply: (v) => new ExactNumber(decimal(v)),
    inverse: () => 'decimal',
  },
  integer: {
    takes: 'any',
    gives: 'integer',
    description: 'A whole number.',
    apply: (v) => {
      const exact = normalise(decimal(v));
      if (!/^-?\d{1,15}$/.test(exact)) throw new TransformProblem('a whole number was expected');
      return Number(exact);
    },
    inverse: () => 'text',
  },
  round: {
    takes: 'decimal',
    gives: 'decimal',
    description: 'Rounds half away from zero to so many decimals and shows them all.',
    arguments: { scale: required('integer', 'Decimals.') },
    apply: (v, a) => round(decimal(v), Number(a.scale)),
  },
  plain: {
    takes: 'decimal',
    gives: 'decimal',
    description: 'Removes zeros that say nothing: 4.20 becomes 4.2.',
    apply: (v) => normalise(decimal(v)),
    inverse: () => nothing,
  },
  multiply: {
    takes: 'decimal',
    gives: 'decimal',
    description: 'Multiplies by a constant.',
    arguments: { by: required('decimal', 'Factor.') },
    apply: (v, a) => multiply(decimal(v), str(a.by)),
  },
  divide: {
    takes: 'decimal',
    gives: 'decimal',
    description: 'Divides by a constant and rounds half away from zero.',
    arguments: { by: required('decimal', 'Divisor.'), scale: required('integer', 'Decimals of the result.') },
    apply: (v, a) => divide(decimal(v), str(a.by), Number(a.scale)),
  },
  negate: {
    takes: 'decimal',
    gives: 'decimal',
    description: 'Changes the sign.',
    apply: (v) => {
      const value = decimal(v);
      return value.startsWith('-') ? value.slice(1) : compare(value, '0') === 0 ? value : `-${value}`;
    },
    inverse: () => 'negate',
  },
  impliedDecimal: {
    takes: 'text',
    gives: 'decimal',
    description: 'Digits with an implied decimal point (X12 type N2): 1234567 becomes 12345.67.',
    arguments: { scale: required('integer', 'Implied decimals.') },
    apply: (v, a) => implied(text(v).trim(), Number(a.scale)),
    inverse: (a) => ({ name: 'toImpliedDecimal', scale: a.scale }),
  },
  toImpliedDecimal: {
    takes: 'decimal',
    gives: 'text',
    description: 'The reverse: 12345.67 becomes 1234567. More decimals than that are an error.',
    arguments: { scale: required('integer', 'Implied decimals.') },
    apply: (v, a) => {
      const scale = Number(a.scale);
      const exact = normalise(decimal(v));
      if ((exact.split('.')[1] ?? '').length > scale)
        throw new TransformProblem(`a number with at most ${scale} decimals was expected`);
      return round(exact, scale)
        .replace('.', '')
        .replace(/^(-?)0+(?=\d)/, '$1');
    },
    inverse: (a) => ({ name: 'impliedDecimal', scale: a.scale }),
  },

  // Yes or no
  boolean: {
    takes: 'any',
    gives: 'boolean',
    description: 'Words for yes and no as true and false.',
    arguments: { true: required('texts', 'Words for yes.'), false: required('texts', 'Words for no.') },
    apply: (v, a) => {
      if (typeof v === 'boolean') return v;
      const word = text(v);
      if ((a.true as readonly string[]).includes(word)) return true;
      if ((a.false as readonly string[]).includes(word)) return false;
      throw new TransformProblem('one of the words listed for yes and no was expected');
    },
    inverse: (a) => ({
      name: 'word',
      true: (a.true as readonly string[])[0],
      false: (a.false as readonly string[])[0],
    }),
  },
  word: {
    takes: 'boolean',
    gives: 'text',
    description: 'True and false as words.',
    arguments: { true: required('text', 'Word for yes.'), false: required('text', 'Word for no.') },
    apply: (v, a) => {
      if (typeof v !== 'boolean') throw new TransformProblem(`true or false was expected, not ${kindOf(v)}`);
      return v ? a.true : a.false;
    },
    inverse: (a) => ({ name: 'boolean', true: [str(a.true)], false: [str(a.false)] }),
  },
  not: {
    takes: 'boolean',
    gives: 'boolean',
    description: 'Turns yes into no and no into yes.',
    apply: (v) => {
      if (typeof v !== 'boolean') throw new TransformProblem(`true or false was expected, not ${kindOf(v)}`);
      return !v;
    },
    inverse: () => 'not',
  },

  // Time
  date: {
    takes: 'text',
    gives: 'date',
    description: 'A day in some format as YYYY-MM-DD.',
    arguments: { format: optional('text', 'Letters YYYY, YY, MM, DD; default YYYY-MM-DD.') },
    apply: (v, a) => parseDay(text(v).trim(), str(a.format ?? 'YYYY-MM-DD')),
    inverse: (a) => ({ name: 'formatDate', format: a.format ?? 'YYYY-MM-DD' }),
  },
  formatDate: {
    takes: 'date',
    gives: 'text',
    description: 'A day in another format.',
    arguments: { format: required('text', 'Letters YYYY, YY, MM, DD.') },
    apply: (v, a) => formatDay(day(v), str(a.format)),
    inverse: (a) => ({ name: 'date', format: a.format }),
  },
  instant: {
    takes: 'text',
    gives: 'instant',
    description: 'A date and time as RFC 3339. One without an offset gets the offset given here, else it is refused.',
    arguments: {
      format: optional('text', 'Letters YYYY, MM, DD, HH, mm, ss; default RFC 3339 or YYYY-MM-DD HH:mm:ss.'),
      offset: optional('text', 'UTC offset of the sender, e.g. +01:00 or Z.'),
    },
    apply: (v, a) =>
      parseMoment(
        text(v).trim(),
        a.format === undefined ? undefined : str(a.format),
        a.offset === undefined ? undefined : str(a.offset),
      ),
    inverse: (a) =>
      a.format === undefined
        ? nothing
        : a.offset === undefined
          ? undefined
          : { name: 'formatInstant', format: a.format, offset: a.offset },
  },
  hl7Instant: {
    takes: 'text',
    gives: 'instant',
    description: 'An HL7 v2 time stamp (YYYYMMDDHHMM[SS[.S]][+ZZZZ]) as RFC 3339.',
    arguments: { offset: optional('text', 'UTC offset of a sender that states none, e.g. +01:00.') },
    apply: (v, a) => hl7Moment(text(v).trim(), a.offset === undefined ? undefined : str(a.offset)),
    inverse: () => 'toHl7Instant',
  },
  toHl7Instant: {
    takes: 'instant',
    gives: 'text',
    description: 'A moment as HL7 v2 writes it, with its own offset: YYYYMMDDHHMMSS+ZZZZ.',
    apply: (v) => {
      const [, clock = '', fraction = '', offset = ''] = /^(.{19})(\.\d+)?(.*)$/.exec(moment(v))!;
      return `${clock.replace(/[-T:]/g, '')}${fraction.slice(0, 5)}${offset === 'Z' ? '+0000' : offset.replace(':', '')}`;
    },
    inverse: () => 'hl7Instant',
  },
  formatInstant: {
    takes: 'instant',
    gives: 'text',
    description: 'A moment in another format, as the clock shows it at an offset.',
    arguments: {
      format: required('text', 'Letters YYYY, YY, MM, DD, HH, mm, ss.'),
      offset: required('text', 'UTC offset, e.g. +01:00 or Z.'),
    },
    apply: (v, a) => formatMoment(moment(v), str(a.format), str(a.offset)),
    inverse: (a) => ({ name: 'instant', format: a.format, offset: a.offset }),
  },
  utc: {
    takes: 'instant',
    gives: 'instant',
    description: 'The same moment in UTC.',
    apply: (v) => shiftOffset(moment(v), 'Z'),
    inverse: () => nothing,
  },
  dayOf: {
    takes: 'text',
    gives: 'date',
    description: "The day of a moment, by the moment's own offset; a day stays as it is.",
    arguments: {
      time: optional('text', 'Time of day for the way back, e.g. 12:00:00.'),
      offset: optional('text', 'Offset for the way back, e.g. Z.'),
    },
    apply: (v) => (typeof v === 'string' && isDate(v) ? v : moment(v).slice(0, 10)),
    inverse: (a) => (a.time === undefined ? undefined : { name: 'atTime', time: a.time, offset: a.offset ?? 'Z' }),
  },
  atTime: {
    takes: 'date',
    gives: 'instant',
    description: 'A moment on a day. Noon UTC is the same day in every time zone from -12 to +11.',
    arguments: { time: required('text', 'HH:mm:ss.'), offset: required('text', 'UTC offset, e.g. Z.') },
    apply: (v, a) => moment(`${day(v)}T${a.time}${a.offset}`),
    inverse: (a) => ({ name: 'dayOf', time: a.time, offset: a.offset }),
  },

  // Codes
  currency: {
    takes: 'text',
    gives: 'text',
    description: 'An ISO 4217 code, checked.',
    apply: (v) => {
      const code = text(v).trim().toUpperCase();
      if (!isCurrency(code)) throw new TransformProblem('an ISO 4217 currency code was expected, e.g. EUR');
      return code;
    },
    inverse: () => nothing,
  },
  gtin: {
    takes: 'text',
    gives: 'text',
    description: 'A GTIN of 8, 12, 13 or 14 digits as 14 digits, check digit verified.',
    apply: (v) => {
      const padded = toGtin14(text(v).trim());
      if (padded === undefined) throw new TransformProblem('a GTIN with a correct check digit was expected');
      return padded;
    },
    inverse: () => nothing,
  },
  checkDigit: {
    takes: 'text',
    gives: 'text',
    description: 'Verifies the check digit of a GLN or SSCC.',
    arguments: { of: choice('Which key.', ['GLN', 'SSCC']) },
    apply: (v, a) => {
      const key = text(v).trim();
      if (!(a.of === 'GLN' ? isGln : isSscc)(key))
        throw new TransformProblem(`a ${a.of} with a correct check digit was expected`);
      return key;
    },
    inverse: () => nothing,
  },
};

function day(value: unknown): string {
  if (typeof value !== 'string' || !isDate(value))
    throw new TransformProblem('a calendar date as YYYY-MM-DD was expected');
  return value;
}

function moment(value: unknown): string {
  if (typeof value !== 'string' || !isInstant(value))
    throw new TransformProblem('an RFC 3339 date-time with offset was expected');
  return value;
}

function implied(digits: string, scale: number): string {
  if (!/^-?\d{1,24}$/.test(digits)) throw new TransformProblem('digits with an implied decimal point were expected');
  const negative = digits.startsWith('-');
  const padded = digits.replace('-', '').padStart(scale + 1, '0');
  const exact = scale === 0 ? padded : `${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
  return toDecimal(negative ? `-${exact}` : exact);
}

/**
 * An external id in [A-Za-z0-9_]. Letters and digits stay; any other byte (UTF-8) becomes `__` and two hex digits; a
 * single `_` stands between parts. Read from the left, `__` with two hex digits is a byte and any other `_` a
 * separator, so different keys have different ids.
 */
export function externalId(module: string, prefix: string, parts: readonly unknown[]): string {
  const encoded = parts.map((part) => {
    if (part === undefined || part === null || part === '') {
      throw new TransformProblem('every part of the external id must be there', 'MAPPING_REQUIRED_MISSING');
    }
    return short(part).replace(/[^A-Za-z0-9]/gu, (c) =>
      Array.from(Buffer.from(c, 'utf8'), (byte) => `__${byte.toString(16).padStart(2, '0')}`).join(''),
    );
  });
  return `${module}.${[prefix, ...encoded].join('_')}`;
}
