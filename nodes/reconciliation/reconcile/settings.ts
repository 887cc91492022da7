/** What the dialog says, checked, and the window of a message. */
import { compare, isDecimal, normalise } from '../../kernel/decimal.ts';
import { Failure } from '../../kernel/failure.ts';
import { isForbiddenKey } from '../../kernel/json.ts';
import type { CompareTerms } from '../compare.ts';
import type { ReconcileConfig } from './reconcile.def.ts';

/** @throws Failure `configuration` */
export function termsOf(config: ReconcileConfig): CompareTerms {
  const keys = config.keys
    .split(/[\n,]/)
    .map((key) => key.trim())
    .filter((key) => key !== '');
  const [lot, quantity, pack, price] = [config.lot, config.quantity, config.pack, config.price].map((field) =>
    field.trim(),
  ) as [string, string, string, string];
  if ([...keys, lot, quantity, pack, price].some(isForbiddenKey)) throw incomplete('names a field that is not allowed');
  if (keys.length === 0) throw incomplete('has no keys to compare by');
  if (quantity === '') throw incomplete('has no field with the quantity');
  if (lot !== '' && !keys.includes(lot)) throw incomplete(`has a lot "${lot}" that is none of its keys`);
  const tolerance = config.tolerance.trim() === '' ? '0' : config.tolerance.trim();
  if (!isDecimal(tolerance) || compare(tolerance, '0') < 0) throw incomplete('has a tolerance that is no amount');
  const names = { left: config.leftName.trim() || 'one side', right: config.rightName.trim() || 'the other side' };
  return { keys, lot, quantity, pack, price, tolerance: normalise(tolerance), names };
}

function incomplete(problem: string): Failure {
  return new Failure('configuration', 'RECONCILE_INCOMPLETE', `This reconcile ${problem}. Open it and correct it.`);
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/;

/** A window without a name is the day, in UTC, so that neither end of summer time makes one twice. */
export function windowOf(run: unknown, asOf: unknown, now = Date.now()): { run: string; asOf?: number } {
  let taken: number | undefined;
  if (asOf !== undefined && asOf !== null && asOf !== '') {
    taken = typeof asOf === 'string' && instant.test(asOf) ? Date.parse(asOf) : Number.NaN;
    if (Number.isNaN(taken)) {
      throw new Failure(
        'data-quality',
        'RECONCILE_WINDOW',
        'The instant at which the sides were taken is no RFC 3339 instant with its offset, such as 2026-11-28T23:00:00+01:00.',
      );
    }
  }
  const name =
    run === undefined || run === null || run === '' ? new Date(taken ?? now).toISOString().slice(0, 10) : run;
  if (typeof name !== 'string' || name.length > 128) {
    throw new Failure('data-quality', 'RECONCILE_WINDOW', 'The name of the run is no text of up to 128 characters.');
  }
  return taken === undefined ? { run: name } : { run: name, asOf: taken };
}
