// Dead letters: grouped by cause, read, replayed, corrected, discarded.
import { get, poll, post } from './api.js';
import { askReason, openDialog } from './dialogs.js';
import { ago, badge, bytes, classBadge, classes, count, empty, errorBox, h, head, icon, instant, loading, render, sparkline, table, toast, when } from './dom.js';

const states = {
  open: ['bad', 'open'],
  'failed-again': ['bad', 'failed again'],
  replaying: ['attention', 'being sent'],
  replayed: ['attention', 'sent, result not known'],
  resolved: ['good', 'resolved'],
  discarded: ['', 'discarded'],
};
const waiting = 'open,failed-again';

export default function failuresPage(main, session, query) {
  const filter = { class: query.get('class') ?? '', queue: query.get('queue') ?? '', state: query.get('state') ?? waiting, text: query.get('text') ?? '', fingerprint: query.get('group') ?? '' };
  const may = (act) => session.may[act] === true && session.operations !== 'locked';
  const mayAct = may('replay');
  /** Causes that are ticked, by queue and fingerprint. */
  const ticked = new Map();
  const keyOf = ({ queue, fingerprint }) => `${queue}\n${fingerprint}`;
  const selected = h('div', {});
  const story = h('div', {});
  const jobs = h('div', {});
  const groups = h('div', {});
  const letters = h('div', {});
  let shownGroups = [];
  let page = { letters: [] };
  render(main, head('Failures', 'Dead letters by cause: look at one, repair the cause, then replay, edit or discard them together.'), h('div', {}, filters()), jobs, groups, selected, story, letters);
  render(groups, loading());

  const queryOf = (extra = {}) => {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...filter, ...extra })) if (value !== '' && value !== undefined) parameters.set(name, value);
    return parameters;
  };
  const liveGroups = poll(
    () => `causes?${new URLSearchParams({ queue: filter.queue, class: filter.class })}`,
    (found) => {
      shownGroups = found;
      showGroups();
      const group = found.find((candidate) => candidate.fingerprint === filter.fingerprint && (filter.queue === '' || candidate.queue === filter.queue));
      if ((group === undefined ? '' : keyOf(group)) !== storyOf) void showStory();
    },
    (error) => {
      if (shownGroups.length === 0) render(groups, errorBox(error, () => liveGroups.now()));
    },
  );
  const liveLetters = poll(
    () => `letters?${queryOf()}`,
    (found) => {
      page = found;
      showLetters();
    },
    (error) => render(letters, error.code !== 'NO_STORE' && errorBox(error, () => liveLetters.now())),
  );
  const liveJobs = poll(() => 'jobs', showJobs, () => render(jobs), 2000);
  const refresh = () => {
    liveGroups.now();
    liveLetters.now();
    liveJobs.now();
  };
  const choose = (changes) => {
    Object.assign(filter, changes);
    const parameters = queryOf({ group: filter.fingerprint, fingerprint: undefined });
    history.replaceState(null, '', `#failures?${parameters}`);
    refresh();
    showGroups();
    void showStory();
  };

  function filters() {
    const pick = (name, label, options) =>
      h(
        'label',
        {},
        label,
        h('select', { 'data-key': `filter-${name}`, onchange: (event) => choose({ [name]: event.target.value }) }, options.map(([value, title]) => option(value, title, filter[name]))),
      );
    let pause;
    return h(
      'div',
      { class: 'filters', role: 'search' },
      pick('state', 'State', [[waiting, 'waiting for a person'], ['replaying,replayed', 'being replayed'], ['resolved', 'resolved'], ['discarded', 'discarded'], ['all', 'all']]),
      pick('class', 'Class', [['', 'all'], ...Object.entries(classes).map(([name, { title }]) => [name, title])]),
      h(
        'label',
        {},
        'Order number, message or correlation id, words of the cause',
        h('input', {
          type: 'search',
          value: filter.text,
          oninput: (event) => {
            clearTimeout(pause);
            const { value } = event.target;
            pause = setTimeout(() => choose({ text: value.trim() }), 300);
          },
        }),
      ),
      filter.queue !== '' && h('button', { type: 'button', onclick: (event) => { event.target.remove(); choose({ queue: '' }); } }, `Queue ${filter.queue} ✕`),
    );
  }

  function showGroups() {
    for (const key of ticked.keys()) if (!shownGroups.some((group) => keyOf(group) === key)) ticked.delete(key);
    if (shownGroups.length === 0) {
      render(groups, empty('No dead letters', 'Everything that arrived was handled, or is being retried by itself.', 'good'));
      render(selected);
      return;
    }
    render(
      groups,
      table(
        'Causes of dead letters',
        [{ title: '', label: 'Select', class: 'tight' }, { title: 'Cause', class: 'cause' }, { title: 'Class and owner' }, { title: 'Assigned to' }, { title: 'Last 24 hours' }, { title: 'Waiting', number: true }, { title: 'Not ended', number: true }, { title: 'Ever', number: true }, { title: 'Last', class: 'nowrap' }],
        shownGroups.map((group) => {
          const chosen = group.fingerprint === filter.fingerprint && (filter.queue === '' || group.queue === filter.queue);
          return {
            chosen,
            cells: [
              h('input', { type: 'checkbox', 'aria-label': `Select ${group.cause || group.code}`, 'data-key': `tick-${keyOf(group)}`, checked: ticked.has(keyOf(group)), onchange: (event) => { if (event.target.checked) ticked.set(keyOf(group), group); else ticked.delete(keyOf(group)); showSelected(); } }),
              [
                h('button', { type: 'button', class: 'link', 'data-key': `group-${keyOf(group)}`, 'aria-pressed': String(chosen), onclick: () => choose(chosen ? { fingerprint: '' } : { fingerprint: group.fingerprint }) }, group.cause || group.code),
                h('div', { class: 'quiet' }, h('span', { class: 'mono' }, group.code), group.nodeType ? ` in ${group.nodeType}` : '', ' · ', h('span', { class: 'mono' }, group.queue)),
              ],
              [classBadge(group.class), h('div', { class: 'quiet' }, classes[group.class]?.owner ?? '')],
              group.owner === null ? h('span', { class: 'quiet' }, 'nobody') : h('span', { title: `by ${group.owner.by}: ${group.owner.note}` }, group.owner.assignee),
              group.trend.length === 0 ? h('span', { class: 'quiet' }, 'none') : sparkline(group.trend, trendWords(group.trend)),
              group.waiting.toLocaleString(),
              group.unresolved.toLocaleString(),
              group.total.toLocaleString(),
              h('span', { class: 'nowrap', title: `first ${new Date(group.firstAt).toISOString()}, last ${new Date(group.lastAt).toISOString()}` }, ago(group.lastAt)),
            ],
          };
        }),
      ),
    );
    showSelected();
  }

  function showSelected() {
    const chosen = [...ticked.values()];
    const selection = { causes: chosen.map(({ queue, fingerprint }) => ({ queue, fingerprint })) };
    render(
      selected,
      chosen.length > 0 &&
        h(
          'div',
          { class: 'selection', role: 'region', 'aria-label': 'Selected causes' },
          h('span', { class: 'strong' }, `${count(chosen.length, 'cause')} selected`),
          h('span', { class: 'quiet' }, `${count(chosen.reduce((sum, group) => sum + group.waiting, 0), 'letter')} waiting`),
          may('replay') && h('button', { type: 'button', class: 'primary', 'data-key': 'selected-replay', onclick: () => bulk('replay', selection) }, 'Replay…'),
          may('edit') && session.may.reveal && h('button', { type: 'button', 'data-key': 'selected-edit', onclick: () => bulkEdit(selection) }, 'Edit a field…'),
          may('assign') && h('button', { type: 'button', 'data-key': 'selected-assign', onclick: () => assign(chosen) }, 'Assign…'),
          may('discard') && h('button', { type: 'button', class: 'danger', 'data-key': 'selected-discard', onclick: () => bulk('discard', selection) }, 'Discard…'),
          h('button', { type: 'button', class: 'plain', 'data-key': 'selected-none', onclick: () => { ticked.clear(); showGroups(); } }, 'Clear'),
        ),
    );
  }

  /** A cause in full: a sample, who looks after it, and what ended one like it before. */
  let storyOf = '';
  async function showStory() {
    const group = shownGroups.find((candidate) => candidate.fingerprint === filter.fingerprint && (filter.queue === '' || candidate.queue === filter.queue));
    storyOf = group === undefined ? '' : keyOf(group);
    if (group === undefined) {
      render(story);
      return;
    }
    const mine = storyOf;
    const told = await get(`cause?${new URLSearchParams({ queue: group.queue, fingerprint: group.fingerprint })}`).catch(() => undefined);
    if (mine !== storyOf || told === undefined) return;
    render(
      story,
      h('h2', {}, group.cause || group.code),
      h(
        'div',
        { class: 'sides' },
        h(
          'section',
          { class: 'card', 'aria-label': 'What to do' },
          h('h3', {}, 'What to do'),
          h('p', {}, classes[group.class]?.hint ?? ''),
          told.sample && h('p', { class: 'quiet small' }, 'For example ', h('button', { type: 'button', class: 'link', onclick: () => inspect(told.sample.id) }, told.sample.businessKey ?? told.sample.messageId), `: ${told.sample.message}`),
          h('p', { class: 'small' }, group.owner === null ? 'Nobody looks after it yet.' : `${group.owner.assignee} looks after it, assigned ${ago(group.owner.at)} (“${group.owner.note}”).`, ' ', may('assign') && h('button', { type: 'button', class: 'link', onclick: () => assign([group]) }, group.owner === null ? 'Assign…' : 'Assign to somebody else…')),
        ),
        h(
          'section',
          { class: 'card', 'aria-label': 'What solved it before' },
          h('h3', {}, 'What solved it before'),
          told.past.length === 0 ? h('p', { class: 'quiet' }, 'Nothing like it has been ended yet.') : told.past.map((past) => pastOf(past, group)),
        ),
      ),
    );
  }

  function pastOf(past, group) {
    const same = past.queue === group.queue && past.fingerprint === group.fingerprint;
    const ways = [past.resolved - past.edited > 0 && `${(past.resolved - past.edited).toLocaleString()} solved by a replay`, past.edited > 0 && `${past.edited.toLocaleString()} by an edit`, past.discarded > 0 && `${past.discarded.toLocaleString()} discarded`].filter(Boolean);
    return h('div', { class: 'lines' }, h('p', {}, same ? 'Earlier letters of this cause: ' : [past.cause || past.code, ': '], ways.join(', '), '.'), past.reason && h('p', { class: 'quiet small' }, `“${past.reason}”, ${past.actor ?? ''} · ${ago(past.lastAt)}`));
  }

  async function assign(chosen) {
    const assignee = h('input', { name: 'assignee', maxlength: '100', value: chosen.length === 1 ? (chosen[0].owner?.assignee ?? '') : '', placeholder: 'nobody' });
    const done = await askReason({
      title: chosen.length === 1 ? 'Assign this cause' : `Assign ${count(chosen.length, 'cause')}`,
      body: h('label', {}, 'To whom (a user, a team; empty for nobody)', assignee),
      button: 'Assign',
      session,
      extra: () => ({ assignee: assignee.value.trim(), causes: chosen.map(({ queue, fingerprint }) => ({ queue, fingerprint })) }),
      act: (act) => post('assign', act),
    });
    if (done === undefined) return;
    toast(`${count(done.count, 'cause')} assigned.`);
    refresh();
  }

  /** One field of many documents: what it would do is asked first, then it is done as one job. */
  async function bulkEdit(chosen) {
    const pointer = h('input', { name: 'pointer', required: true, placeholder: '/lines/*/unit', autofocus: true });
    const from = h('input', { name: 'from', placeholder: 'anything' });
    const to = h('input', { name: 'to', required: true });
    const outcome = h('div', { role: 'status' }, h('p', { class: 'quiet' }, 'Try it first: nothing is changed by that.'));
    const change = () => ({ pointer: pointer.value.trim(), from: from.value, to: to.value });
    let expected;
    const tryIt = async () => {
      expected = undefined;
      try {
        const plan = await post('edit-preview', { filter: chosen, change: change() });
        expected = plan.count;
        const left = Object.entries(plan.left).map(([why, number]) => `${number.toLocaleString()} ${why}`);
        render(outcome, h('p', {}, badge(plan.count > 0 ? 'good' : 'attention', `${count(plan.count, 'letter')} would be changed`), ' ', left.length > 0 && `Left alone: ${left.join(', ')}.`), plan.sample.length > 0 && h('p', { class: 'quiet small' }, `For example ${plan.sample.join(', ')}.`), plan.more && h('p', { class: 'quiet small' }, `Only the first ${plan.limit.toLocaleString()} letters are taken at a time; press it again for the next.`));
      } catch (error) {
        render(outcome, errorBox(error));
      }
    };
    for (const input of [pointer, from, to]) input.addEventListener('input', () => { expected = undefined; });
    const done = await askReason({
      title: 'Edit a field and replay',
      text: 'The originals are kept. Each edited document goes to its queue with its own message id.',
      body: h('div', {}, h('label', {}, 'Field, as JSON Pointer; * stands for every item of a list', pointer), h('div', { class: 'sides' }, h('label', {}, 'Only where it holds (empty: anything)', from), h('label', {}, 'New value', to)), h('button', { type: 'button', onclick: tryIt }, 'Try it'), outcome),
      button: 'Edit and replay',
      session,
      extra: () => ({ filter: chosen, change: change(), expected }),
      act: async (act) => {
        if (expected === undefined) throw new Error('Try it first, so that you see what it changes.');
        return post('edit-replay', act);
      },
    });
    if (done === undefined) return;
    toast(`${count(done.count, 'edited letter')} will be sent.`);
    ticked.clear();
    refresh();
  }

  function showLetters() {
    const group = shownGroups.find((candidate) => candidate.fingerprint === filter.fingerprint);
    const canAct = (mayAct || may('discard')) && filter.state.split(',').some((state) => state === 'open' || state === 'failed-again' || state === 'all');
    render(
      letters,
      h('h2', {}, group ? `Letters: ${group.cause || group.code}` : 'Letters'),
      canAct &&
        page.letters.length > 0 &&
        h(
          'div',
          { class: 'actions' },
          mayAct && h('button', { type: 'button', class: 'primary', 'data-key': 'replay-all', onclick: () => bulk('replay') }, group ? 'Replay this cause…' : 'Replay all of these…'),
          may('edit') && session.may.reveal && h('button', { type: 'button', 'data-key': 'edit-all', onclick: () => bulkEdit(selection()) }, 'Edit a field…'),
          may('discard') && h('button', { type: 'button', class: 'danger', 'data-key': 'discard-all', onclick: () => bulk('discard') }, group ? 'Discard this cause…' : 'Discard all of these…'),
        ),
      page.letters.length === 0
        ? empty('No letters here', 'Nothing matches the filter above.', 'search')
        : table(
            'Letters',
            [{ title: 'Document' }, { title: 'State' }, { title: 'Class' }, { title: 'What happened', class: 'cause' }, { title: 'Tries', number: true }, { title: 'Last failed' }],
            page.letters.map((letter) => [
              [h('button', { type: 'button', class: 'link', 'data-key': `letter-${letter.id}`, onclick: () => inspect(letter.id) }, letter.businessKey ?? letter.messageId), h('div', { class: 'quiet mono' }, letter.eventType ?? '')],
              badge(...states[letter.state]),
              classBadge(letter.class),
              letter.message,
              letter.attempts,
              when(letter.lastFailedAt),
            ]),
          ),
      page.next !== undefined && h('div', { class: 'actions' }, h('button', { type: 'button', onclick: more }, 'Show more')),
    );
  }

  async function more() {
    const next = await get(`letters?${queryOf({ after: page.next })}`);
    page = { ...next, letters: [...page.letters, ...next.letters] };
    showLetters();
  }

  function showJobs(found) {
    const running = found.filter((job) => job.state === 'running' || job.sent > 0 || Date.now() - job.createdAt < 600_000).slice(0, 5);
    render(
      jobs,
      running.length > 0 && [
        h('h2', {}, 'Replays'),
        h('div', { class: 'panel' }, running.map((job) => jobView(job))),
        h('h2', {}, 'Causes'),
      ],
    );
  }

  function jobView(job) {
    const sent = job.total - job.waiting;
    const words = { running: ['attention', 'running'], done: ['good', 'all sent'], cancelled: ['', 'cancelled'] };
    return h(
      'div',
      { class: 'job' },
      h(
        'div',
        { class: 'actions' },
        badge(...words[job.state]),
        h('strong', {}, `${count(job.total, 'letter')} by ${job.actor}`),
        h('span', { class: 'quiet' }, `“${job.reason}” · ${job.rate}/s · ${ago(job.createdAt)}`),
        job.state === 'running' && mayAct && h('button', { type: 'button', 'data-key': `cancel-${job.id}`, onclick: () => cancel(job) }, 'Stop…'),
      ),
      h('progress', { max: job.total, value: sent, 'aria-label': `${sent} of ${job.total} sent` }),
      h('div', { class: 'quiet' }, `${sent.toLocaleString()} sent · ${job.resolved.toLocaleString()} resolved · ${job.failedAgain.toLocaleString()} failed again · ${job.sent.toLocaleString()} result not known yet`),
    );
  }

  async function cancel(job) {
    const done = await askReason({ title: 'Stop this replay', text: 'Letters that are not sent yet wait for a person again. What is sent stays sent.', button: 'Stop', session, act: (act) => post(`jobs/${job.id}/cancel`, act) });
    if (done === undefined) return;
    toast(`${count(done.count, 'letter')} taken back.`);
    refresh();
  }

  /** The filter as an act takes it. */
  function selection() {
    const chosen = {};
    for (const name of ['class', 'queue', 'fingerprint', 'text']) if (filter[name] !== '') chosen[name] = filter[name];
    return chosen;
  }

  async function bulk(action, given) {
    const chosen = given ?? selection();
    let preview;
    try {
      preview = await post('preview', { filter: chosen });
    } catch (error) {
      toast(error.message);
      return;
    }
    if (preview.count === 0) {
      toast('None of these waits for a person any more.');
      refresh();
      return;
    }
    const leftOut = action === 'replay' && preview.policyRejections > 0 && filter.class !== 'policy-rejection' ? preview.policyRejections : 0;
    const include = h('input', { type: 'checkbox' });
    const rate = h('input', { type: 'number', min: '1', max: '500', value: '50' });
    const body = h(
      'div',
      {},
      h(
        'dl',
        { class: 'facts' },
        h('dt', {}, 'Letters'), h('dd', {}, preview.count.toLocaleString()),
        h('dt', {}, 'Queues'), h('dd', { class: 'mono' }, preview.queues.join(', ')),
        h('dt', {}, 'First and last failure'), h('dd', {}, instant(preview.oldest), ' – ', instant(preview.newest)),
        h('dt', {}, 'Payloads'), h('dd', {}, bytes(preview.bytes)),
      ),
      leftOut > 0 && h('label', { class: 'row' }, include, leftOut === preview.count ? 'Although a policy has refused them: what it asked for is in place now' : `Also the ${leftOut} that a policy has refused (left out otherwise)`),
      action === 'replay' && h('label', {}, 'Letters a second', rate),
    );
    const done = await askReason({
      title: action === 'replay' ? `Replay ${count(preview.count, 'letter')}` : `Discard ${count(preview.count, 'letter')}`,
      text:
        action === 'replay'
          ? 'Each goes to its own queue again with its own message id, so that what was already done is not done twice.'
          : 'They will not be delivered. They stay readable until their retention ends.',
      body,
      button: action === 'replay' ? 'Replay' : 'Discard',
      danger: action === 'discard',
      confirm: preview.count > 1 ? preview.count : undefined,
      session,
      extra: () => ({ filter: chosen, expected: preview.count, ...(action === 'replay' ? { rate: Number(rate.value), includePolicyRejections: include.checked } : {}) }),
      act: async (act) => {
        // Else nothing would be left to send, and the answer would not say why.
        if (leftOut === preview.count && !include.checked) throw new Error('A policy has refused all of these. Tick the box to send them again.');
        return post(action, act);
      },
    });
    if (done === undefined) return;
    toast(action === 'replay' ? `${count(done.count, 'letter')} will be sent.` : `${count(done.count, 'letter')} discarded.`);
    ticked.clear();
    refresh();
  }

  async function inspect(id) {
    let letter;
    try {
      letter = await get(`letters/${id}`);
    } catch (error) {
      toast(error.message);
      return;
    }
    // A replay without a result may be acted on again: its consumer may never report one.
    const waits = ['open', 'failed-again', 'replayed'].includes(letter.state);
    const next = await openDialog((close) =>
      h(
        'div',
        { class: 'inside' },
        h('h2', { id: 'dialog-title' }, letter.businessKey ?? letter.messageId, ' ', badge(...states[letter.state])),
        h('p', {}, classBadge(letter.class), ' ', h('strong', {}, letter.message)),
        h('p', { class: 'quiet' }, classes[letter.class]?.hint ?? ''),
        h(
          'dl',
          { class: 'facts' },
          fact('Code', h('span', { class: 'mono' }, letter.code)),
          fact('Failed in', [letter.node.name ?? letter.node.type ?? 'unknown', letter.node.type && letter.node.name ? ` (${letter.node.type})` : '']),
          fact('Queue', h('span', { class: 'mono' }, letter.queue)),
          fact('Event', h('span', { class: 'mono' }, letter.eventType ?? '–')),
          fact('Message id', h('a', { class: 'mono', href: `#messages?id=${encodeURIComponent(letter.messageId)}`, onclick: () => close() }, letter.messageId)),
          fact('Correlation id', letter.correlationId ? h('a', { class: 'mono', href: `#audit?correlationId=${encodeURIComponent(letter.correlationId)}`, onclick: () => close() }, letter.correlationId) : '–'),
          fact('First failed', instant(letter.firstFailedAt)),
          fact('Last failed', [instant(letter.lastFailedAt), ` after ${count(letter.attempts, 'try', 'tries')}`]),
          letter.generation > 0 && fact('Replayed', count(letter.generation, 'time')),
          letter.closedAt !== null && fact('Closed', [instant(letter.closedAt), ` by ${letter.closedBy}: ${letter.closedReason}`]),
          fact('Payload', `${letter.contentType}, ${bytes(letter.size)}${letter.encrypted ? ', encrypted at rest' : ''}${letter.edited ? ', edited' : ''}`),
        ),
        letter.edits.length > 0 && [h('h3', {}, 'Edits'), h('ul', {}, letter.edits.map((edit) => h('li', {}, instant(edit.at), ` by ${edit.actor}: “${edit.reason}”`)))],
        h('h3', {}, 'Shape of the document'),
        h('p', { class: 'quiet' }, 'Names and kinds only. To see values, open the payload with a reason.'),
        h('pre', { tabindex: '0' }, typeof letter.outline === 'string' ? letter.outline : JSON.stringify(letter.outline, null, 2)),
        !letter.replayable && h('p', { class: 'error' }, 'No dead-letter node collects this queue now, so it cannot be replayed.'),
        h(
          'div',
          { class: 'actions' },
          h('button', { type: 'button', onclick: () => close() }, 'Close'),
          session.may.reveal && session.operations !== 'locked' && h('button', { type: 'button', onclick: () => close('reveal') }, 'Open payload…'),
          waits && [
            may('discard') && h('button', { type: 'button', class: 'danger', onclick: () => close('discard') }, 'Discard…'),
            may('edit') && session.may.reveal && letter.replayable && h('button', { type: 'button', onclick: () => close('edit') }, 'Edit and replay…'),
            mayAct && letter.replayable && h('button', { type: 'button', class: 'primary', autofocus: true, onclick: () => close('replay') }, 'Replay…'),
          ],
        ),
      ),
    );
    if (next === 'replay' || next === 'discard') await single(next, letter);
    if (next === 'reveal') await reveal(letter);
    if (next === 'edit') await edit(letter);
  }

  async function single(action, letter) {
    const name = letter.businessKey ?? letter.messageId;
    const done = await askReason({
      title: action === 'replay' ? `Replay ${name}` : `Discard ${name}`,
      text: action === 'replay' ? 'It goes to its queue again with its own message id.' : 'It will not be delivered.',
      button: action === 'replay' ? 'Replay' : 'Discard',
      danger: action === 'discard',
      session,
      act: (act) => post(action, { ...act, filter: { ids: [letter.id] }, expected: 1 }),
    });
    if (done === undefined) return;
    toast(action === 'replay' ? `${name} will be sent.` : `${name} is discarded.`);
    refresh();
  }

  const revealed = (letter) =>
    askReason({
      title: `Open the payload of ${letter.businessKey ?? letter.messageId}`,
      text: 'It may hold personal data. Opening it is recorded.',
      button: 'Open',
      session,
      act: (act) => post(`letters/${letter.id}/reveal`, act),
    });

  async function reveal(letter) {
    const payload = await revealed(letter);
    if (payload === undefined) return;
    await openDialog((close) =>
      h(
        'div',
        { class: 'inside' },
        h('h2', { id: 'dialog-title' }, 'Payload'),
        payload.edited
          ? h('div', { class: 'sides' }, side('As it came', difference(pretty(payload.original), pretty(payload.edited), 'gone')), side('As it is replayed', difference(pretty(payload.edited), pretty(payload.original), 'came')))
          : h('pre', { tabindex: '0' }, pretty(payload.original)),
        h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => close() }, 'Close')),
      ),
    );
  }

  async function edit(letter) {
    const payload = await revealed(letter);
    if (payload === undefined) return;
    const current = payload.edited ?? payload.original;
    if (current.text === undefined) {
      toast('This payload is not text and cannot be edited here.');
      return;
    }
    const before = pretty(current);
    const area = h('textarea', { class: 'payload', name: 'payload', spellcheck: 'false', value: before });
    const changes = h('pre', { tabindex: '0', 'aria-label': 'What changes' }, 'No change yet.');
    area.addEventListener('input', () => {
      const gone = difference(before, area.value, 'gone', true);
      const came = difference(area.value, before, 'came', true);
      render(changes, gone.length + came.length === 0 ? 'No change yet.' : [gone, came]);
    });
    const done = await askReason({
      title: `Edit and replay ${letter.businessKey ?? letter.messageId}`,
      text: 'The original is kept. The edited document goes to its queue with the same message id.',
      body: h('div', {}, h('label', {}, 'Document', area), h('h3', {}, 'What changes'), changes),
      button: 'Replay the edited document',
      session,
      extra: () => ({ payload: area.value }),
      act: (act) => post(`letters/${letter.id}/edit-replay`, act),
    });
    if (done === undefined) return;
    toast('The edited document will be sent.');
    refresh();
  }

  return () => {
    liveGroups.end();
    liveLetters.end();
    liveJobs.end();
  };
}

/** The day's hours in words, for who cannot see the bars. */
function trendWords(hours) {
  const total = hours.reduce((sum, value) => sum + value, 0);
  const busiest = hours.indexOf(Math.max(...hours));
  return `${count(total, 'letter')} in 24 hours, most (${hours[busiest].toLocaleString()}) ${busiest === hours.length - 1 ? 'in this hour' : `${count(hours.length - 1 - busiest, 'hour')} ago`}`;
}

function option(value, title, chosen) {
  return h('option', { value, selected: value === chosen }, title);
}

function fact(name, value) {
  return [h('dt', {}, name), h('dd', {}, value)];
}

function side(title, content) {
  return h('div', {}, h('h3', {}, title), h('pre', { tabindex: '0' }, content));
}

function pretty(payload) {
  if (payload.text === undefined) return `base64\n${payload.base64}`;
  try {
    // Re-indented only when that changes no digit of any number.
    const indented = JSON.stringify(JSON.parse(payload.text), null, 2);
    return withoutSpace(indented) === withoutSpace(payload.text) ? indented : payload.text;
  } catch {
    return payload.text;
  }
}

/** JSON without the white space between its tokens. */
function withoutSpace(json) {
  let inText = false;
  let compact = '';
  for (let i = 0; i < json.length; i++) {
    const c = json[i];
    if (inText && c === '\\') compact += c + (json[++i] ?? '');
    else if (c === '"') {
      inText = !inText;
      compact += c;
    } else if (inText || !/\s/.test(c)) compact += c;
  }
  return compact;
}

/** The lines of `text` that `other` does not have are marked; with `only`, nothing else is returned. */
function difference(text, other, mark, only = false) {
  const others = new Map();
  for (const line of other.split('\n')) others.set(line, (others.get(line) ?? 0) + 1);
  const nodes = [];
  for (const line of text.split('\n')) {
    const left = others.get(line) ?? 0;
    if (left > 0) {
      others.set(line, left - 1);
      if (!only) nodes.push(`${line}\n`);
    } else nodes.push(h('span', { class: mark }, `${mark === 'gone' ? '−' : '+'} ${line}`));
  }
  return nodes;
}
