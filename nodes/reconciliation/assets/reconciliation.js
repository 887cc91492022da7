// Breaks: what two sides differ in, by age and owner; explained, assigned, resolved.
import { get, poll, post } from '../../assets/api.js';
import { askReason, openDialog } from '../../assets/dialogs.js';
import { ago, badge, count, empty, errorBox, h, head, instant, loading, render, table, toast } from '../../assets/dom.js';

const classes = {
  'missing-movement': ['attention', 'movement missing'],
  'unknown-lot': ['attention', 'unknown lot'],
  'unit-mix-up': ['attention', 'unit mixed up'],
  loss: ['bad', 'loss'],
  surplus: ['bad', 'surplus'],
};
const resolutions = {
  posted: 'The movement was posted',
  counted: 'Counted, and Odoo was adjusted there',
  'unit-corrected': 'The unit was corrected',
  'lot-corrected': 'The lot was corrected',
  accepted: 'The difference is accepted',
};
const keyText = (key) => Object.values(key).filter((value) => value !== '').join(' · ');
const option = (value, title, chosen) => h('option', { value, selected: value === chosen }, title);

export default function reconciliationPage(main, session, query) {
  const filter = { state: query.get('state') ?? 'open', scope: query.get('scope') ?? '', class: query.get('class') ?? '', owner: query.get('owner') ?? '', text: query.get('text') ?? '' };
  const unlocked = session.operations !== 'locked';
  const may = { assign: session.may.assign && unlocked, resolve: session.may.resolve && unlocked };
  const tiles = h('div', {});
  const list = h('div', {});
  const title = h('div', {});
  const filters = h('div', {});
  let overview = [];
  let page = { breaks: [] };
  const chosen = new Set();
  render(main, head('Reconciliation', 'Where two sides do not agree, and who looks into it.'), tiles, title, filters, list);
  render(tiles, loading());

  const parameters = (extra = {}) => {
    const found = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...filter, ...extra })) if (value !== '' && value !== undefined) found.set(name, value);
    return found;
  };
  const liveOverview = poll(
    () => 'reconciliation/overview',
    (found) => {
      overview = found;
      showTiles();
      showFilters();
    },
    (error) => {
      if (overview.length > 0) return;
      render(tiles, errorBox(error, refresh));
      if (list.querySelector('.error') !== null) render(list);
    },
  );
  const liveBreaks = poll(
    () => `reconciliation/breaks?${parameters()}`,
    (found) => {
      page = found;
      for (const id of chosen) if (!found.breaks.some((each) => each.id === id)) chosen.delete(id);
      showList();
    },
    // One box says it for both.
    (error) => render(list, error.code !== 'NO_STORE' && tiles.querySelector('.error') === null && errorBox(error, () => liveBreaks.now())),
  );
  const refresh = () => {
    liveOverview.now();
    liveBreaks.now();
  };
  const choose = (changes) => {
    Object.assign(filter, changes);
    chosen.clear();
    history.replaceState(null, '', `#reconciliation?${parameters()}`);
    liveBreaks.now();
  };

  function showTiles() {
    if (overview.length === 0) {
      render(tiles, empty('Nothing was compared yet', 'A reconcile node is deployed; its first run shows here.'));
      return;
    }
    render(
      tiles,
      h(
        'div',
        { class: 'cards' },
        overview.map(({ scope, open, unowned, oldest, lastRun }) =>
          h(
            'section',
            { class: 'card' },
            h('h3', {}, scope, open === 0 ? badge('good', 'clean') : badge('attention', `${open} open`)),
            open > 0 && h('p', {}, `Oldest ${ago(oldest)}${unowned > 0 ? `, ${unowned} without an owner` : ''}.`),
            lastRun && h('p', { class: 'quiet' }, `Run ${lastRun.run}, ${ago(lastRun.at)}: ${lastRun.matched.toLocaleString()} of ${lastRun.keys.toLocaleString()} agree, ${lastRun.opened} new, ${lastRun.resolved} resolved.`),
            h('div', { class: 'actions' }, h('button', { type: 'button', 'data-key': `runs-${scope}`, onclick: () => showRuns(scope) }, 'Runs and proof…')),
          ),
        ),
      ),
    );
  }

  function showFilters() {
    const pick = (name, label, options) =>
      h('label', {}, label, h('select', { 'data-key': `filter-${name}`, onchange: (event) => choose({ [name]: event.target.value }) }, options.map(([value, title]) => option(value, title, filter[name]))));
    let pause;
    render(
      filters,
      h(
        'div',
        { class: 'filters', role: 'search' },
        pick('state', 'State', [['open', 'open'], ['resolved', 'resolved'], ['all', 'all']]),
        overview.length > 1 && pick('scope', 'Compared', [['', 'all'], ...overview.map(({ scope }) => [scope, scope])]),
        pick('class', 'Class', [['', 'all'], ...Object.entries(classes).map(([name, [, title]]) => [name, title])]),
        pick('owner', 'Owner', [['', 'all'], ['-', 'nobody yet'], [session.user, 'me'], ...(['', '-', session.user].includes(filter.owner) ? [] : [[filter.owner, filter.owner]])]),
        h(
          'label',
          {},
          'Product, place or lot',
          h('input', {
            type: 'search',
            value: filter.text,
            'data-key': 'filter-text',
            oninput: (event) => {
              clearTimeout(pause);
              const { value } = event.target;
              pause = setTimeout(() => choose({ text: value.trim() }), 300);
            },
          }),
        ),
      ),
    );
  }

  function showList() {
    render(title, h('h2', {}, { open: 'Open breaks, the oldest first', resolved: 'Resolved breaks', all: 'Breaks' }[filter.state]));
    const acting = filter.state !== 'resolved' && (may.assign || may.resolve);
    if (page.breaks.length === 0) {
      render(list, filter.state === 'open' && filter.class === '' && filter.owner === '' && filter.text === '' ? empty('Nothing is open', 'In the last run both sides agreed in everything, or what differed has been resolved.') : empty('No breaks here', 'Nothing matches the filter above.'));
      return;
    }
    const many = [...chosen];
    const rows = page.breaks.map((each) => ({
      chosen: chosen.has(each.id),
      cells: [
        ...(acting
          ? [
              each.state === 'open' &&
                h('input', {
                  type: 'checkbox',
                  'data-key': `choose-${each.id}`,
                  'aria-label': `Choose ${keyText(each.key)}`,
                  checked: chosen.has(each.id),
                  onchange: (event) => {
                    if (event.target.checked) chosen.add(each.id);
                    else chosen.delete(each.id);
                    showList();
                  },
                }),
            ]
          : []),
        [h('button', { type: 'button', class: 'link', 'data-key': `break-${each.id}`, onclick: () => explain(each) }, keyText(each.key)), each.occurrence > 1 && h('div', { class: 'quiet' }, `${each.occurrence}. time`)],
        badge(classes[each.class][0], each.class !== 'unit-mix-up' || each.certain ? classes[each.class][1] : `${classes[each.class][1]}?`),
        each.left,
        each.right,
        h('strong', {}, each.difference),
        each.state === 'open' ? (each.owner ?? h('span', { class: 'quiet' }, 'nobody yet')) : [badge('good', each.resolvedBy === 'flow' ? 'by itself' : each.resolvedBy), h('div', { class: 'quiet' }, each.reason)],
        h('span', { class: 'nowrap', title: new Date(each.openedAt).toISOString() }, ago(each.openedAt)),
      ],
    }));
    render(
      list,
      acting &&
        h(
          'div',
          { class: 'actions' },
          may.assign && h('button', { type: 'button', 'data-key': 'assign', disabled: many.length === 0, onclick: () => assign(many) }, 'Assign…'),
          may.resolve && h('button', { type: 'button', class: 'primary', 'data-key': 'resolve', disabled: many.length === 0, onclick: () => resolve(many) }, 'Resolve…'),
          h('span', { class: 'quiet' }, many.length === 0 ? 'Choose breaks to assign or resolve.' : `${count(many.length, 'break')} chosen.`),
        ),
      table(
        'Breaks',
        [...(acting ? [{ title: '' }] : []), { title: 'What' }, { title: 'Class' }, { title: 'There', number: true }, { title: 'Booked', number: true }, { title: 'Difference', number: true }, { title: filter.state === 'resolved' ? 'Resolved' : 'Owner' }, { title: 'Opened' }],
        rows,
      ),
      page.next !== undefined && h('div', { class: 'actions' }, h('button', { type: 'button', onclick: more }, 'Show more')),
    );
  }

  async function more() {
    const next = await get(`reconciliation/breaks?${parameters({ after: page.next })}`);
    page = { ...next, breaks: [...page.breaks, ...next.breaks] };
    showList();
  }

  function explain(each) {
    const fact = (title, value) => value !== null && value !== '' && [h('dt', {}, title), h('dd', {}, value)];
    return openDialog((close) =>
      h(
        'div',
        { class: 'inside' },
        h('h2', { id: 'dialog-title' }, keyText(each.key)),
        h('p', {}, badge(classes[each.class][0], each.class !== 'unit-mix-up' || each.certain ? classes[each.class][1] : `${classes[each.class][1]}, perhaps`)),
        h('p', {}, each.because),
        h('p', {}, h('strong', {}, 'To do: '), each.proposal),
        h(
          'dl',
          { class: 'facts' },
          Object.entries(each.key).map(([name, value]) => fact(name, value)),
          fact('there', each.left),
          fact('booked', each.right),
          fact('difference', each.difference),
          fact('value', each.value),
          fact('owner', each.owner ?? 'nobody yet'),
          fact('opened', [instant(each.openedAt), ` by run ${each.openedRun}`]),
          fact('last seen', [instant(each.seenAt), ` by run ${each.seenRun}, ${count(each.times, 'run')} in all`]),
          each.resolvedAt !== null && fact('resolved', [instant(each.resolvedAt), ` by ${each.resolvedBy === 'flow' ? 'itself' : each.resolvedBy}: ${each.reason}`]),
          fact('id', h('span', { class: 'mono' }, each.id)),
        ),
        h(
          'div',
          { class: 'actions' },
          h('button', { type: 'button', autofocus: true, onclick: () => close() }, 'Close'),
          each.state === 'open' && may.assign && h('button', { type: 'button', onclick: () => { close(); void assign([each.id]); } }, 'Assign…'),
          each.state === 'open' && may.resolve && h('button', { type: 'button', class: 'primary', onclick: () => { close(); void resolve([each.id]); } }, 'Resolve…'),
        ),
      ),
    );
  }

  async function assign(ids) {
    const owner = h('input', { name: 'owner', value: session.user, autocomplete: 'off', maxlength: '100' });
    const done = await askReason({
      title: `Assign ${count(ids.length, 'break')}`,
      body: h('label', {}, 'Owner (empty: nobody)', owner),
      button: 'Assign',
      session,
      extra: () => ({ ids, owner: owner.value.trim() }),
      act: (body) => post('reconciliation/assign', body),
    });
    if (done !== undefined) {
      toast(`${count(done.count, 'break')} assigned.`);
      chosen.clear();
      refresh();
    }
  }

  async function resolve(ids) {
    const resolution = h('select', { name: 'resolution' }, Object.entries(resolutions).map(([value, title]) => h('option', { value }, title)));
    const done = await askReason({
      title: `Resolve ${count(ids.length, 'break')}`,
      text: 'This writes nothing to Odoo. What still differs in the next run opens again.',
      body: h('label', {}, 'What was found', resolution),
      button: 'Resolve',
      session,
      extra: () => ({ ids, resolution: resolution.value }),
      act: (body) => post('reconciliation/resolve', body),
    });
    if (done !== undefined) {
      toast(`${count(done.count, 'break')} resolved.`);
      chosen.clear();
      refresh();
    }
  }

  async function showRuns(scope) {
    const inside = h('div', { class: 'inside' }, loading());
    const shown = openDialog(() => inside);
    try {
      const [runs, proof] = await Promise.all([get(`reconciliation/runs?${new URLSearchParams({ scope })}`), get(`reconciliation/proofs?${new URLSearchParams({ scope })}`)]);
      render(
        inside,
        h('h2', { id: 'dialog-title' }, `Runs of ${scope}`),
        h('p', {}, proof.kind === 'intact' ? badge('good', `${count(proof.runs, 'run')} proved`) : badge('bad', `the chain is broken at run ${proof.number}`)),
        table(
          `Runs of ${scope}`,
          [{ title: 'Run' }, { title: 'At' }, { title: 'Agree', number: true }, { title: 'Keys', number: true }, { title: 'There', number: true }, { title: 'Booked', number: true }, { title: 'New', number: true }, { title: 'Resolved', number: true }, { title: 'Open', number: true }, { title: 'Proof' }],
          runs.map((run) => [run.run, instant(run.at), run.matched.toLocaleString(), run.keys.toLocaleString(), run.left.quantity, run.right.quantity, run.opened, run.resolved, run.open, h('span', { class: 'mono', title: run.proof }, run.proof.slice(0, 12))]),
        ),
        h('div', { class: 'actions' }, h('button', { type: 'button', autofocus: true, onclick: () => document.getElementById('dialog').close() }, 'Close')),
      );
    } catch (error) {
      render(inside, errorBox(error));
    }
    await shown;
  }

  return () => {
    liveOverview.end();
    liveBreaks.end();
  };
}
