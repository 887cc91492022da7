// The inbox: what waits for me, what I asked for, and for those who may see it, everything. One request opens below the list.
import { get, poll, post } from '../../assets/api.js';
import { askReason } from '../../assets/dialogs.js';
import { ago, badge, duration, empty, errorBox, h, head as heading, instant, loading, render, table, toast } from '../../assets/dom.js';

const lists = [
  ['mine', 'For me'],
  ['asked', 'My requests'],
  ['open', 'All open', 'view'],
  ['review', 'To review', 'view'],
  ['failed', 'Held up', 'view'],
  ['closed', 'Decided', 'view'],
];

const outcomes = {
  approved: ['good', 'approved'],
  changed: ['good', 'approved with changes'],
  rejected: ['bad', 'rejected'],
  expired: ['attention', 'expired'],
};

const nothing = {
  mine: ['Nothing waits for you', 'Requests that you may decide appear here, those of people you stand in for too.'],
  asked: ['No requests of yours', 'What you ask for in other systems appears here when it needs an approval.'],
  open: ['No open requests', 'Everything is decided.'],
  review: ['Nothing to review', 'What passes in an emergency waits here for a second look.'],
  failed: ['Nothing is held up', 'Decided messages whose flow failed for good appear here.'],
  closed: ['Nothing decided yet', ''],
};

const personKey = 'healthflows-console-person';

export default function approvalsPage(main, session, query) {
  let chosen = query.get('list') ?? 'mine';
  let open = query.get('request') ?? undefined;
  const ticket = query.get('ticket') ?? undefined;
  let ended = false;
  let detail;
  let shown = [];
  // Without a login somebody has to say who they are; the audit trail marks it as unproven.
  let as = session.login ? undefined : (sessionStorage.getItem(personKey) ?? '');
  const may = session.may.approve && session.operations !== 'locked';

  const head = h('div', {});
  const list = h('div', {});
  const one = h('section', { 'aria-live': 'polite', tabindex: '-1' });
  render(main, heading('Approvals', 'What waits for a decision, and what was decided.'), head, list, one);
  render(list, loading());
  showHead();

  const withPerson = (path) => (as === undefined ? path : `${path}${path.includes('?') ? '&' : '?'}as=${encodeURIComponent(as)}`);
  const personal = (act) => (as === undefined ? act : { ...act, as });
  const live = poll(
    () => withPerson(`approvals/list?list=${chosen}`),
    (page) => showList(page.requests),
    (error) => render(list, errorBox(error, () => live.now())),
  );
  const address = () => history.replaceState(null, '', `#approvals?${new URLSearchParams({ list: chosen, ...(open === undefined ? {} : { request: open }) })}`);
  if (open !== undefined) void show(open);

  function showHead() {
    const tabs = lists.filter(([, , needed]) => needed === undefined || session.may[needed]);
    render(
      head,
      h(
        'div',
        { class: 'actions' },
        h(
          'div',
          { role: 'group', 'aria-label': 'Which requests', class: 'badges' },
          tabs.map(([name, title]) =>
            h('button', { type: 'button', class: name === chosen ? 'primary' : undefined, 'aria-pressed': String(name === chosen), 'data-key': `list-${name}`, onclick: () => choose(name) }, title),
          ),
        ),
        may && h('button', { type: 'button', 'data-key': 'away', onclick: () => away() }, 'Stand-ins…'),
        as !== undefined &&
          h('label', { class: 'quiet' }, 'You act as ', h('input', { value: as, 'data-key': 'as', size: '14', placeholder: 'name', onchange: (event) => actAs(event.target.value.trim()) })),
      ),
      as !== undefined && h('p', { class: 'quiet' }, 'Sandbox without a login: the name is taken on trust, and the audit trail says so.'),
    );
  }

  function actAs(name) {
    as = name;
    sessionStorage.setItem(personKey, name);
    live.now();
    if (open !== undefined) void show(open);
  }

  function choose(name) {
    chosen = name;
    shown = [];
    close();
    showHead();
    render(list, loading());
    live.now();
  }

  function showList(requests) {
    shown = requests;
    if (requests.length === 0) {
      render(list, empty(...nothing[chosen]));
      return;
    }
    render(
      list,
      table(
        'Requests for approval',
        [{ title: 'What', class: 'cause' }, { title: 'Amount', number: true }, { title: 'Process' }, { title: 'Requested by' }, { title: 'Since' }, { title: 'Decide until' }, { title: 'State' }],
        requests.map((request) => ({
          chosen: request.id === open,
          cells: [
            [
              h('button', { type: 'button', class: 'link', 'data-key': `request-${request.id}`, onclick: () => void show(request.id) }, request.title),
              request.reason && h('div', { class: 'quiet' }, request.reason),
            ],
            amountOf(request),
            request.process,
            request.requester ?? 'not known',
            h('span', { class: 'nowrap', title: new Date(request.createdAt).toISOString() }, ago(request.createdAt)),
            request.state === 'open' ? deadlineOf(request) : '',
            h('div', { class: 'badges' }, stateOf(request)),
          ],
        })),
      ),
    );
  }

  async function show(id) {
    open = id;
    address();
    if (shown.length > 0) showList(shown);
    if (detail?.id !== id) render(one, loading());
    try {
      if (ticket !== undefined) await post(withPerson('approvals/ticket'), { id, ticket });
      const found = await get(withPerson(`approvals/requests/${encodeURIComponent(id)}`));
      if (ended || open !== id) return;
      detail = found;
      showDetail();
      one.scrollIntoView({ block: 'nearest' });
    } catch (error) {
      if (!ended && open === id) render(one, errorBox(error));
    }
  }

  function close() {
    open = undefined;
    detail = undefined;
    render(one);
    address();
    if (shown.length > 0) showList(shown);
  }

  function showDetail() {
    const request = detail;
    const inputs = new Map();
    render(
      one,
      h('h2', {}, request.title, ' ', stateOf(request)),
      h(
        'dl',
        { class: 'facts' },
        fact('Amount', amountOf(request)),
        fact('Requested by', request.requester ?? 'not known'),
        fact('Reason given', request.reason),
        fact('Category', request.category),
        fact('Cost centre', request.costCentre),
        fact('Rule', `${request.rule} (policy ${request.policy})`),
        fact('Approvals', request.seats.length === 0 ? 'none needed' : request.seats.map((seat, i) => h('div', {}, `${i + 1}. ${seat.join(' or ')}`))),
        request.escalatedAt !== null && fact('Escalated', instant(request.escalatedAt)),
        request.state === 'open' && fact('Decide until', [instant(request.deadlineAt), ` (then it is ${{ expire: 'expired', reject: 'rejected', approve: 'approved' }[request.onDeadline]})`]),
        request.decidedAt !== null && fact('Decided', [instant(request.decidedAt), ` by ${request.decidedBy}: ${request.decisionReason}`]),
        request.reviewedAt !== null && fact('Reviewed', [instant(request.reviewedAt), ` by ${request.reviewedBy}: ${request.reviewReason}`]),
        request.failureCode !== null && request.state !== 'resumed' && fact('Held up by', `${request.failureCode}: ${request.failureMessage}`),
      ),
      request.votes.length > 0 &&
        table(
          'Decisions of people',
          [{ title: 'Who' }, { title: 'Decision' }, { title: 'When' }, { title: 'Reason', class: 'cause' }],
          request.votes.map((vote) => [
            vote.onBehalfOf === null ? vote.person : `${vote.person} for ${vote.onBehalfOf}`,
            [vote.verdict, vote.revision === request.revision ? '' : ' (of the document before it was changed)'],
            instant(vote.at),
            vote.reason,
          ]),
        ),
      h('h3', {}, request.view?.entity ?? 'Document'),
      documentOf(request, inputs),
      request.edits.length > 0 &&
        table(
          'Changed by approvers',
          [{ title: 'Field' }, { title: 'Was' }, { title: 'Is' }, { title: 'By' }],
          request.edits.map((edit) => [h('span', { class: 'mono' }, edit.path), String(edit.from), String(edit.to), edit.by]),
        ),
      !request.deployed && h('p', { class: 'notice' }, 'The approval node of this process is not deployed here. A decision is kept; the message goes on when the node is back.'),
      request.isOwn && request.state === 'open' && h('p', { class: 'quiet' }, 'This is your own request: somebody else decides it.'),
      actions(request, inputs),
    );
  }

  function actions(request, inputs) {
    const changed = () => [...inputs].filter(([, { field, input }]) => input.value !== String(field.value ?? '')).map(([path, { input }]) => ({ path, value: input.value }));
    const forWhom = request.onBehalfOf === null ? '' : ` You decide for ${request.onBehalfOf}.`;
    const vote = (verdict, button, text, danger) =>
      decide({
        title: `${button}: ${request.title}`,
        text: `${amountOf(request)} ${text}${forWhom}`.trim(),
        button,
        danger,
        extra: () => ({ verdict, revision: request.revision, ...(ticket === undefined ? {} : { ticket }), ...(verdict === 'approve' ? { edits: changed() } : {}) }),
        path: 'vote',
        done: (result) =>
          result.state === 'open' ? `Counted. ${result.waiting === 1 ? 'One more approval is' : `${result.waiting} more approvals are`} needed.` : `${request.title} is ${outcomes[result.outcome]?.[1] ?? 'decided'}.`,
      });
    const approveText = () => {
      const fields = changed();
      return fields.length === 0 ? '' : `With ${fields.length === 1 ? 'one change' : `${fields.length} changes`}: ${fields.map(({ path, value }) => `${path} = ${value}`).join(', ')}. Approvals given before no longer count.`;
    };
    return h(
      'div',
      { class: 'actions' },
      may && request.mayVote && h('button', { type: 'button', class: 'primary', 'data-key': 'approve', onclick: () => vote('approve', 'Approve', approveText(), false) }, 'Approve…'),
      may && request.mayVote && h('button', { type: 'button', class: 'danger', 'data-key': 'reject', onclick: () => vote('reject', 'Reject', '', true) }, 'Reject…'),
      may && request.mayUseEmergency && h('button', { type: 'button', 'data-key': 'emergency', onclick: () => vote('emergency', 'Let pass in an emergency', 'Passes at once, without the approvals that are missing. Somebody else reviews it after.', true) }, 'Emergency…'),
      may && request.mayReview && h('button', { type: 'button', class: 'primary', 'data-key': 'confirm', onclick: () => review('confirmed', 'Confirm') }, 'Confirm the emergency…'),
      may && request.mayReview && h('button', { type: 'button', class: 'danger', 'data-key': 'object', onclick: () => review('objected', 'Object') }, 'Object…'),
      session.may.continueApproval && request.state === 'failed' && h('button', { type: 'button', 'data-key': 'continue', onclick: () => again() }, 'Let it go on again…'),
      request.mayReveal && session.operations !== 'locked' && h('button', { type: 'button', 'data-key': 'reveal', onclick: () => reveal() }, 'Whole document…'),
      h('button', { type: 'button', class: 'plain', 'data-key': 'close', onclick: close }, 'Close'),
    );

    function review(verdict, button) {
      return decide({
        title: `${button}: ${request.title}`,
        text: `Passed in an emergency by ${request.decidedBy}: ${request.decisionReason}`,
        button,
        danger: verdict === 'objected',
        extra: () => ({ verdict }),
        path: 'review',
        done: () => (verdict === 'confirmed' ? 'The emergency is confirmed.' : 'Your objection is recorded.'),
      });
    }
    function again() {
      return decide({ title: `Let it go on again: ${request.title}`, text: `It was held up by ${request.failureCode}.`, button: 'Go on', path: 'continue', done: () => 'It goes on.' });
    }
    async function reveal() {
      const shown = await askReason({ title: `Whole document: ${request.title}`, text: 'It may hold names of staff or patients. Opening it is recorded.', button: 'Open', session: person(), act: (act) => post(withPerson(`approvals/requests/${request.id}/reveal`), personal(act)) });
      if (shown !== undefined) render(one, h('h2', {}, request.title), h('pre', { tabindex: '0' }, JSON.stringify(shown.document, null, 2)), h('div', { class: 'actions' }, h('button', { type: 'button', 'data-key': 'back', onclick: showDetail }, 'Back')));
    }
    async function decide({ title, text, button, danger, extra, path, done }) {
      const result = await askReason({ title, text, button, danger, session: person(), extra, act: (act) => post(withPerson(`approvals/requests/${request.id}/${path}`), personal(act)) });
      if (result === undefined) return;
      toast(done(result));
      live.now();
      void show(request.id);
    }
  }

  /** Under which name an act is recorded. */
  function person() {
    return as === undefined ? session : { ...session, user: as === '' ? 'anonymous' : as };
  }

  function documentOf(request, inputs) {
    if (request.viewProblem) return h('p', { class: 'error' }, request.viewProblem);
    if (request.view === null) return h('p', { class: 'quiet' }, 'You are not asked to decide this, so its document is not shown.');
    const { fields, hidden } = request.view;
    const cell = (field) => {
      if (field.editable === undefined || !may) return String(field.value ?? '');
      const input = h('input', { value: String(field.value ?? ''), 'aria-label': `${field.label} (${field.path})`, inputmode: field.editable === 'decimal' ? 'decimal' : 'text', size: '12', 'data-key': `edit-${field.path}` });
      inputs.set(field.path, { field, input });
      return input;
    };
    const single = [];
    const groups = new Map();
    for (const field of fields) {
      const match = /^(.*?)\.(\d+)\.(.+)$/.exec(field.path);
      if (match === null) single.push(field);
      else {
        const group = groups.get(match[1]) ?? { columns: new Map(), rows: new Map() };
        groups.set(match[1], group);
        group.columns.set(match[3], field.label);
        const row = group.rows.get(match[2]) ?? new Map();
        group.rows.set(match[2], row);
        row.set(match[3], field);
      }
    }
    return [
      single.length > 0 && h('dl', { class: 'facts' }, single.map((field) => fact(field.label, cell(field)))),
      [...groups].map(([name, { columns, rows }]) =>
        table(
          name,
          [{ title: name }, ...[...columns.values()].map((title) => ({ title }))],
          [...rows].map(([place, row]) => [String(Number(place) + 1), ...[...columns.keys()].map((key) => (row.has(key) ? cell(row.get(key)) : ''))]),
        ),
      ),
      fields.length === 0 && h('p', { class: 'quiet' }, 'The policy shows no field of this document.'),
      hidden > 0 && h('p', { class: 'quiet' }, `${hidden === 1 ? 'One value is' : `${hidden} values are`} not shown: the policy does not name them, or they are about people.`),
    ];
  }

  async function away() {
    let standing;
    try {
      standing = await get(withPerson('approvals/delegations'));
    } catch (error) {
      toast(error.message);
      return;
    }
    const today = new Date();
    const day = (offset) => new Date(today.getFullYear(), today.getMonth(), today.getDate() + offset);
    const text = (date) => `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, '0')}-${String(date.getDate()).padStart(2, '0')}`;
    const to = h('input', { name: 'to', required: true, autocomplete: 'off' });
    const from = h('input', { name: 'from', autocomplete: 'off', placeholder: 'me' });
    const first = h('input', { type: 'date', value: text(day(0)), required: true });
    const last = h('input', { type: 'date', value: text(day(7)), required: true });
    const done = await askReason({
      title: 'Stand-ins',
      text: 'Whoever stands in decides with your authority, never on their own requests and never on yours.',
      body: [
        standing.length > 0 &&
          table(
            'Delegations that hold or will',
            [{ title: 'Away' }, { title: 'Stands in' }, { title: 'From' }, { title: 'Until' }, { title: '' }],
            standing.map((delegation) => [
              delegation.from,
              delegation.to,
              new Date(delegation.startsAt).toLocaleDateString(),
              new Date(delegation.endsAt - 1).toLocaleDateString(),
              h('button', { type: 'button', onclick: (event) => void end(delegation, event.target) }, 'End'),
            ]),
          ),
        session.may.delegateForOthers && h('label', {}, 'Who is away', from),
        h('label', {}, 'Who stands in (Node-RED user)', to),
        h('div', { class: 'sides' }, h('label', {}, 'First day', first), h('label', {}, 'Last day', last)),
      ],
      button: 'Hand over',
      session: person(),
      extra: () => ({ to: to.value, from: from.value, startsAt: midnight(first.value), endsAt: midnight(last.value, 1) }),
      act: (act) => post(withPerson('approvals/delegations'), personal(act)),
    });
    if (done !== undefined) toast(`${done.to} stands in for ${done.from}.`);
  }

  async function end(delegation, button) {
    button.disabled = true;
    try {
      const token = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
      await post(withPerson(`approvals/delegations/${delegation.id}/end`), personal({ token, reason: 'ended in the inbox' }));
      button.textContent = 'ended';
    } catch (error) {
      button.disabled = false;
      toast(error.message);
    }
  }

  return () => {
    ended = true;
    live.end();
  };
}

/** Local midnight at the beginning of a day, so that a day with a change of the clock is whole. */
function midnight(text, days = 0) {
  const [year, month, day] = text.split('-').map(Number);
  return new Date(year, month - 1, day + days).getTime();
}

function fact(title, value) {
  return value === null || value === undefined || value === '' || value === false ? undefined : [h('dt', {}, title), h('dd', {}, value)];
}

function amountOf({ amount, currency }) {
  if (amount === null) return '';
  const [whole, fraction] = amount.split('.');
  // Groups of thousands in text, because a number would lose digits.
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return `${grouped}${fraction === undefined ? '' : `.${fraction}`} ${currency ?? ''}`.trim();
}

function deadlineOf({ deadlineAt }) {
  const left = deadlineAt - Date.now();
  const kind = left < 3_600_000 ? 'bad' : left < 8 * 3_600_000 ? 'attention' : '';
  return h('span', { title: new Date(deadlineAt).toISOString() }, left <= 0 ? badge('bad', 'passed') : badge(kind, `in ${duration(left)}`));
}

function stateOf(request) {
  const shown = [];
  if (request.state === 'open') shown.push(badge('attention', request.escalatedAt === null ? 'open' : 'escalated'));
  else if (request.state === 'failed') shown.push(badge('bad', 'held up'));
  const outcome = outcomes[request.outcome];
  if (outcome !== undefined) shown.push(badge(...outcome));
  if (request.emergency) {
    shown.push(
      badge(...({ due: ['attention', 'emergency, to review'], overdue: ['bad', 'emergency, review overdue'], confirmed: ['good', 'emergency, confirmed'], objected: ['bad', 'emergency, objected'] }[request.reviewState] ?? ['attention', 'emergency'])),
    );
  }
  if (request.state === 'open' && request.voted) shown.push(badge('', 'you have decided'));
  return shown;
}
