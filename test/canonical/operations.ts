import { defineOperation, query } from '../../nodes/kernel/store/index.ts';

/** Brings a series close to its end, which nobody can wait for. */
export const setLast = defineOperation(
  import.meta.url,
  'setLast',
  function* ({ series, last }: { series: string; last: number }) {
    yield* query('UPDATE control_series SET last = $2 WHERE series = $1', series, last);
  },
);
