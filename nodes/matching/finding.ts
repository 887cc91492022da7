/** Collects the differences of one document and turns them into a verdict. */
import { compare } from '../kernel/decimal.ts';
import {
  type ActionCode,
  type Difference,
  type Field,
  type Match,
  type MatchedLine,
  type Outcome,
  type ReasonCode,
  reasonCodes,
} from './difference.ts';
import type { OrderLine, Quantity } from './documents.ts';
import { inUnitOf, shown } from './quantities.ts';
import { compareRatios, minus, type Ratio, textOf, times, whole } from './ratio.ts';
import { type Subject, type ToleranceName, type Tolerances, within } from './tolerances.ts';

/** Where something was found. */
export interface Place {
  line?: string;
  orderLine?: string;
  product?: string;
}

interface Comparison extends Place {
  field: Field;
  expected: Ratio;
  found: Ratio;
  /** Limits for more and for less. */
  up: ToleranceName;
  down: ToleranceName;
  subject: Subject;
  reason: ReasonCode;
  action?: ActionCode;
  rejects?: boolean;
  /** Follows the numbers: "per BX/10", "EUR". */
  unit: string;
  /** Begins the sentence: "The price". */
  what: string;
}

/** Differences kept in a message; a document of ten thousand wrong lines is explained well enough by these. */
const mostDifferences = 500;

export class Finding {
  readonly tolerances: Tolerances;
  readonly #differences: Difference[] = [];
  readonly #lines: MatchedLine[] = [];
  readonly #checks = new Set<Field>();
  #partial = false;
  #duplicateOf: Match['duplicateOf'];
  #outside = 0;

  constructor(tolerances: Tolerances) {
    this.tolerances = tolerances;
  }

  checked(...fields: Field[]): void {
    for (const field of fields) this.#checks.add(field);
  }

  line(line: MatchedLine): void {
    this.#lines.push(line);
    if (line.open !== undefined && compare(line.open, '0') > 0) this.#partial = true;
  }

  incomplete(): void {
    this.#partial = true;
  }

  duplicate(of: { number: string; reference?: string }): void {
    this.#duplicateOf ??= of;
  }

  /** Something that no tolerance covers. */
  add(difference: Pick<Difference, 'field' | 'reason' | 'words'> & Partial<Omit<Difference, 'within'>>): void {
    this.#checks.add(difference.field);
    this.#push({ within: false, blocks: true, rejects: false, ...difference });
  }

  /** Compares numbers; keeps what differs, with the tolerance that was asked. */
  compare(comparison: Comparison): boolean {
    const {
      field,
      expected,
      found,
      up,
      down,
      subject,
      reason,
      action,
      rejects = false,
      unit,
      what,
      ...place
    } = comparison;
    this.#checks.add(field);
    const way = compareRatios(found, expected);
    if (way === 0) return true;
    const difference = minus(found, expected);
    const { limit, text, row } = this.tolerances.of(subject, way > 0 ? up : down);
    const ok = within(limit, way > 0 ? difference : times(difference, whole('-1')), expected);
    const [was, is] = [textOf(expected), textOf(found)];
    this.#push({
      field,
      ...place,
      expected: was,
      found: is,
      difference: textOf(difference),
      tolerance: text,
      row,
      within: ok,
      blocks: !ok,
      rejects: !ok && rejects,
      reason,
      ...(action === undefined ? {} : { action }),
      words: `${what} is ${is} ${unit} instead of ${was}${ok ? '' : `, and ${way > 0 ? 'more' : 'less'} than the tolerance allows (${text})`}.`,
    });
    return ok;
  }

  /** `quantity` in the unit of the order line, or a difference that says which pack factor is missing. */
  quantityIn(orderLine: OrderLine, quantity: Quantity, place: Place): Ratio | undefined {
    const found = inUnitOf(quantity, orderLine.quantity);
    if (found === undefined) {
      this.add({
        ...place,
        field: 'unit',
        reason: 'QTY',
        expected: shown(orderLine.quantity),
        found: shown(quantity),
        words: `${shown(quantity)} cannot be compared with ${shown(orderLine.quantity)}: nobody has said how many pieces the package holds. Enter the pack factor with the product.`,
      });
    }
    return found;
  }

  verdict(
    base: Pick<Match, 'mode' | 'document'> & { order?: string },
    owners: Readonly<Record<string, string>>,
  ): Match {
    const outside = this.#differences.filter((difference) => !difference.within);
    const worst = outside.reduce<Difference | undefined>(
      (a, b) => (a === undefined || rank(b) > rank(a) ? b : a),
      undefined,
    );
    const outcome: Outcome =
      worst === undefined
        ? this.#differences.length > 0
          ? 'within-tolerance'
          : 'matched'
        : worst.rejects
          ? 'rejected'
          : 'hold';
    const reasons = [
      ...new Set([...(worst === undefined ? [] : [worst.reason]), ...outside.map(({ reason }) => reason)]),
    ];
    const owner = worst === undefined ? undefined : owners[worst.reason];
    return {
      ...base,
      outcome,
      proceed: !outside.some(({ blocks }) => blocks),
      response: outcome === 'rejected' ? 'RE' : outcome === 'hold' ? 'UQ' : 'AP',
      ...(worst === undefined ? {} : { reason: worst.reason }),
      reasons,
      action: worst?.action ?? (outcome === 'rejected' ? 'NIN' : 'NOA'),
      ...(owner === undefined ? {} : { owner }),
      summary: summaryOf(outcome, outside, this.#outside, base.document),
      partial: this.#partial,
      ...(this.#duplicateOf === undefined ? {} : { duplicateOf: this.#duplicateOf }),
      profile: { id: this.tolerances.id, version: this.tolerances.version },
      checks: [...this.#checks],
      differences: this.#differences,
      lines: this.#lines,
    };
  }

  #push(difference: Difference): void {
    if (!difference.within) this.#outside++;
    // What is outside is kept before what is not.
    if (this.#differences.length >= mostDifferences) {
      const spare = difference.within ? -1 : this.#differences.findLastIndex(({ within: ok }) => ok);
      if (spare < 0) return;
      this.#differences.splice(spare, 1);
    }
    this.#differences.push(difference);
  }
}

/** What cannot be mended goes before what waits, that before what merely needs a look; then the order of the codes. */
function rank({ rejects, blocks, reason }: Difference): number {
  return (rejects ? 2_000 : blocks ? 1_000 : 0) + reasonCodes.length - reasonCodes.indexOf(reason);
}

function summaryOf(outcome: Outcome, outside: readonly Difference[], count: number, document: string): string {
  if (outcome === 'matched') return `${document}: everything agrees.`;
  if (outcome === 'within-tolerance') return `${document}: what differs is within the tolerances.`;
  const said = outside.slice(0, 5).map(({ line, words }) => (line === undefined ? words : `Line ${line}: ${words}`));
  const more = count > said.length ? [`And ${count - said.length} more.`] : [];
  return [`${document}:`, ...said, ...more].join(' ');
}
