// Who did what, and the proof that nobody changed the record.
import { get, post } from './api.js';
import { badge, count, empty, errorBox, h, instant, loading, render, table } from './dom.js';

const actions = ['message.accepted', 'message.rejected', 'message.settled', 'deadletter.replayed', 'deadletter.edited-and-replayed', 'deadletter.replay-finished', 'deadletter.replay-cancelled', 'deadletter.discarded', 'deadletter.revealed', 'queue.paused', 'queue.resumed'];

/** Hashes and long ids by their beginning; whole in the tooltip or the export. */
const short = (text) => (text.length > 24 && !text.includes(' ') ? `${text.slice(0, 14)}…` : text);

export default function auditPage(main, _session, query) {
  const filter = { action: query.get('action') ?? '', actor: query.get('actor') ?? '', subject: query.get('subject') ?? '', correlationId: query.get('correlationId') ?? '' };
  const list = h('div', {});
  const verdict = h('div', { role: 'status', 'aria-live': 'polite' });
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

  async function verify(event) {
    const button = event.target;
    button.disabled = true;
    render(verdict, h('p', { class: 'quiet' }, 'Reading the whole trail…'));
    try {
      const result = await post('audit/verify', {});
      render(
        verdict,
        result.kind === 'intact'
          ? h('p', {}, badge('good', 'intact'), ` ${count(result.entries, 'entry', 'entries')} of ${result.store}, the last with hash `, h('span', { class: 'mono' }, result.hash.slice(0, 16)), '…')
          : h('p', { class: 'error' }, badge('bad', 'broken'), ` Entry ${result.seq} is ${result.problem === 'missing' ? 'missing' : result.problem === 'changed' ? 'not what was written' : 'unknown to the head of the chain'}. Call the security officer; keep the database as it is.`),
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
        ? empty('No entries', 'Nothing matches the filter.')
        : table(
            'Audit trail, newest first',
            [{ title: 'No.', number: true }, { title: 'When' }, { title: 'What' }, { title: 'Who' }, { title: 'On' }, { title: 'Correlation id' }, { title: 'Reason', class: 'cause' }, { title: 'Details' }],
            records.map((record) => [
              record.seq,
              instant(record.at),
              [record.outcome === 'success' ? '' : badge('bad', 'failed'), ' ', h('span', { class: 'mono' }, record.action)],
              record.actor,
              h('span', { class: 'mono', title: record.subject }, short(record.subject ?? '')),
              record.correlationId === undefined ? '' : h('button', { type: 'button', class: 'link mono', 'data-key': `c-${record.seq}`, onclick: () => { choose({ correlationId: record.correlationId }); } }, short(record.correlationId)),
              record.reason ?? '',
              h('span', { class: 'quiet', title: record.detail === undefined ? undefined : JSON.stringify(record.detail, null, 1) }, record.detail === undefined ? '' : Object.entries(record.detail).map(([name, value]) => `${name}: ${short(String(value))}`).join(', ')),
            ]),
          ),
      next !== undefined && h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => load(next) }, 'Show more')),
    );
  }

  render(
    main,
    h(
      'div',
      { class: 'filters', role: 'search' },
      h('label', {}, 'What', h('select', { onchange: (event) => choose({ action: event.target.value }) }, h('option', { value: '' }, 'all'), actions.map((action) => h('option', { value: action, selected: action === filter.action }, action)))),
      typed('actor', 'Who'),
      typed('subject', 'On (message id)'),
      typed('correlationId', 'Correlation id'),
      h('button', { type: 'button', onclick: () => load() }, 'Reload'),
      h('button', { type: 'button', class: 'primary', onclick: verify }, 'Verify the chain'),
    ),
    verdict,
    list,
  );
  render(list, loading());
  void load();
  return () => {
    ended = true;
  };
}
