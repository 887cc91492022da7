/** Days and moments as text, without `Date` where the calendar suffices: no time zone can creep in. */
import { isDate, isInstant } from '../model/formats.ts';
import { TransformProblem } from './problem.ts';

const letters = /YYYY|YY|MM|DD|HH|mm|ss/g;
const widths: Record<string, number> = { YYYY: 4, YY: 2, MM: 2, DD: 2, HH: 2, mm: 2, ss: 2 };

/** Reads fixed-width parts; literal characters between them must match. */
function read(text: string, format: string): Record<string, string> | undefined {
  const parts: Record<string, string> = {};
  let at = 0;
  let last = 0;
  for (const match of format.matchAll(letters)) {
    const literal = format.slice(last, match.index);
    if (text.slice(at, at + literal.length) !== literal) return undefined;
    at += literal.length;
    const digits = text.slice(at, at + widths[match[0]]!);
    if (!/^\d+$/.test(digits) || digits.length !== widths[match[0]]) return undefined;
    parts[match[0]] = digits;
    at += digits.length;
    last = match.index + match[0].length;
  }
  return text.slice(at) === format.slice(last) ? parts : undefined;
}

/** Two-digit years are of the window 1970–2069 (the POSIX rule moved by one year to start with the epoch). */
const yearOf = (parts: Record<string, string>): string | undefined =>
  parts.YYYY ?? (parts.YY === undefined ? undefined : `${Number(parts.YY) >= 70 ? '19' : '20'}${parts.YY}`);

export function parseDay(text: string, format: string): string {
  if (format === 'YYYY-MM-DD' && isDate(text)) return text;
  const parts = read(text, format);
  const day = parts === undefined ? '' : `${yearOf(parts)}-${parts.MM}-${parts.DD}`;
  if (!isDate(day)) throw new TransformProblem(`a calendar date in the format ${format} was expected`);
  return day;
}

export function formatDay(day: string, format: string): string {
  const values: Record<string, string> = {
    YYYY: day.slice(0, 4),
    YY: day.slice(2, 4),
    MM: day.slice(5, 7),
    DD: day.slice(8, 10),
  };
  return format.replace(letters, (part) => values[part] ?? part);
}

/**
 * A moment with its offset. Without a format, RFC 3339 and the common variants with a space or without seconds are
 * read. A time without an offset needs one from the mapping.
 */
export function parseMoment(text: string, format: string | undefined, offset: string | undefined): string {
  const candidate = format === undefined ? normalisedMoment(text, offset) : formattedMoment(text, format, offset);
  if (candidate === undefined || !isInstant(candidate)) {
    throw new TransformProblem(
      `a date and time ${format === undefined ? 'with its UTC offset' : `in the format ${format}`} was expected` +
        (offset === undefined ? '; if the sender states no offset, give it in the transform' : ''),
    );
  }
  return candidate;
}

function normalisedMoment(text: string, offset: string | undefined): string | undefined {
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(\.\d{1,9})?(Z|z|[+-]\d{2}:?\d{2})?$/.exec(text);
  if (!match) return undefined;
  const zone = match[5] ?? offset;
  if (zone === undefined) return undefined;
  const spelled = /^[+-]\d{4}$/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone.toUpperCase();
  return `${match[1]}T${match[2]}${match[3] ?? ':00'}${match[4] ?? ''}${spelled}`;
}

function formattedMoment(text: string, format: string, offset: string | undefined): string | undefined {
  const parts = read(text, format);
  if (parts === undefined || offset === undefined) return undefined;
  return `${yearOf(parts)}-${parts.MM}-${parts.DD}T${parts.HH ?? '00'}:${parts.mm ?? '00'}:${parts.ss ?? '00'}${offset}`;
}

function offsetMinutes(offset: string): number {
  const match = /^([+-])(\d{2}):(\d{2})$/.exec(offset);
  if (!match) {
    if (offset === 'Z') return 0;
    throw new TransformProblem('a UTC offset such as +01:00 or Z was expected');
  }
  return (Number(match[2]) * 60 + Number(match[3])) * (match[1] === '-' ? -1 : 1);
}

/** The same moment at another offset; fractions of a second are kept. */
export function shiftOffset(instant: string, offset: string): string {
  const fraction = /\.\d+/.exec(instant)?.[0] ?? '';
  const moved = new Date(Date.parse(instant.replace(/\.\d+/, '')) + offsetMinutes(offset) * 60_000);
  return `${moved.toISOString().slice(0, 19)}${fraction}${offset}`;
}

export function formatMoment(instant: string, format: string, offset: string): string {
  const local = shiftOffset(instant, offset);
  const values: Record<string, string> = {
    YYYY: local.slice(0, 4),
    YY: local.slice(2, 4),
    MM: local.slice(5, 7),
    DD: local.slice(8, 10),
    HH: local.slice(11, 13),
    mm: local.slice(14, 16),
    ss: local.slice(17, 19),
  };
  return format.replace(letters, (part) => values[part] ?? part);
}

/** HL7 v2 data type TS/DTM (chapter 2A) with at least hours and minutes. */
export function hl7Moment(text: string, offset: string | undefined): string {
  const match = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(\.\d{1,4})?([+-]\d{4})?$/.exec(text);
  const zone =
    match?.[8] === undefined ? offset : match[8] === '+0000' ? 'Z' : `${match[8].slice(0, 3)}:${match[8].slice(3)}`;
  const candidate =
    match && zone !== undefined
      ? `${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6] ?? '00'}${match[7] ?? ''}${zone}`
      : '';
  if (!isInstant(candidate)) {
    throw new TransformProblem(
      'an HL7 time stamp with hours, minutes and UTC offset was expected; if the sender states no offset, give it in the transform',
    );
  }
  return candidate;
}
