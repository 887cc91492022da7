/** Dates and datetimes between the flow (RFC 3339) and Odoo (`YYYY-MM-DD`, `YYYY-MM-DD HH:MM:SS` in UTC, no zone). */

const datePattern = /^(\d{4})-(\d{2})-(\d{2})$/;
const odooPattern = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.\d{1,6})?$/;
const rfc3339Pattern = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** True for a calendar date that exists. Odoo cuts anything after a date without a word, so nothing else passes. */
export function isDate(text: string): boolean {
  const match = datePattern.exec(text);
  if (match === null) return false;
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(match[3]);
}

/**
 * Odoo's form of an instant: UTC, whole seconds (a fraction is cut, as Odoo keeps none). Takes RFC 3339, Odoo's own
 * form, and a calendar date, which is midnight in `timeZone`.
 *
 * @returns undefined when it is none of these
 */
export function toOdooDatetime(value: string | Date, timeZone = 'UTC'): string | undefined {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : format(value);
  if (odooPattern.test(value)) {
    const date = new Date(`${value.slice(0, 10)}T${value.slice(11, 19)}Z`);
    return isDate(value.slice(0, 10)) && !Number.isNaN(date.getTime()) ? format(date) : undefined;
  }
  if (rfc3339Pattern.test(value)) {
    const date = new Date(value);
    return isDate(value.slice(0, 10)) && !Number.isNaN(date.getTime()) ? format(date) : undefined;
  }
  return isDate(value) ? format(midnight(value, timeZone)) : undefined;
}

/** RFC 3339 of what Odoo sends; whole seconds, or the microseconds some webhooks have. */
export function fromOdooDatetime(text: string): string {
  return odooPattern.test(text) ? `${text.replace(' ', 'T')}Z` : text;
}

function format(date: Date): string {
  return date.toISOString().slice(0, 19).replace('T', ' ');
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** True for a time zone name that this runtime knows (IANA). */
export function isTimeZone(name: string): boolean {
  try {
    wallClock(name);
    return true;
  } catch {
    return false;
  }
}

function wallClock(timeZone: string): Intl.DateTimeFormat {
  let clock = formats.get(timeZone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' });
    formats.set(timeZone, clock);
  }
  return clock;
}

function midnight(date: string, timeZone: string): Date {
  const asUtc = Date.parse(`${date}T00:00:00Z`);
  let guess = asUtc;
  // Twice, because the offset at the first guess may be that of the other side of a clock change.
  for (let i = 0; i < 2; i++) {
    const shown = Date.parse(`${wallClock(timeZone).format(guess).replace(' ', 'T')}Z`);
    guess += asUtc - shown;
  }
  return new Date(guess);
}
