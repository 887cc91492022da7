// Brokers, Odoo servers and stores; queues to pause; keys that end; sections of other slices.
import { poll, post } from './api.js';
import { askReason } from './dialogs.js';
import { badge, count, duration, empty, errorBox, h, head, icon, instant, loading, render, table, toast } from './dom.js';
import { stopButton, stopNotice } from './messaging.js';
import { pauseButton } from './now.js';

const kinds = { broker: 'Message broker', odoo: 'Odoo server', partner: 'Partner’s system', store: 'Integration store' };

export default function connectionsPage(main, session) {
  const content = h('div', {}, loading());
  const sections = session.pages.filter(({ place }) => place === 'connections').map((page) => ({ page, element: h('section', { 'aria-label': page.title }) }));
  render(main, head('Connections', 'What the flows depend on, and whether it answers.'), content, sections.map(({ page, element }) => [h('h2', {}, page.title), element]));
  let ended = false;
  const leaves = [];
  for (const { page, element } of sections) {
    render(element, loading());
    import(`./${page.script}`).then(
      ({ default: open }) => {
        if (!ended) leaves.push(open(element, session, new URLSearchParams()));
      },
      (error) => render(element, errorBox(error)),
    );
  }
  let shown = false;
  const live = poll(
    () => 'connections',
    (now) => {
      shown = true;
      show(content, now, session);
    },
    (error) => !shown && render(content, errorBox(error)),
  );
  return () => {
    ended = true;
    live.end();
    for (const leave of leaves) leave?.();
  };
}

const order = { bad: 0, attention: 1, paused: 2, unknown: 3, good: 4 };

function show(content, { parts, messaging, queues, keys }, session) {
  render(
    content,
    stopNotice(messaging, session),
    h('h2', {}, 'Systems'),
    parts.length === 0 ? empty('No store, broker or Odoo server is deployed', 'Import an example flow in the editor and deploy it.', 'connections') : h('div', { class: 'cards' }, [...parts].sort((a, b) => order[a.health] - order[b.health]).map((part) => card(part, session))),
    queues.length > 0 && [
      h('div', { class: 'titled' }, h('h2', {}, 'Queues'), stopButton(messaging, session)),
      table(
        'Queues that flows consume',
        [{ title: 'Queue' }, { title: 'Flow' }, { title: 'Connection' }, { title: 'Waiting', number: true }, { title: 'Oldest', number: true }, { title: 'In the flow', number: true }, { title: 'State' }, { title: '', label: 'Pause or resume', class: 'actions-cell' }],
        queues.map((queue) => [
          h('span', { class: 'mono' }, queue.queue),
          queue.flow,
          queue.connection,
          queue.ready === null ? 'not known' : queue.ready.toLocaleString(),
          queue.ready > 0 ? duration(queue.oldest) : '–',
          queue.inFlight.toLocaleString(),
          queue.paused ? badge('paused', 'paused') : queue.held ? badge('attention', queue.held) : badge('good', 'running'),
          pauseButton(queue, session),
        ]),
      ),
    ],
    keys.length > 0 && [
      h('h2', {}, 'Keys of partners'),
      table(
        'Keys of partners',
        [{ title: 'Key' }, { title: 'Webhook' }, { title: 'Flow' }, { title: 'Scheme' }, { title: 'Ends' }, { title: 'State' }],
        keys.map((key) => [h('span', { class: 'mono' }, key.key), key.name, key.flow, key.scheme, key.until === null ? 'no end set' : instant(key.until), keyState(key.until)]),
      ),
    ],
  );
}

function keyState(until) {
  if (until === null) return badge('good', 'valid');
  const days = Math.ceil((until - Date.now()) / 86_400_000);
  return days <= 0 ? badge('bad', 'ended') : days <= 30 ? badge('attention', `ends in ${count(days, 'day')}`) : badge('good', `valid for ${count(days, 'day')}`);
}

async function isolateOrRelease(part, session) {
  const done = await askReason({
    title: part.isolated ? `Put ${part.name} back into service` : `Take ${part.name} out of service`,
    text: part.isolated
      ? 'Calls pass again, and the queues of the flows behind it are worked off.'
      : `Nothing calls ${part.name} until somebody puts it back; messages wait in their queues and lose no tries. It also ends when Node-RED restarts or the connection is deployed anew.`,
    button: part.isolated ? 'Put back' : 'Take out',
    danger: !part.isolated,
    session,
    act: (act) => post(`systems/${encodeURIComponent(part.id)}/${part.isolated ? 'release' : 'isolate'}`, act),
  });
  if (done !== undefined) toast(done.isolated ? `${done.name} is out of service.` : `${done.name} is in service.`);
}

function isolateButton(part, session) {
  if (part.isolated === undefined || !session.may.pause || session.operations === 'locked') return false;
  return h('div', { class: 'actions' }, h('button', { type: 'button', class: 'small-button', 'data-key': `system-${part.id}`, onclick: () => isolateOrRelease(part, session) }, icon(part.isolated ? 'play' : 'paused'), part.isolated ? 'Put back into service…' : 'Take out of service…'));
}

/** Flows named at once; a broker is used by all of them. */
const flowsShown = 4;

function usedBy({ id, usedBy: flows }) {
  if (flows.length === 0) return 'no flow';
  if (flows.length <= flowsShown) return flows.join(', ');
  const rest = flows.slice(flowsShown - 1);
  return [flows.slice(0, flowsShown - 1).join(', '), h('details', { 'data-key': `used-${id}` }, h('summary', {}, `and ${rest.length} more`), rest.join(', '))];
}

function card(part, session) {
  const facts = [];
  if (part.key) facts.push(['API key', [h('span', { class: 'mono' }, part.key.name), ' ', part.key.days <= 30 ? badge('attention', `ends in ${count(part.key.days, 'day')}`) : `ends in ${count(part.key.days, 'day')}`]]);
  if (part.outbox) facts.push(['Outbox', `${part.outbox.depth.toLocaleString()} of ${part.outbox.limit.toLocaleString()}${part.outbox.depth > 0 ? `, oldest ${duration(part.outbox.lag)}` : ''}${part.outbox.problem ? `: ${part.outbox.problem}` : ''}`]);
  facts.push(['Used by', usedBy(part)]);
  return h(
    'section',
    { class: 'card', 'aria-label': part.name },
    h('h3', {}, h('span', {}, part.name), badge(part.health, part.state)),
    h('p', { class: 'quiet small' }, kinds[part.kind], part.environment ? `, ${part.environment}` : ''),
    part.detail !== '' && h('p', { class: 'quiet small' }, part.detail),
    h('dl', { class: 'facts small' }, facts.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
    isolateButton(part, session),
  );
}

