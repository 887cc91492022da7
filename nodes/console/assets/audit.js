// Who did what, and the proof that nobody changed the record.
import { acts } from './actions.js';
import { get, post } from './api.js';
import { askReason } from './dialogs.js';
import { badge, count, empty, errorBox, h, head, instant, loading, render, table, toast } from './dom.js';

/** Ids that nobody reads by their beginning, and what is very long; whole in the tooltip or the export. */
const short = (text) => (/^[\da-f-]{24,}$/i.test(text) ? `${text.slice(0, 14)}…` : text.length > 80 ? `${text.slice(0, 79)}…` : text);

const signedText = ({ checkpoints, through, keys, trusted }) =>
  checkpoints === 0 ? 'no part of it is signed.' : `signed through entry ${through} with key ${keys.join(', ')}${trusted ? '.' : ', which is not known here: signatures were checked with the key that stands beside them.'}`;

const brokenText = ({ seq, words }) => h('p', { class: 'error' }, badge('bad', 'broken'), ` Entry ${seq} ${words}. Call the security officer; keep the database as it is.`);

/** What signs the trail and how long it is kept. */
function keepingText({ key, retentionDays, last, first, checkedAt }) {
  const checked = checkedAt === null ? '' : [' Its chain is checked piece by piece, last ', instant(checkedAt), '.'];
  if (key === null) return ['No audit key is set (HEALTHFLOWS_AUDIT_KEY), so nothing is signed and no entry is ever removed.', checked];
  const signed = last === null ? 'not signed yet' : [`signed through entry ${last.seq} with key ${last.key}, `, instant(last.at)];
  return ['Entries are kept ', count(retentionDays, 'day'), '; ', signed, first > 1 ? `; those before ${first} were removed after that time.` : '.', checked];
}

export default function auditPage(main, session, query) {
  const filter = { action: query.get('action') ?? '', actor: query.get('actor') ?? '', subject: query.get('subject') ?? '', correlationId: query.get('correlationId') ?? '' };
  const list = h('div', {});
  const verdict = h('div', { role: 'status', 'aria-live': 'polite' });
  const keeping = h('p', { class: 'quiet keeping' });
  let records = [];
  let next;
  let ended = false;

  const load = async (after) => {
    const parameters = new URLSearchParams(Object.entries({ ...filter, after: after ?? '' }).filter(([, value]) => value !== ''));
    try {
      const page = await get(`audit?${parameters}`);
      if (ended) return;
      records = after === undefined ? page.records : [...records, ...page.records];
      next = page.next;
      show();
    } catch (error) {
      render(list, errorBox(error, () => load()));
    }
  };
  const choose = (changes) => {
    Object.assign(filter, changes);
    history.replaceState(null, '', `#audit?${new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))}`);
    void load();
  };
  let pause;
  const typed = (name, label) =>
    h('label', {}, label, h('input', {
      type: 'search',
      value: filter[name],
      oninput: (event) => {
        clearTimeout(pause);
        const { value } = event.target;
        pause = setTimeout(() => choose({ [name]: value.trim() }), 300);
      },
    }));

  async function takeAway(format) {
    const parameters = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''));
    const done = await askReason({
      title: 'Export the audit trail',
      text: `${parameters.size === 0 ? 'All entries' : 'The entries of the filter'}, oldest first, ${format === 'fhir' ? 'a FHIR R4 AuditEvent a line' : 'one JSON line each'}, with the hash.`,
      button: 'Export',
      session,
      act: (act) => post(`audit/export?${new URLSearchParams([...parameters, ['format', format]])}`, act),
    });
    if (done === undefined) return;
    const link = h('a', { href: URL.createObjectURL(new Blob([done.lines], { type: format === 'fhir' ? 'application/fhir+ndjson' : 'application/x-ndjson' })), download: `audit-${new Date().toISOString().slice(0, 10)}.${format === 'fhir' ? 'ndjson' : 'jsonl'}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    toast(`${count(done.entries, 'entry', 'entries')} exported${done.whole ? '' : '; the file is at its limit, take the rest with a later start'}.`);
    void load();
  }

  async function verify(event) {
    const button = event.currentTarget;
    button.disabled = true;
    render(verdict, h('p', { class: 'quiet' }, 'Reading the whole trail…'));
    try {
      const result = await post('audit/verify', {});
      render(
        verdict,
        result.kind === 'intact'
          ? h('p', {}, badge('good', 'intact'), ` Entries ${result.first} to ${result.entries} of ${result.store}, the last with hash `, h('span', { class: 'mono' }, result.hash.slice(0, 16)), `…; ${signedText(result.signed)}`)
          : brokenText(result),
      );
    } catch (error) {
      render(verdict, errorBox(error));
    }
    button.disabled = false;
  }

  function show() {
    render(
      list,
      records.length === 0
        ? empty('No entries', 'Nothing matches the filter.', 'audit')
        : table(
            'Audit trail, newest first',
            [{ title: 'No.', number: true }, { title: 'When' }, { title: 'What' }, { title: 'Who' }, { title: 'On' }, { title: 'Correlation id' }, { title: 'Reason', class: 'reason' }, { title: 'Details' }],
            records.map((record) => [
              record.seq,
              instant(record.at),
              [record.outcome === 'success' ? '' : badge('bad', 'failed'), ' ', h('span', { class: 'mono', title: acts[record.action] ?? '' }, record.action)],
              record.actor,
              h('span', { class: 'mono break', title: record.subject }, short(record.subject ?? '')),
              record.correlationId === undefined ? '' : h('button', { type: 'button', class: 'link mono', 'data-key': `c-${record.seq}`, onclick: () => { choose({ correlationId: record.correlationId }); } }, short(record.correlationId)),
              record.reason ?? '',
              record.detail === undefined ? '' : h('details', { 'data-key': `d-${record.seq}` }, h('summary', {}, count(Object.keys(record.detail).length, 'detail')), h('dl', { class: 'facts small' }, Object.entries(record.detail).map(([name, value]) => [h('dt', {}, name), h('dd', {}, String(value))]))),
            ]),
          ),
      next !== undefined && h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => load(next) }, 'Show more')),
    );
  }

  const mayAct = session.operations !== 'locked';
  render(
    main,
    head(
      'Audit',
      'Who did what, in a chain that shows every later change.',
      session.may.export && mayAct && h('button', { type: 'button', onclick: () => takeAway('jsonl') }, 'Export…'),
      session.may.export && mayAct && h('button', { type: 'button', onclick: () => takeAway('fhir') }, 'Export as FHIR…'),
      session.may.verify && h('button', { type: 'button', class: 'primary', onclick: verify }, 'Verify the chain'),
    ),
    h(
      'div',
      { class: 'filters', role: 'search' },
      h('label', {}, 'What', h('select', { onchange: (event) => choose({ action: event.target.value }) }, h('option', { value: '' }, 'all'), Object.keys(acts).map((action) => h('option', { value: action, selected: action === filter.action }, action)))),
      typed('actor', 'Who'),
      typed('subject', 'On (message id)'),
      typed('correlationId', 'Correlation id'),
      h('button', { type: 'button', onclick: () => load() }, 'Reload'),
    ),
    keeping,
    verdict,
    list,
  );
  render(list, loading());
  void load();
  get('audit/keeping').then(
    (state) => {
      render(keeping, keepingText(state));
      // What the console has found by itself, until somebody presses the button.
      if (state.broken !== null && verdict.childElementCount === 0) render(verdict, brokenText(state.broken));
    },
    () => {},
  );
  return () => {
    ended = true;
  };
}
