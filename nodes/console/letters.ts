/** Dead letters over HTTP: groups, letters, payloads, replay, edit, discard, jobs. */
import { randomUUID } from 'node:crypto';
import { Failure, toFailure } from '../kernel/failure.ts';
import { parseJson } from '../kernel/json.ts';
import type { Store } from '../kernel/store/store.ts';
import type { AdminRequest, RuntimeApi } from '../node/index.ts';
import {
  applyChange,
  assignCauses,
  cancelReplay,
  causeOwners,
  causeStory,
  causeTrends,
  type Change,
  changeOf,
  type Desk,
  discardLetters,
  type Edit,
  editLimit,
  getLetter,
  type KeptLetter,
  type Letter,
  type LetterFilter,
  type LetterState,
  listBodies,
  listGroups,
  listJobs,
  listLetters,
  openDesks,
  parseFilter,
  payloadCipher,
  previewAct,
  recordPreview,
  revealLetter,
  sealChange,
  sealContext,
  sealEdit,
  startEditedReplay,
  startReplay,
} from '../settlement/index.ts';
import { actorOf, allowed, requirePerson } from './access.ts';
import { outline } from './outline.ts';
import { objectOf, type PersonalAct, queryText, type Routes } from './routes.ts';
import { storeFor } from './stores.ts';

const pageSize = 50;
const jobsShown = 20;
const payloadLimit = 1024 * 1024;
/** Letters read at once to see whether a change fits them. */
const editPage = 100;
/** Letters a second. */
const rates = { least: 1, most: 500, usual: 50 };

export function letterRoutes(routes: Routes): void {
  const { RED } = routes;
  const storeOf = (request: AdminRequest): Store => storeFor(RED, request).store;

  routes.get('groups', 'view', (request) => {
    const queue = queryText(request, 'queue');
    const failureClass = queryText(request, 'class');
    return storeOf(request).run(listGroups, {
      closed: queryText(request, 'closed') === 'true',
      ...(queue === undefined ? {} : { queue }),
      ...(failureClass === undefined ? {} : { class: failureClass }),
    });
  });

  routes.get('causes', 'view', async (request) => {
    const store = storeOf(request);
    const queue = queryText(request, 'queue');
    const failureClass = queryText(request, 'class');
    const [groups, owners, trends] = await Promise.all([
      store.run(listGroups, {
        closed: queryText(request, 'closed') === 'true',
        ...(queue === undefined ? {} : { queue }),
        ...(failureClass === undefined ? {} : { class: failureClass }),
      }),
      store.run(causeOwners, undefined),
      store.run(causeTrends, undefined),
    ]);
    return groups.map((group) => {
      const ofGroup = (one: { queue: string; fingerprint: string }) =>
        one.queue === group.queue && one.fingerprint === group.fingerprint;
      return { ...group, owner: owners.find(ofGroup) ?? null, trend: trends.find(ofGroup)?.hours ?? [] };
    });
  });

  routes.get('cause', 'view', (request) =>
    storeOf(request).run(causeStory, {
      queue: queryText(request, 'queue') ?? '',
      fingerprint: queryText(request, 'fingerprint') ?? '',
    }),
  );

  routes.act('assign', 'assign', 'assign', async (act, request) => {
    const { store } = storeFor(RED, request);
    return store.run(assignCauses, {
      token: act.token,
      actor: act.actor,
      reason: act.reason,
      assignee: nameOf(act.body.assignee),
      causes: causesOf(act.body.causes),
    });
  });

  routes.get('letters', 'view', (request) => {
    const after = queryText(request, 'after');
    return storeOf(request).run(listLetters, {
      filter: filterOfQuery(request),
      limit: pageSize,
      ...(after === undefined ? {} : { after }),
    });
  });

  routes.get('letters/:id', 'view', async (request) => {
    const { id: storeId, store } = storeFor(RED, request);
    const letter = found(await store.run(getLetter, { id: request.params.id ?? '' }));
    const { body: _body, bodyKey: _key, edited, ...facts } = letter;
    return {
      ...facts,
      properties: undefined,
      edited: edited !== null,
      outline: shapeOf(letter, storeId),
      replayable: deskFor(letter.queue, storeId) !== undefined,
      mayReveal: allowed(request, 'reveal', RED),
    };
  });

  routes.act('letters/:id/reveal', 'reveal', 'reveal', async ({ actor, reason }, request) => {
    const { id: storeId, store } = storeFor(RED, request);
    const letter = found(await store.run(revealLetter, { id: request.params.id ?? '', actor, reason }));
    const plain = plainBody(letter, storeId);
    const shown = { contentType: letter.contentType, original: textOf(plain), properties: letter.properties };
    if (letter.edited === null) return shown;
    const { edited } = letter;
    const generation = letter.edits[0]?.generation;
    const body = cipherFor(letter.queue, storeId).open(
      edited.body,
      edited.bodyKey,
      sealContext(letter.queue, letter.messageId, generation),
    );
    return { ...shown, contentType: edited.contentType, edited: textOf(body) };
  });

  routes.ask('preview', 'view', async (request) => {
    const { store } = storeFor(RED, request);
    return store.run(previewAct, { filter: parseFilter(objectOf(request.body).filter) });
  });

  routes.act('replay', 'replay', 'replay', async (act, request) => {
    const { id: storeId, store } = storeFor(RED, request);
    const filter = parseFilter(act.body.filter);
    const chosen = { ...filter, ...(act.body.includePolicyRejections === true ? {} : withoutPolicyRejections(filter)) };
    const preview = await store.run(previewAct, { filter: chosen });
    requireExpected(act, preview.count);
    for (const queue of preview.queues) {
      if (deskFor(queue, storeId) === undefined) throw noDesk(queue);
    }
    const started = await store.run(startReplay, {
      token: act.token,
      actor: act.actor,
      reason: act.reason,
      jobId: randomUUID(),
      filter: chosen,
      rate: rateOf(act.body.rate),
    });
    wake(storeId);
    return started;
  });

  // Who edits has seen the payload, so both permissions are asked for.
  routes.act('letters/:id/edit-replay', 'edit', 'edit-replay', async (act, request) => {
    requireReveal(request, RED);
    const { id: storeId, store } = storeFor(RED, request);
    const letter = found(await store.run(getLetter, { id: request.params.id ?? '' }));
    if (deskFor(letter.queue, storeId) === undefined) throw noDesk(letter.queue);
    const started = await store.run(startReplay, {
      token: act.token,
      actor: act.actor,
      reason: act.reason,
      jobId: randomUUID(),
      filter: { ids: [letter.id] },
      rate: rates.usual,
      edit: editOf(act, letter, storeId),
    });
    wake(storeId);
    return started;
  });

  // What a bulk edit would do, letter by letter. It reads payloads, but tells only what fits and what does not.
  routes.ask('edit-preview', 'edit', async (request) => {
    requireReveal(request, RED);
    requirePerson(request, RED);
    const { id: storeId, store } = storeFor(RED, request);
    const body = objectOf(request.body);
    const filter = parseFilter(body.filter);
    const change = changeOf(body.change);
    const { count } = await store.run(previewAct, { filter });
    await store.run(recordPreview, {
      actor: actorOf(request),
      change: `set ${change.pointer}`,
      letters: Math.min(count, editLimit),
    });
    const plan = await planEdit(store, storeId, filter, change);
    return plan.told;
  });

  routes.act('edit-replay', 'edit', 'edit-replay', async (act, request) => {
    requireReveal(request, RED);
    const { id: storeId, store } = storeFor(RED, request);
    const change = changeOf(act.body.change);
    const filter = parseFilter(act.body.filter);
    const { ids } = await planEdit(store, storeId, filter, change);
    requireExpected(act, ids.length);
    const jobId = randomUUID();
    const started = await store.run(startEditedReplay, {
      token: act.token,
      actor: act.actor,
      reason: act.reason,
      jobId,
      rate: rateOf(act.body.rate),
      change: `set ${change.pointer}`,
      sealed: sealChange(payloadCipher(), jobId, change),
      filter,
      ids,
    });
    wake(storeId);
    return started;
  });

  routes.act('discard', 'discard', 'discard', async (act, request) => {
    const { id: storeId, store } = storeFor(RED, request);
    const filter = parseFilter(act.body.filter);
    requireExpected(act, (await store.run(previewAct, { filter })).count);
    const result = await store.run(discardLetters, { token: act.token, actor: act.actor, reason: act.reason, filter });
    wake(storeId);
    return result;
  });

  routes.get('jobs', 'view', (request) => storeOf(request).run(listJobs, { limit: jobsShown }));

  routes.act('jobs/:id/cancel', 'replay', 'cancel', async (act, request) => {
    const { id: storeId, store } = storeFor(RED, request);
    const result = await store.run(cancelReplay, {
      token: act.token,
      actor: act.actor,
      reason: act.reason,
      jobId: request.params.id ?? '',
    });
    wake(storeId);
    return result;
  });
}

function requireReveal(request: AdminRequest, RED: RuntimeApi): void {
  if (allowed(request, 'reveal', RED)) return;
  throw new Failure('policy-rejection', 'REVEAL_NEEDED', 'Editing a payload needs the permission healthflows.reveal.');
}

const assigneeLimit = 100;
const causesLimit = 200;

function nameOf(value: unknown): string {
  if (typeof value === 'string' && value.trim().length <= assigneeLimit) return value.trim();
  throw new Failure('data-quality', 'ASSIGNEE_INVALID', `Name a person in at most ${assigneeLimit} characters.`);
}

function causesOf(value: unknown): { queue: string; fingerprint: string }[] {
  const valid =
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= causesLimit &&
    value.every((one: unknown) => {
      const { queue, fingerprint } = (one ?? {}) as Record<string, unknown>;
      return typeof queue === 'string' && typeof fingerprint === 'string';
    });
  if (valid) return value.map(({ queue, fingerprint }) => ({ queue, fingerprint }));
  throw new Failure('data-quality', 'CAUSES_INVALID', `Choose 1 to ${causesLimit} causes.`);
}

/** Letters of a filter that a change fits; bounded by what one act may edit. It reads them in pages and keeps none. */
async function planEdit(
  store: Store,
  storeId: string,
  filter: LetterFilter,
  change: Change,
): Promise<{ ids: string[]; told: Record<string, unknown> }> {
  const chosen = { ...filter, states: filter.states ?? (['open', 'failed-again'] satisfies LetterState[]) };
  const ids: string[] = [];
  const left: Record<string, number> = {};
  const sample: string[] = [];
  let seen = 0;
  let more = true;
  for (let after: string | undefined; more && seen < editLimit; ) {
    const limit = Math.min(editPage, editLimit - seen);
    const page = await store.run(listBodies, { filter: chosen, limit, ...(after === undefined ? {} : { after }) });
    for (const letter of page) {
      const edited = applyChange(letter.contentType, plainBody(letter, storeId), change);
      if ('why' in edited) left[edited.why] = (left[edited.why] ?? 0) + 1;
      else {
        ids.push(letter.id);
        if (sample.length < 5) sample.push(letter.businessKey ?? letter.messageId);
      }
    }
    seen += page.length;
    after = page.at(-1)?.id;
    more = page.length === limit;
  }
  return { ids, told: { count: ids.length, left, sample, more: more && seen === editLimit, limit: editLimit } };
}

function filterOfQuery(request: AdminRequest): LetterFilter {
  const states = queryText(request, 'state');
  return parseFilter({
    ...(states === undefined || states === 'all' ? {} : { states: states.split(',') }),
    class: queryText(request, 'class'),
    queue: queryText(request, 'queue'),
    fingerprint: queryText(request, 'fingerprint'),
    job: queryText(request, 'job'),
    text: queryText(request, 'text'),
  });
}

/** A policy refused them: sending them again in bulk would only be refused again, or worse, be let through. */
function withoutPolicyRejections(filter: LetterFilter): LetterFilter {
  return filter.ids !== undefined || filter.class === 'policy-rejection' ? {} : { exceptPolicyRejections: true };
}

/** A selection that has grown since the person looked at it is not what they agreed to. */
function requireExpected(act: PersonalAct, count: number): void {
  const { expected } = act.body;
  // None left is answered by the act itself: it may be the repetition of one that is done.
  if (count === 0 || (typeof expected === 'number' && count <= expected)) return;
  throw new Failure(
    'conflict',
    'SELECTION_CHANGED',
    `The selection holds ${count} letters now, not ${typeof expected === 'number' ? expected : 'the number you confirmed'}. Look at it again.`,
    { retryable: false },
  );
}

function rateOf(value: unknown): number {
  if (value === undefined) return rates.usual;
  if (Number.isInteger(value) && (value as number) >= rates.least && (value as number) <= rates.most)
    return value as number;
  throw new Failure(
    'data-quality',
    'RATE_INVALID',
    `The rate must be ${rates.least} to ${rates.most} letters a second.`,
  );
}

function editOf({ body }: PersonalAct, letter: Letter, storeId: string): Edit {
  const { payload, contentType } = body;
  if (typeof payload !== 'string' || Buffer.byteLength(payload) > payloadLimit) {
    throw new Failure('data-quality', 'EDIT_TOO_LARGE', `An edited payload is text of at most ${payloadLimit} bytes.`);
  }
  const type = typeof contentType === 'string' && contentType.length <= 200 ? contentType : letter.contentType;
  if (/[/+]json\b/i.test(type)) parseJson(payload);
  const edited = Buffer.from(payload);
  const original = plainBody(letter, storeId);
  if (edited.equals(original) && letter.edited === null) {
    throw new Failure('data-quality', 'EDIT_UNCHANGED', 'The payload is unchanged. Use Replay to send it as it is.');
  }
  return sealEdit(
    cipherFor(letter.queue, storeId),
    { ...letter, generation: letter.generation + 1, contentType: type },
    original,
    edited,
  );
}

/** Without the key of an encrypted payload the rest of the letter is still worth reading. */
function shapeOf(letter: Letter, storeId: string): unknown {
  try {
    return outline(letter.contentType, plainBody(letter, storeId));
  } catch (error) {
    return toFailure(error).message;
  }
}

function plainBody(letter: Pick<KeptLetter, 'queue' | 'messageId' | 'body' | 'bodyKey'>, storeId: string): Buffer {
  return letter.bodyKey === null
    ? Buffer.from(letter.body)
    : cipherFor(letter.queue, storeId).open(letter.body, letter.bodyKey, sealContext(letter.queue, letter.messageId));
}

function cipherFor(queue: string, storeId: string): Desk['cipher'] {
  const desk = deskFor(queue, storeId);
  if (desk === undefined) throw noDesk(queue);
  return desk.cipher;
}

function deskFor(queue: string, storeId: string): Desk | undefined {
  return openDesks().find((desk) => desk.queue === queue && desk.storeId === storeId);
}

function wake(storeId: string): void {
  for (const desk of openDesks()) if (desk.storeId === storeId) desk.wake();
}

function found<T>(letter: T | undefined): T {
  if (letter !== undefined) return letter;
  throw new Failure(
    'data-quality',
    'LETTER_UNKNOWN',
    'This letter does not exist any more; its retention may have ended.',
  );
}

function noDesk(queue: string): Failure {
  return new Failure(
    'configuration',
    'NO_DEAD_LETTER_NODE',
    `No dead-letter node of this Node-RED collects ${queue}, so nothing would send the letters. Deploy one for it.`,
  );
}

/** Text as it is; other bytes as base64 with a mark. */
function textOf(bytes: Buffer): { text: string } | { base64: string } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    return { base64: bytes.toString('base64') };
  }
}
