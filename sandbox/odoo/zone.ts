/** Time zones: a stored UTC datetime as the wall clock of a zone shows it, and back. */
const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string): Intl.DateTimeFormat {
  let found = formats.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat('sv-SE', {
      timeZone: zone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
    });
    formats.set(zone, found);
  }
  return found;
}

const asUtc = (text: string): number => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`);

/** `YYYY-MM-DD HH:MM:SS` of the zone for a UTC text. */
export function toZone(utc: string, zone: string | undefined): string {
  return zone ? format(zone).format(asUtc(utc)) : utc.slice(0, 19);
}

/** UTC for the wall clock of a zone; when the clock shows it twice, standard time (pytz `is_dst=False`). */
export function fromZone(local: string, zone: string | undefined): string {
  if (!zone) return local;
  const wanted = asUtc(local);
  const shift = (at: number) => asUtc(format(zone).format(at)) - at;
  const guess = wanted - shift(wanted);
  const found = wanted - shift(guess);
  const later = found + 3_600_000;
  const instant = asUtc(format(zone).format(later)) === wanted ? later : found;
  return new Date(instant).toISOString().slice(0, 19).replace('T', ' ');
}
