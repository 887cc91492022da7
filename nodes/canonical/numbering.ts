/** Control numbers of outbound interchanges, as a store operation. */
import { defineOperation, query, type Row, type Statement } from '../kernel/store/operation.ts';

/** ISA13 has nine digits; after the last number a series begins again. */
const highest = 999_999_999;
/** Milliseconds for which a document keeps its number. */
const kept = 400 * 86_400_000;

/**
 * The number of a document in its series: the next one, or the one it has already. Numbers rise by one and none is
 * given twice within 400 days; a document that was never sent leaves a gap.
 */
export const takeControlNumber = defineOperation(
  import.meta.url,
  'takeControlNumber',
  function* ({ series, document }: { series: string; document: string }, { now }): Generator<Statement, number, Row[]> {
    // The row of the series first, so that two processes wait for one another here.
    const [row] = yield* query<{ last: number }>(
      `INSERT INTO control_series (series, last, used_at) VALUES ($1, 0, $2)
       ON CONFLICT (series) DO UPDATE SET used_at = $2 RETURNING last`,
      series,
      now,
    );
    const [known] = yield* query<{ number: number }>(
      'SELECT number FROM control_numbers WHERE series = $1 AND document = $2',
      series,
      document,
    );
    if (known !== undefined) return Number(known.number);
    const last = Number(row!.last);
    const number = last >= highest ? 1 : last + 1;
    yield* query('UPDATE control_series SET last = $2 WHERE series = $1', series, number);
    yield* query(
      'INSERT INTO control_numbers (series, document, number, given_at) VALUES ($1, $2, $3, $4)',
      series,
      document,
      number,
      now,
    );
    if (number % 256 === 0)
      yield* query('DELETE FROM control_numbers WHERE series = $1 AND given_at < $2', series, now - kept);
    return number;
  },
  { key: ({ series }) => `control|${series}` },
);
