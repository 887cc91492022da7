/**
 * What a person does, at most once: the same token again returns the first result and does nothing, so that a double
 * click or a repeated request acts once.
 */
import { Failure } from '../failure.ts';
import { query, type Row, type Statement } from './operation.ts';

type Step<R> = Generator<Statement, R, Row[]>;

export interface Act {
  /** Made by the page once for each press. */
  token: string;
  /** The signed-in user, or `anonymous`. */
  actor: string;
  reason: string;
}

/** Performs `act` once for its token. */
export function* once<R>(action: string, act: Act, now: number, perform: () => Step<R>): Step<R> {
  const claimed = yield* query(
    `INSERT INTO operator_acts (token, action, actor, at, result) VALUES ($1, $2, $3, $4, 'null')
     ON CONFLICT (token) DO NOTHING RETURNING token`,
    act.token,
    action,
    act.actor,
    now,
  );
  if (claimed.length === 0) {
    const [earlier] = yield* query<{ action: string; actor: string; result: string }>(
      'SELECT action, actor, result FROM operator_acts WHERE token = $1',
      act.token,
    );
    if (earlier === undefined || earlier.action !== action || earlier.actor !== act.actor) {
      throw new Failure(
        'conflict',
        'ACT_TOKEN_USED',
        'This request repeats the token of another act. Reload the page.',
        {
          retryable: false,
        },
      );
    }
    return JSON.parse(earlier.result) as R;
  }
  const result = yield* perform();
  yield* query('UPDATE operator_acts SET result = $1 WHERE token = $2', JSON.stringify(result), act.token);
  return result;
}
