/**
 * What people do with letters. Each act carries a token: the same token again returns the first result and does
 * nothing, so that a double click or a repeated request acts once. Each act is in the audit trail in its transaction.
 */
import { Failure } from '../../kernel/failure.ts';
import { type Act, once } from '../../kernel/store/act.ts';
import { defineOperation, query, type Row, type Statement } from '../../kernel/store/operation.ts';
import { conditionOf, type LetterFilter } from './filter.ts';
import { moveAll } from './groups.ts';
import { type Letter, readLetter } from './inspect.ts';
import { actableStates, type LetterState } from './state.ts';

export type { Act };

type Step<R> = Generator<Statement, R, Row[]>;

/** Letters that one act may touch at most. */
export const actLimit = 50_000;

/** Short description of a filter for the audit trail. */
function filterDetail(filter: LetterFilter): Record<string, string | number> {
  return {
    ...(filter.ids === undefined ? {} : { letters: filter.ids.length }),
    ...(filter.queue === undefined ? {} : { queue: filter.queue }),
    ...(filter.class === undefined ? {} : { class: filter.class }),
    ...(filter.fingerprint === undefined ? {} : { fingerprint: filter.fingerprint }),
    ...(filter.causes === undefined ? {} : { causes: filter.causes.length }),
    ...(filter.text === undefined ? {} : { text: filter.text }),
    ...(filter.job === undefined ? {} : { job: filter.job }),
  };
}

type Touched = {
  id: string;
  queue: string;
  fingerprint: string;
  message_id: string;
  correlation_id: string | null;
  generation: number;
};

/** Changes the waiting letters of a filter, one statement a former state, so that the groups' counts stay right. */
function* change(
  filter: LetterFilter,
  to: LetterState,
  assignments: string,
  values: (string | number)[],
): Step<Touched[]> {
  const touched: Touched[] = [];
  for (const from of actableStates(filter.ids !== undefined)) {
    const condition = conditionOf({ ...filter, states: [from] }, values.length + 2);
    const rows = yield* query<Touched>(
      `UPDATE dead_letters SET state = '${to}', ${assignments}
       WHERE state = '${from}' AND id IN (
         SELECT id FROM dead_letters WHERE ${condition.text} ORDER BY id LIMIT $${values.length + 1})
       RETURNING id, queue, fingerprint, message_id, correlation_id, generation`,
      ...values,
      actLimit - touched.length,
      ...condition.values,
    );
    yield* moveAll(rows, from, to);
    touched.push(...rows);
  }
  return touched;
}

/** An edited body of one letter. */
export interface Edit {
  body: Uint8Array;
  bodyKey: string | null;
  contentType: string;
  /** SHA-256 of the plain bytes, hexadecimal, of what was collected and of what is sent. */
  originalHash: string;
  editedHash: string;
}

export interface ReplayRequest extends Act {
  jobId: string;
  filter: LetterFilter;
  /** Letters a second. */
  rate: number;
  edit?: Edit;
}

export interface ReplayStarted {
  jobId: string;
  count: number;
}

/**
 * Marks the waiting letters of a filter for replay, as one job.
 * @throws Failure `conflict` `NOTHING_TO_REPLAY` when none waits; `data-quality` `EDIT_NEEDS_ONE_LETTER`
 */
export const startReplay = defineOperation(
  import.meta.url,
  'startReplay',
  function* (request: ReplayRequest, context): Step<ReplayStarted> {
    const { filter, edit } = request;
    if (edit !== undefined && filter.ids?.length !== 1) {
      throw new Failure(
        'data-quality',
        'EDIT_NEEDS_ONE_LETTER',
        'An edited payload replaces that of exactly one letter.',
      );
    }
    return yield* once(edit === undefined ? 'replay' : 'edit-replay', request, context.now, function* () {
      const touched = yield* change(filter, 'replaying', 'generation = generation + 1, job_id = $1, lease_until = 0', [
        request.jobId,
      ]);
      if (touched.length === 0) throw nothing('NOTHING_TO_REPLAY', 'replayed');
      yield* query(
        `INSERT INTO replay_jobs (id, state, actor, reason, filter, total, rate, created_at)
         VALUES ($1, 'running', $2, $3, $4, $5, $6, $7)`,
        request.jobId,
        request.actor,
        request.reason,
        JSON.stringify(filter),
        touched.length,
        request.rate,
        context.now,
      );
      const only = touched.length === 1 ? touched[0] : undefined;
      if (edit !== undefined && only !== undefined) {
        yield* insertEdit(only.id, Number(only.generation), edit, request, context.now);
      }
      context.audit({
        action: edit === undefined ? 'deadletter.replayed' : 'deadletter.edited-and-replayed',
        outcome: 'success',
        actor: request.actor,
        subject: only?.message_id ?? request.jobId,
        reason: request.reason,
        detail: {
          job: request.jobId,
          count: touched.length,
          ...filterDetail(filter),
          ...(edit === undefined ? {} : { original: edit.originalHash, edited: edit.editedHash }),
        },
        ...(only?.correlation_id == null ? {} : { correlationId: only.correlation_id }),
      });
      return { jobId: request.jobId, count: touched.length };
    });
  },
);

/** Letters that one act may edit at most. */
export const editLimit = 10_000;
/** Ids in one statement. */
const idsPerStatement = 500;

export interface EditedReplay extends Act {
  jobId: string;
  rate: number;
  /** In words, for the audit trail: which field is set. Never its value. */
  change: string;
  /** The change itself, sealed; each letter gets it as it is sent. */
  sealed: { change: Uint8Array; key: string | null };
  /** What was selected, and those of it that the change fits. */
  filter: LetterFilter;
  ids: readonly string[];
}

/**
 * Marks waiting letters for replay with one change in each of them, as one job. Letters that no longer wait are left
 * out.
 * @throws Failure `conflict` `NOTHING_TO_REPLAY` when none waits
 */
export const startEditedReplay = defineOperation(
  import.meta.url,
  'startEditedReplay',
  function* (request: EditedReplay, context): Step<ReplayStarted> {
    const { jobId, actor, reason, sealed } = request;
    return yield* once('edit-replay', request, context.now, function* () {
      const chosen = request.ids.slice(0, editLimit);
      let count = 0;
      for (let at = 0; at < chosen.length; at += idsPerStatement) {
        const ids = chosen.slice(at, at + idsPerStatement);
        const touched = yield* change(
          { ids },
          'replaying',
          'generation = generation + 1, job_id = $1, lease_until = 0',
          [jobId],
        );
        count += touched.length;
      }
      if (count === 0) throw nothing('NOTHING_TO_REPLAY', 'replayed');
      yield* query(
        `INSERT INTO replay_jobs (id, state, actor, reason, filter, total, rate, created_at, change_sealed, change_key)
         VALUES ($1, 'running', $2, $3, $4, $5, $6, $7, $8, $9)`,
        jobId,
        actor,
        reason,
        JSON.stringify(request.filter),
        count,
        request.rate,
        context.now,
        sealed.change,
        sealed.key,
      );
      context.audit({
        action: 'deadletter.edited-and-replayed',
        outcome: 'success',
        actor,
        subject: jobId,
        reason,
        detail: { job: jobId, count, change: request.change },
      });
      return { jobId, count };
    });
  },
);

/** Puts on record what a job makes of a letter, before it is sent. After a crash the letter may come here again. */
export const noteEdit = defineOperation(
  import.meta.url,
  'noteEdit',
  function* (args: { letterId: string; generation: number; jobId: string; edit: Edit }, context): Step<void> {
    const [job] = yield* query<{ actor: string; reason: string }>(
      'SELECT actor, reason FROM replay_jobs WHERE id = $1',
      args.jobId,
    );
    if (job !== undefined) yield* insertEdit(args.letterId, args.generation, args.edit, job, context.now);
  },
);

function* insertEdit(
  letterId: string,
  generation: number,
  edit: Edit,
  { actor, reason }: Pick<Act, 'actor' | 'reason'>,
  now: number,
): Step<void> {
  yield* query(
    `INSERT INTO dead_letter_edits
       (letter_id, generation, body, body_key, content_type, original_hash, edited_hash, actor, reason, at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (letter_id, generation) DO NOTHING`,
    letterId,
    generation,
    edit.body,
    edit.bodyKey,
    edit.contentType,
    edit.originalHash,
    edit.editedHash,
    actor,
    reason,
    now,
  );
}

/** Closes the waiting letters of a filter for good. @throws Failure `conflict` `NOTHING_TO_DISCARD` */
export const discardLetters = defineOperation(
  import.meta.url,
  'discardLetters',
  function* (request: Act & { filter: LetterFilter }, context): Step<{ count: number }> {
    return yield* once('discard', request, context.now, function* () {
      const touched = yield* change(request.filter, 'discarded', 'closed_at = $1, closed_by = $2, closed_reason = $3', [
        context.now,
        request.actor,
        request.reason,
      ]);
      if (touched.length === 0) throw nothing('NOTHING_TO_DISCARD', 'discarded');
      const only = touched.length === 1 ? touched[0] : undefined;
      context.audit({
        action: 'deadletter.discarded',
        outcome: 'success',
        actor: request.actor,
        subject: only?.message_id ?? request.token,
        reason: request.reason,
        detail: { count: touched.length, ...filterDetail(request.filter) },
        ...(only?.correlation_id == null ? {} : { correlationId: only.correlation_id }),
      });
      return { count: touched.length };
    });
  },
);

/** Takes back what a job has not sent yet. */
export const cancelReplay = defineOperation(
  import.meta.url,
  'cancelReplay',
  function* (request: Act & { jobId: string }, context): Step<{ count: number }> {
    return yield* once('cancel', request, context.now, function* () {
      const rows = yield* query<Touched>(
        `UPDATE dead_letters SET state = 'failed-again', lease_until = 0
         WHERE job_id = $1 AND state = 'replaying' AND lease_until < $2
         RETURNING id, queue, fingerprint, message_id, correlation_id, generation`,
        request.jobId,
        context.now,
      );
      yield* moveAll(rows, 'replaying', 'failed-again');
      yield* query(
        "UPDATE replay_jobs SET state = 'cancelled', finished_at = $1 WHERE id = $2 AND state = 'running'",
        context.now,
        request.jobId,
      );
      context.audit({
        action: 'deadletter.replay-cancelled',
        outcome: 'success',
        actor: request.actor,
        subject: request.jobId,
        reason: request.reason,
        detail: { count: rows.length },
      });
      return { count: rows.length };
    });
  },
);

/** Opens a payload to a person's eyes, and says so in the audit trail first. */
export const revealLetter = defineOperation(
  import.meta.url,
  'revealLetter',
  function* (request: { id: string; actor: string; reason: string }, context): Step<Letter | undefined> {
    const letter = yield* readLetter(request.id);
    if (letter === undefined) return undefined;
    context.audit({
      action: 'deadletter.revealed',
      outcome: 'success',
      actor: request.actor,
      subject: letter.messageId,
      reason: request.reason,
      detail: { letter: letter.id, queue: letter.queue },
      ...(letter.correlationId === null ? {} : { correlationId: letter.correlationId }),
    });
    return letter;
  },
);

/** Says in the audit trail, before payloads are read, that a person tries a change on them. */
export const recordPreview = defineOperation(
  import.meta.url,
  'recordPreview',
  // biome-ignore lint/correctness/useYield: the audit entry is all of it
  function* ({ actor, change, letters }: { actor: string; change: string; letters: number }, context) {
    context.audit({ action: 'deadletter.previewed', outcome: 'success', actor, detail: { change, letters } });
  },
);

/** Records an act of a person that touches no letter (pausing a queue), or one that was refused. */
export const recordAct = defineOperation(
  import.meta.url,
  'recordAct',
  function* (
    request: Act & { action: string; outcome: 'success' | 'failure'; subject?: string },
    context,
  ): Step<{ recorded: boolean }> {
    return yield* once(request.action, request, context.now, function* () {
      const { action, actor, outcome, subject, reason } = request;
      context.audit({ action, actor, outcome, reason, ...(subject === undefined ? {} : { subject }) });
      yield* [];
      return { recorded: true };
    });
  },
);

function nothing(code: string, done: string): Failure {
  return new Failure(
    'conflict',
    code,
    `No letter of this selection waits to be ${done}. Somebody may have been faster; reload the list.`,
    { retryable: false },
  );
}
