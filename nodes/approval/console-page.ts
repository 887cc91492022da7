/** The inbox: a page of the console. Who decides is who signed in to Node-RED; a link changes nothing about that. */
import { actorOf, contributePage, type PageRoutes, type PersonalAct, queryText } from '../console/index.ts';
import { Failure, toFailure } from '../kernel/failure.ts';
import { type AdminRequest, hasLogin, holds, type RuntimeApi } from '../node/index.ts';
import { type ApprovalDesk, openApprovalDesks } from './desk.ts';
import { applyEdits } from './edits.ts';
import { type Envelope, repack, unpack } from './envelope.ts';
import { readTicket, type Ticket } from './link.ts';
import { personKey } from './people.ts';
import { type ApprovalRequest, sealContext, type StoredRequest } from './request.ts';
import { type Ballot, castVote, type Refusal, reviewEmergency } from './store/decide.ts';
import { delegate, endDelegation, listDelegations } from './store/delegations.ts';
import {
  type List,
  listRequests,
  lists,
  type OpenedRequest,
  openRequest,
  recordRefusedLink,
  revealRequest,
} from './store/inspect.ts';
import { continueAgain } from './store/resume.ts';
import { documentView } from './view.ts';

/** Deciding, and standing in for somebody. Ends in neither `.read` nor `.write`: Node-RED grants those to everybody. */
const approve = 'healthflows.approve';
const see = 'healthflows.view';
const longestDelegation = 366 * 86_400_000;

contributePage({
  id: 'approvals',
  title: 'Approvals',
  order: 40,
  permission: approve,
  acts: { approve, continueApproval: 'healthflows.replay', delegateForOthers: 'healthflows.assign' },
  assets: new URL('./assets/', import.meta.url),
  script: 'approvals.js',
  inUse: () => openApprovalDesks().length > 0,
  async waiting(RED, request) {
    const person = personOf(request, RED);
    let waiting = 0;
    for (const { store } of distinctStores()) {
      waiting += (await store.run(listRequests, { list: 'mine', person, limit: 100 })).requests.length;
    }
    return waiting;
  },
  routes: addRoutes,
});

function addRoutes(routes: PageRoutes): void {
  const { RED } = routes;

  routes.get('list', approve, async (request) => {
    const list = (queryText(request, 'list') ?? 'mine') as List;
    if (!lists.includes(list)) throw invalid('This list is not known.');
    // What others are asked is told to who may see all.
    if (list !== 'mine' && list !== 'asked' && !holds(request, see, RED)) throw notYours();
    const after = queryText(request, 'after');
    const process = queryText(request, 'process');
    const { store } = deskOf(request);
    const page = await store.run(listRequests, {
      list,
      person: personOf(request, RED),
      ...(after === undefined ? {} : { after }),
      ...(process === undefined ? {} : { process }),
    });
    return { ...page, requests: page.requests.map((one) => ({ ...summaryOf(one), voted: one.voted })) };
  });

  routes.get('requests/:id', approve, async (request) => {
    const person = personOf(request, RED);
    const opened = await openedOf(request, person);
    return detailOf(opened, person, request, RED);
  });

  // By body, not by address: tickets do not belong into access logs.
  routes.ask('ticket', approve, async (request) => {
    const { store } = deskOf(request);
    const person = personOf(request, RED);
    const { id, ticket } = request.body as { id?: unknown; ticket?: unknown };
    const opened = await store.run(openRequest, { id: String(id), person });
    if (opened === undefined) throw unknown();
    await checkedTicket(opened.request, ticket, person);
    return { person };
  });

  routes.act('requests/:id/vote', approve, 'approve', async (personal, request) => {
    const person = personOf(request, RED, personal);
    const opened = await openedOf(request, person);
    const { store, desk } = storeOf(opened.request, request);
    const { verdict, revision, edits, ticket } = personal.body;
    if (verdict !== 'approve' && verdict !== 'reject' && verdict !== 'emergency')
      throw invalid('There is no such decision.');
    const checked = ticket === undefined ? undefined : await checkedTicket(opened.request, ticket, person);
    const ballot: Ballot = {
      requestId: opened.request.id,
      revision: Number(revision),
      verdict,
      person,
      reason: personal.reason,
      token: personal.token,
      ...(checked === undefined ? {} : { nonce: checked.nonce }),
      ...(hasLogin(RED) ? {} : { unproven: true }),
    };
    const edit = verdict === 'approve' ? editOf(edits, opened, person, desk) : undefined;
    const result = await store.run(castVote, edit === undefined ? ballot : { ...ballot, edit });
    if (result.kind === 'refused') throw refused(result.why, result.by ?? null, result.state);
    if (result.state === 'decided') wake(opened.request);
    return result;
  });

  routes.act('requests/:id/review', approve, 'review', async (personal, request) => {
    const person = personOf(request, RED, personal);
    const { verdict } = personal.body;
    if (verdict !== 'confirmed' && verdict !== 'objected') throw invalid('A review confirms or objects.');
    const opened = await openedOf(request, person);
    const { store } = storeOf(opened.request, request);
    const result = await store.run(reviewEmergency, {
      requestId: opened.request.id,
      person,
      verdict,
      reason: personal.reason,
    });
    if (result.kind === 'refused') throw refusedReview(result.why);
    wake(opened.request);
    return result;
  });

  routes.act('requests/:id/reveal', 'healthflows.reveal', 'reveal', async ({ reason, actor }, request) => {
    const { store } = deskOf(request);
    const opened = await store.run(revealRequest, { id: idOf(request), person: personKey(actor), reason });
    if (opened === undefined) throw unknown();
    const { message } = envelopeOf(opened.request, deskFor(opened.request));
    return { document: message.payload ?? null };
  });

  routes.act('requests/:id/continue', 'healthflows.replay', 'replay', async ({ reason, actor }, request) => {
    const { store } = deskOf(request);
    const opened = await store.run(openRequest, { id: idOf(request), person: personKey(actor) });
    if (opened === undefined) throw unknown();
    const again = await store.run(continueAgain, { requestId: opened.request.id, person: actor, reason });
    if (!again) throw conflict('APPROVAL_NOT_FAILED', 'This message is not held up any more; look at it again.');
    wake(opened.request);
    return { again };
  });

  routes.get('delegations', approve, (request) => deskOf(request).store.run(listDelegations, undefined));

  routes.act('delegations', approve, 'delegate', async (personal, request) => {
    const person = personOf(request, RED, personal);
    const { from, to, process, startsAt, endsAt } = personal.body;
    const away = typeof from === 'string' && from.trim() !== '' ? personKey(from) : person;
    if (away !== person && !holds(request, 'healthflows.assign', RED)) {
      throw new Failure(
        'policy-rejection',
        'DELEGATION_FOR_OTHERS',
        'Only who holds healthflows.assign arranges this for others.',
      );
    }
    if (typeof to !== 'string' || to.trim() === '' || to.length > 200) throw invalid('Name who stands in.');
    const period = { startsAt: Number(startsAt), endsAt: Number(endsAt) };
    if (!Number.isSafeInteger(period.startsAt) || !Number.isSafeInteger(period.endsAt))
      throw invalid('Give both days of the period.');
    if (period.endsAt - period.startsAt > longestDelegation) throw invalid('A delegation holds for at most a year.');
    return deskOf(request).store.run(delegate, {
      id: personal.token,
      from: away,
      to: personKey(to),
      process: typeof process === 'string' ? process.slice(0, 100) : '',
      ...period,
      madeBy: person,
      reason: personal.reason,
    });
  });

  routes.act('delegations/:id/end', approve, 'delegate', async (personal, request) => {
    const ended = await deskOf(request).store.run(endDelegation, {
      id: idOf(request),
      by: personOf(request, RED, personal),
      ofAnybody: holds(request, 'healthflows.assign', RED) && hasLogin(RED),
      reason: personal.reason,
    });
    if (!ended) throw conflict('DELEGATION_ENDED', 'This delegation has ended already, or is not yours to end.');
    return { ended };
  });
}

/**
 * Who acts. Without a login (a sandbox, where the settings allow it) only what somebody typed, and the audit trail says
 * so.
 */
function personOf(request: AdminRequest, RED: RuntimeApi, personal?: PersonalAct): string {
  if (hasLogin(RED)) return personKey(actorOf(request));
  const typed = personal === undefined ? queryText(request, 'as') : personal.body.as;
  return typeof typed === 'string' && typed.trim() !== '' && typed.length <= 100 ? personKey(typed) : 'anonymous';
}

function distinctStores(): ApprovalDesk[] {
  return [...new Map(openApprovalDesks().map((desk) => [desk.storeId, desk])).values()];
}

/** A desk of the store that the request names, else the first. */
function deskOf(request: AdminRequest): ApprovalDesk {
  const named = queryText(request, 'store');
  const desks = openApprovalDesks();
  const desk = desks.find(({ storeId }) => storeId === named) ?? desks[0];
  if (desk !== undefined) return desk;
  throw new Failure(
    'configuration',
    'NO_APPROVAL_NODE',
    'No approval node is deployed, so there is nothing to decide.',
  );
}

/** The node that has the request's process; undefined when it is not deployed here. */
function deskFor({ process }: ApprovalRequest): ApprovalDesk | undefined {
  return openApprovalDesks().find((desk) => desk.process === process);
}

function storeOf(found: ApprovalRequest, request: AdminRequest) {
  return { store: deskOf(request).store, desk: deskFor(found) };
}

function idOf(request: AdminRequest): string {
  return request.params.id ?? '';
}

async function openedOf(request: AdminRequest, person: string): Promise<OpenedRequest> {
  const opened = await deskOf(request).store.run(openRequest, { id: idOf(request), person });
  if (opened === undefined) throw unknown();
  return opened;
}

function summaryOf({ terms, messageId: _, generation: __, ...facts }: ApprovalRequest) {
  return { ...facts, approvals: terms.seats.length };
}

function detailOf(opened: OpenedRequest, person: string, request: AdminRequest, RED: RuntimeApi) {
  const { request: found, votes, people, authorities } = opened;
  const { body: _, bodyKey: __, ...facts } = found;
  const isAsked = authorities.length > 0 || found.terms.emergency.includes(person);
  const seesAll = holds(request, see, RED) && hasLogin(RED);
  if (!isAsked && !seesAll && found.requester !== person && !votes.some((vote) => vote.person === person))
    throw hasLogin(RED) ? notYours() : notNamed();
  const voted = votes.some((vote) => vote.person === person && vote.revision === found.revision);
  const mayVote = found.state === 'open' && authorities.length > 0 && !voted && found.deadlineAt > Date.now();
  const desk = deskFor(found);
  return {
    ...summaryOf(facts),
    votes,
    people,
    seats: found.terms.seats,
    onBehalfOf: authorities.includes(person) ? null : (authorities[0] ?? null),
    onDeadline: found.terms.onDeadline,
    mayVote,
    isOwn: found.requester === person,
    mayUseEmergency: found.state === 'open' && found.requester !== person && found.terms.emergency.includes(person),
    mayReview:
      (found.reviewState === 'due' || found.reviewState === 'overdue') &&
      authorities.length > 0 &&
      found.decidedBy !== person,
    mayReveal: holds(request, 'healthflows.reveal', RED),
    deployed: desk !== undefined,
    ...(isAsked ? viewOf(found, desk, mayVote) : { view: null, edits: [] }),
  };
}

/** Without the key of a sealed document the rest of the request is still worth reading. */
function viewOf(found: StoredRequest, desk: ApprovalDesk | undefined, mayEdit: boolean) {
  try {
    const envelope = envelopeOf(found, desk);
    return { view: documentView(envelope, found.terms, mayEdit), edits: envelope.edits };
  } catch (error) {
    return { view: null, edits: [], viewProblem: toFailure(error).message };
  }
}

function envelopeOf(found: StoredRequest, desk: ApprovalDesk | undefined): Envelope {
  const cipher = (desk ?? openApprovalDesks()[0])?.cipher;
  if (cipher === undefined) throw unknown();
  return unpack(cipher.open(found.body, found.bodyKey, sealContext(found.id, found.revision)));
}

function editOf(
  wanted: unknown,
  { request: found }: OpenedRequest,
  person: string,
  desk: ApprovalDesk | undefined,
): Ballot['edit'] | undefined {
  if (wanted === undefined || (Array.isArray(wanted) && wanted.length === 0)) return undefined;
  if (desk === undefined) {
    throw new Failure(
      'configuration',
      'NO_APPROVAL_NODE',
      'The approval node of this process is not deployed; the document cannot be changed now.',
    );
  }
  const envelope = envelopeOf(found, desk);
  const { document, edits } = applyEdits(envelope.message.payload, wanted, found.terms.editable, person);
  if (edits.length === 0) return undefined;
  const bytes = repack(
    { message: { ...envelope.message, payload: document }, edits: [...envelope.edits, ...edits] },
    2 * desk.maxSize,
  );
  return {
    body: desk.cipher.seal(bytes, sealContext(found.id, found.revision + 1)),
    bodyKey: desk.cipher.keyId,
    paths: edits.map(({ path }) => path),
  };
}

/** A link is for one person and one request, whoever holds it; somebody else's try is in the audit trail. */
async function checkedTicket(found: ApprovalRequest, text: unknown, person: string): Promise<Ticket> {
  const desk = deskFor(found);
  try {
    const ticket = readTicket(desk?.linkKey ?? '', typeof text === 'string' ? text : '', Date.now());
    if (ticket.requestId !== found.id)
      throw refusedLink('APPROVAL_LINK_INVALID', 'This link belongs to another request.');
    if (ticket.person !== person) {
      await desk!.store.run(recordRefusedLink, {
        requestId: found.id,
        person,
        reason: 'APPROVAL_LINK_FORWARDED',
        madeFor: ticket.person,
      });
      throw refusedLink(
        'APPROVAL_LINK_FORWARDED',
        `This link was made for ${ticket.person}, and you are signed in as ${person}. Open your own inbox, or let ${ticket.person} delegate to you.`,
      );
    }
    return ticket;
  } catch (error) {
    const failure = toFailure(error);
    if (desk !== undefined && failure.code !== 'APPROVAL_LINK_FORWARDED') {
      await desk.store.run(recordRefusedLink, { requestId: found.id, person, reason: failure.code });
    }
    throw failure;
  }
}

function wake({ process }: ApprovalRequest): void {
  for (const desk of openApprovalDesks()) if (desk.process === process) desk.wake();
}

function refused(why: Refusal, by: string | null, state: string | undefined): Failure {
  const words: Record<Refusal, [code: string, text: string]> = {
    unknown: ['APPROVAL_UNKNOWN', 'This request does not exist any more.'],
    decided:
      state === 'open'
        ? ['APPROVAL_DEADLINE_PASSED', 'The deadline of this request has passed.']
        : [
            'APPROVAL_DECIDED',
            `This request was decided already${by === null ? '' : ` by ${by}`}. Your decision was not counted.`,
          ],
    changed: ['APPROVAL_CHANGED', 'Somebody changed the document since you looked at it. Read it again, then decide.'],
    voted: ['APPROVAL_VOTED', 'You have decided already; one more person must.'],
    requester: ['APPROVAL_SELF', 'This is your own request. Somebody else must decide it.'],
    'not-asked': ['APPROVAL_NOT_ASKED', 'You are not among those who may decide this request.'],
    'not-needed': ['APPROVAL_NOT_NEEDED', 'What you could approve is approved; the request waits for somebody else.'],
    'no-emergency': ['APPROVAL_NO_EMERGENCY', 'You may not let this request pass in an emergency.'],
    'link-used': ['APPROVAL_LINK_USED', 'This link was used before. Open the inbox instead.'],
  };
  const [code, text] = words[why];
  return why === 'decided' || why === 'changed' || why === 'voted' || why === 'not-needed' || why === 'unknown'
    ? conflict(code, text)
    : new Failure('policy-rejection', code, text);
}

function refusedReview(why: 'unknown' | 'no-review' | 'requester' | 'same-person' | 'not-asked'): Failure {
  const words = {
    unknown: 'This request does not exist any more.',
    'no-review': 'This request does not wait for a review, or somebody was faster.',
    requester: 'This is your own request. Somebody else must review it.',
    'same-person': 'You let this request pass yourself. Somebody else must review it.',
    'not-asked': 'You are not among those who may review this request.',
  };
  return new Failure('policy-rejection', `APPROVAL_REVIEW_${why.toUpperCase().replaceAll('-', '_')}`, words[why]);
}

function refusedLink(code: string, text: string): Failure {
  return new Failure('policy-rejection', code, text);
}

function conflict(code: string, text: string): Failure {
  return new Failure('conflict', code, text, { retryable: false });
}

function invalid(text: string): Failure {
  return new Failure('data-quality', 'APPROVAL_FORM', text);
}

function unknown(): Failure {
  return new Failure(
    'data-quality',
    'APPROVAL_UNKNOWN',
    'This request does not exist any more; its retention may have ended.',
  );
}

function notNamed(): Failure {
  return new Failure(
    'policy-rejection',
    'APPROVAL_NOT_YOURS',
    'Without a login a request is shown to who may decide it alone. Say under “You act as” who you are, with a name that the policy asks.',
  );
}

function notYours(): Failure {
  return new Failure(
    'policy-rejection',
    'APPROVAL_NOT_YOURS',
    'You are not asked to decide this, and seeing the requests of others needs the permission healthflows.view.',
  );
}
