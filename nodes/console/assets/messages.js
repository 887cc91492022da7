// Finding a message by what people know of it, and its whole life on one page.
import { get, post } from './api.js';
import { askReason, openDialog } from './dialogs.js';
import { badge, classBadge, clip, classes, count, dotted, duration, empty, errorBox, h, head, icon, instant, loading, render, table, when } from './dom.js';

const states = {
  open: ['attention', 'under way'],
  queued: ['attention', 'queued'],
  waiting: ['paused', 'waits for a decision'],
  failing: ['attention', 'failing'],
  retrying: ['attention', 'will be retried'],
  done: ['good', 'done'],
  dead: ['bad', 'dead letter'],
  rejected: ['bad', 'rejected'],
  duplicate: ['unknown', 'duplicate'],
};
const periods = [['', 'all that is kept'], ['3600000', 'the last hour'], ['86400000', 'the last 24 hours'], ['604800000', 'the last 7 days']];
const outcomeChoices = [['', 'all'], ['dead,rejected', 'failed for good'], ['failing,retrying', 'being retried'], ['open,queued', 'under way'], ['waiting', 'waits for a decision'], ['done', 'done'], ['duplicate', 'duplicate']];

export default function messagesPage(main, session, query) {
  return query.get('id') === null ? list(main, session, query) : life(main, session, query);
}

function list(main, _session, query) {
  const filter = {};
  for (const name of ['text', 'partner', 'flow', 'outcome', 'period']) filter[name] = query.get(name) ?? '';
  const controls = h('div', {});
  const answer = h('div', {}, loading());
  render(main, head('Messages', 'By order number, supplier, correlation id or message id.'), controls, answer);
  let messages = [];
  let next;
  let asked = 0;

  const load = async (after) => {
    const mine = ++asked;
    const { period, ...exact } = filter;
    const parameters = new URLSearchParams(Object.entries({ ...exact, after: after ?? '', from: period === '' ? '' : String(Date.now() - Number(period)) }).filter(([, value]) => value !== ''));
    try {
      const page = await get(`messages?${parameters}`);
      if (mine !== asked) return;
      messages = after === undefined ? page.messages : [...messages, ...page.messages];
      next = page.next;
      show(page.truncated === true);
    } catch (error) {
      if (mine === asked) render(answer, errorBox(error, () => load()));
    }
  };
  const choose = (changes) => {
    Object.assign(filter, changes);
    history.replaceState(null, '', `#messages?${new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))}`);
    void load();
  };

  function show(truncated) {
    const filtered = Object.values(filter).some((value) => value !== '');
    if (messages.length === 0) {
      render(answer, filtered ? empty('No message matches', 'Look for another number, or widen the period and the other filters.', 'search') : empty('No messages yet', 'The journal keeps what passes from now on. A message appears within a second.', 'messages'));
      return;
    }
    render(
      answer,
      truncated && h('p', { class: 'quiet' }, 'Very many keys begin with this. Type more of it to see all that match.'),
      table(
        filter.text === '' ? 'Messages, newest first' : 'Messages: exact matches first, each newest first',
        [{ title: 'Received' }, { title: 'Document' }, { title: 'Partner and flow' }, { title: 'Outcome' }, { title: 'Took', number: true }, { title: 'Tries', number: true }, { title: 'In Odoo' }],
        messages.map((message) => [
          when(message.startedAt),
          [h('a', { class: 'strong', href: `#messages?id=${encodeURIComponent(message.id)}`, 'data-key': `message-${message.id}` }, message.subject ?? message.id), clip(tail(message.eventType ?? ''), 'quiet', message.eventType)],
          [clip(message.partner ?? ''), clip(message.flowLabel ?? '', 'quiet')],
          [badge(...(states[message.outcome] ?? ['unknown', message.outcome])), message.failure && message.outcome !== 'done' && clip(message.failure.code, 'quiet')],
          duration(message.changedAt - message.startedAt),
          Math.max(1, message.attempts),
          message.odoo === null ? '' : [h('span', { class: 'clip narrow mono' , title: message.odoo.ids.join(', ') }, message.odoo.ids.join(', ')), clip(message.odoo.model, 'quiet narrow')],
        ]),
      ),
      next !== undefined && h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => load(next) }, 'Show more')),
    );
  }

  function showFilters(facets) {
    let pause;
    const pick = (name, label, options) => h('label', {}, label, h('select', { onchange: (event) => choose({ [name]: event.target.value }) }, options.map(([value, title]) => h('option', { value, selected: value === filter[name] }, title))));
    render(
      controls,
      h(
        'div',
        { class: 'filters', role: 'search' },
        h('label', { class: 'wide' }, 'Order number, correlation id or message id', h('input', {
          type: 'search',
          value: filter.text,
          placeholder: 'PO-2026-1001',
          oninput: (event) => {
            clearTimeout(pause);
            const { value } = event.target;
            pause = setTimeout(() => choose({ text: value.trim() }), 250);
          },
        })),
        pick('partner', 'Supplier or partner', [['', 'all'], ...facets.partners.map((name) => [name, name])]),
        pick('flow', 'Flow', [['', 'all'], ...facets.flows.map(({ id, label }) => [id, label])]),
        pick('outcome', 'Outcome', outcomeChoices),
        pick('period', 'Received in', periods),
        h('button', { type: 'button', onclick: () => load() }, 'Search again'),
      ),
    );
  }

  showFilters({ partners: [], flows: [] });
  get('messages-facets').then(showFilters, () => {});
  void load();
  return () => {
    asked = -1;
  };
}

// --- One message

function life(main, session, query) {
  const id = query.get('id');
  let ended = false;
  const back = () => {
    if (history.length > 1) history.back();
    else location.hash = '#messages';
  };
  render(main, loading());
  const load = () =>
    get(`messages/${encodeURIComponent(id)}`).then(
      (found) => !ended && render(main, lifeOf(found, session, back, load)),
      (error) => !ended && render(main, backButton(back), errorBox(error, load)),
    );
  void load();
  window.addEventListener('console:back', back);
  return () => {
    ended = true;
    window.removeEventListener('console:back', back);
  };
}

const backButton = (back) => h('button', { type: 'button', class: 'plain', onclick: back }, icon('back'), 'Messages');

function lifeOf({ message, hops, related, letters, originals, mayReveal }, session, back, reload) {
  const took = message.changedAt - message.startedAt;
  return [
    h('div', { class: 'actions' }, backButton(back)),
    h('div', { class: 'head' }, h('h1', {}, message.subject ?? message.id), badge(...(states[message.outcome] ?? ['unknown', message.outcome])), h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => reload() }, 'Reload'), letters.map((letter) => h('a', { href: `#failures?state=all&text=${encodeURIComponent(message.id)}` }, 'To its dead letter')))),
    h(
      'dl',
      { class: 'card facts wide' },
      fact('Event', dotted(message.eventType ?? '–')),
      fact('Partner', message.partner ?? '–'),
      fact('Received', instant(message.startedAt)),
      fact('Took', `${duration(took)} in ${count(Math.max(1, message.attempts), 'try', 'tries')}`),
      fact('In Odoo', odooOf(hops) ?? '–'),
      fact('Message id', h('span', { class: 'mono' }, message.id)),
      fact('Correlation id', message.correlationId === null ? '–' : h('a', { class: 'mono', href: `#messages?text=${encodeURIComponent(message.correlationId)}` }, message.correlationId)),
      session.scope === 'all' && fact('Audit', h('a', { href: `#audit?correlationId=${encodeURIComponent(message.correlationId ?? message.id)}` }, 'Its entries in the trail')),
    ),
    message.failure !== null && message.outcome !== 'done' && h('div', { class: 'error' }, h('p', {}, classBadge(message.failure.class), ' ', h('span', { class: 'strong' }, message.failure.message || message.failure.code)), h('p', { class: 'quiet' }, classes[message.failure.class]?.hint ?? '')),
    h('h2', {}, 'Its life'),
    h('ol', { class: 'timeline' }, timeline(hops, message.startedAt)),
    message.hops > hops.length && h('p', { class: 'quiet' }, `${count(message.hops - hops.length, 'later hop')} not kept: a message has at most ${hops.length}.`),
    originals.length > 0 && [
      h('h2', {}, 'What came in'),
      table(
        'Documents as they came in',
        [{ title: 'Kept' }, { title: 'From' }, { title: 'By' }, { title: 'Content type' }, { title: 'Bytes', number: true }, { title: 'Kept until' }, { title: '' }],
        originals.map((original) => [
          instant(original.at),
          clip(original.sender || '–'),
          original.node,
          [clip(original.contentType || '–'), original.form === 'text' && clip('text: decoded before it was kept', 'quiet')],
          original.size.toLocaleString(),
          [instant(original.expiresAt), clip(original.encrypted ? 'encrypted' : '', 'quiet')],
          !original.kept
            ? 'too large to keep'
            : mayReveal && session.operations !== 'locked' && h('button', { type: 'button', 'data-key': `original-${original.id}`, onclick: () => reveal(message, original, session) }, 'Open…'),
        ]),
      ),
    ],
    related.length > 0 && [
      h('h2', {}, 'Of the same business process'),
      table('Messages with the same correlation id', [{ title: 'Received' }, { title: 'Document', class: 'cause' }, { title: 'Flow' }, { title: 'Outcome' }], related.map((other) => [instant(other.startedAt), [h('a', { class: 'strong', href: `#messages?id=${encodeURIComponent(other.id)}` }, other.subject ?? other.id), h('div', { class: 'quiet' }, other.eventType ?? '')], other.flowLabel ?? '', badge(...(states[other.outcome] ?? ['unknown', other.outcome]))])),
    ],
    h('p', { class: 'quiet small' }, 'The journal keeps what was done, not the document. A payload can be opened, with a reason, while it is a dead letter, and what came in where a node was told to keep it.'),
  ];
}

async function reveal(message, original, session) {
  const found = await askReason({
    title: `Open what came in as ${message.subject ?? message.id}`,
    text: 'It may hold personal data. Opening it is recorded.',
    button: 'Open',
    session,
    act: (act) => post(`messages/${encodeURIComponent(message.id)}/originals/${original.id}/reveal`, act),
  });
  if (found === undefined) return;
  const bytes = Uint8Array.from(atob(found.base64), (character) => character.charCodeAt(0));
  const { text, utf8 } = readableText(bytes);
  const file = URL.createObjectURL(new Blob([bytes], { type: 'application/octet-stream' }));
  await openDialog((close) =>
    h(
      'div',
      { class: 'inside' },
      h('h2', { id: 'dialog-title' }, 'What came in'),
      h('p', { class: 'quiet small' }, `${found.size.toLocaleString()} bytes, ${found.contentType || 'without a content type'}${found.form === 'text' ? ', decoded before it was kept' : ', exactly as they came'}`),
      !utf8 && h('p', { class: 'quiet small' }, 'These bytes are no UTF-8 text: shown one character a byte (ISO 8859-1).'),
      h('pre', { tabindex: '0' }, text),
      h('div', { class: 'actions' }, h('a', { href: file, download: `${message.id.replace(/[^\w.-]+/g, '_')}.bin` }, 'Download the bytes'), h('button', { type: 'button', onclick: () => close() }, 'Close')),
    ),
  );
  URL.revokeObjectURL(file);
}

/** Carriage returns (segments of HL7 v2) are shown as line ends. */
function readableText(bytes) {
  const lines = (text) => text.replaceAll(/\r\n?/g, '\n');
  try {
    return { utf8: true, text: lines(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch {
    return { utf8: false, text: lines(String.fromCharCode(...bytes.subarray(0, shownBytes))) };
  }
}

/** Of a document in another character set. */
const shownBytes = 65_536;

/** What tells event types apart is at their end. */
const tail = (type) => type.split('.').slice(-3).join('.');

function fact(name, value) {
  return h('div', {}, h('dt', {}, name), h('dd', {}, value));
}

/** The record that the message made, as links. */
function odooOf(hops) {
  const done = hops.findLast((hop) => hop.odoo !== null && hop.odoo.effect !== 'read' && hop.odoo.links.length > 0);
  return done && odooLinks(done.odoo);
}

function odooLinks({ model, links, effect }) {
  if (links.length === 0) return effect === 'read' ? ['read no ', h('span', { class: 'mono' }, model)] : `${effect} ${model}`;
  return [`${effect} `, links.map((link, i) => [i > 0 && ', ', link.url === null ? h('span', { class: 'mono' }, `${model} ${link.id}`) : h('a', { class: 'mono', href: link.url, target: '_blank', rel: 'noreferrer' }, `${model} ${link.id}`, ' ', icon('out'))])];
}

/** Waits longer than this are a line of their own. */
const waitShown = 1_000;

function timeline(hops, began) {
  const lines = [];
  let until = began;
  let attempt = null;
  for (const [i, hop] of hops.entries()) {
    const gap = hop.at - until;
    if (gap > waitShown) lines.push(h('li', { class: 'wait' }, h('span', { class: 'dot' }, icon('clock')), `waited ${duration(gap)}`));
    if (hop.attempt !== null && hop.attempt !== attempt) {
      lines.push(h('li', { class: 'wait' }, h('span', { class: 'dot' }, icon('inbox')), `delivered from `, h('span', { class: 'mono' }, hop.queue), hop.attempt > 1 ? `, try ${hop.attempt}` : ''));
    }
    attempt = hop.attempt;
    lines.push(line(hop, began, i));
    until = Math.max(until, hop.at + hop.duration);
  }
  return lines;
}

function line(hop, began, i) {
  const bad = hop.failure !== null;
  return h(
    'li',
    { class: bad ? 'bad' : undefined },
    h('span', { class: 'dot' }, icon(bad ? 'bad' : 'good')),
    h('div', { class: 'hop' },
      h('span', { class: 'strong' }, hop.name),
      h('span', { class: 'quiet small' }, hop.name === hop.stage ? '' : hop.stage, hop.flow ? ` · ${hop.flow}` : '', hop.deployed ? '' : ' · no longer deployed'),
      h('span', { class: 'when', title: new Date(hop.at).toISOString() }, `+${duration(Math.max(0, hop.at - began))}`, hop.duration > 0 ? `, took ${duration(hop.duration)}` : '')),
    bad && h('p', {}, classBadge(hop.failure.class), ' ', h('span', { class: 'mono' }, hop.failure.code), ' ', hop.failure.message),
    hop.odoo !== null && h('p', {}, odooLinks(hop.odoo)),
    hop.did && h('p', { class: 'quiet small' }, hop.did),
    hop.mapping !== null && mappingOf(hop.mapping, i),
  );
}

const sensitivityWords = { P: 'public', I: 'internal', C: 'confidential', N: 'personal', H: 'health', S: 'secret' };

const plain = (value) => (value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value));

function mappingOf(mapping, i) {
  if (mapping.problem) return h('p', { class: 'quiet small' }, mapping.problem);
  if (mapping.rows === undefined) return h('p', { class: 'quiet small' }, `${mapping.mode} ${mapping.id ?? ''}`);
  return h(
    'details',
    { 'data-key': `mapping-${i}` },
    h('summary', {}, `${mapping.title} ${mapping.version}: how it maps`),
    table(
      `Rows of ${mapping.title}`,
      [{ title: 'Field' }, { title: 'From' }, { title: 'Steps' }, { title: 'Sensitivity' }],
      mapping.rows.map((row) => [h('span', { class: 'mono' }, row.to), h('span', { class: 'mono' }, row.from), row.steps.join(', '), row.sensitivity === null ? '' : (sensitivityWords[row.sensitivity] ?? row.sensitivity)]),
    ),
    mapping.more > 0 && h('p', { class: 'quiet small' }, `and ${count(mapping.more, 'more row')}`),
    mapping.values !== undefined && h('p', { class: 'strong' }, 'What it did to this message'),
    mapping.values !== undefined && table(
      'What the mapping did to this message',
      [{ title: 'Field' }, { title: 'Value' }, { title: 'From' }, { title: 'Steps' }, { title: 'Rule' }, { title: 'Sensitivity' }],
      mapping.values.map((value) => [
        h('span', { class: 'mono' }, value.target),
        h('span', { class: value.error === undefined ? 'mono' : 'bad' }, value.error ?? plain(value.result)),
        h('span', { class: 'mono' }, value.source),
        value.steps.map((step) => `${step.name} → ${plain(step.value)}`).join(', '),
        `row ${value.row}: ${value.rule}`,
        value.sensitivity === null ? '' : (sensitivityWords[value.sensitivity] ?? value.sensitivity),
      ]),
    ),
    mapping.moreValues > 0 && h('p', { class: 'quiet small' }, `and ${count(mapping.moreValues, 'more value')}`),
  );
}
