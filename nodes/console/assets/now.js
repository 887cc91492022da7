// What fails first, then what runs and what waits, then what has changed.
import { acts } from './actions.js';
import { poll, post } from './api.js';
import { askReason } from './dialogs.js';
import { stopButton, stopNotice } from './messaging.js';
import { ago, badge, classBadge, count, duration, empty, errorBox, h, head, icon, loading, render, table, toast } from './dom.js';

export default function nowPage(main, session) {
  render(main, loading());
  const live = poll(() => 'now', (now) => show(main, now, session), (error) => {
    if (main.querySelector('.tiles, .table') === null) render(main, head('Now'), errorBox(error, () => live.now()));
  });
  return () => live.end();
}

function show(main, now, session) {
  const whole = session.scope === 'all';
  const perMinute = now.flows.reduce((sum, flow) => sum + flow.perMinute, 0);
  const failed = now.flows.reduce((sum, flow) => sum + flow.failed, 0);
  const troubled = now.parts.filter((part) => part.health === 'bad').length;
  const backlog = now.flows.flatMap((flow) => flow.queues).reduce((sum, queue) => sum + (queue.ready ?? 0), 0);
  const wellNow = now.broken.length === 0 && now.waiting === 0 && troubled === 0 && failed === 0 && !now.messaging?.stopped;
  render(
    main,
    head('Now', whole ? (wellNow ? 'Nothing waits for a person.' : 'What needs a person comes first.') : now.flows.length === 0 ? '' : 'The flows that are assigned to you.', ...(whole ? [stopButton(now.messaging, session)].filter(Boolean) : [])),
    whole && now.broken.map(brokenNotice),
    whole && stopNotice(now.messaging, session),
    whole &&
      h(
        'div',
        { class: 'tiles' },
        tile('failures', now.waiting, 'dead letters wait for a person', now.waiting > 0, '#failures'),
        tile('connections', troubled, 'connections need attention', troubled > 0, '#connections'),
        tile('attention', failed, 'failures in the last minute', false),
        tile('messages', perMinute, 'messages in the last minute', false, '#messages'),
        tile('inbox', backlog, 'wait in queues', false),
      ),
    whole
      ? [h('div', { class: 'columns' }, h('div', {}, episodes(now.episodes, now.parts.filter(({ health }) => health === 'bad'))), h('div', {}, changes(now.changes))), flows(now, session), parts(now.parts)]
      : flows(now, session),
  );
}

/** The record of who did what was tampered with, or its database damaged: above everything else. */
function brokenNotice({ store, seq, words, since }) {
  return h(
    'div',
    { class: 'error stopped', role: 'status' },
    h('div', { class: 'grow' }, h('p', {}, icon('bad'), ' ', h('span', { class: 'strong' }, `The audit trail of ${store} is broken: entry ${seq} ${words}.`), ` Found ${ago(since)}.`), h('p', { class: 'quiet' }, 'Messages go on. Call the security officer, and keep the database and its backups as they are.')),
    h('a', { class: 'strong', href: '#audit', 'data-key': `broken-${store}` }, 'To the trail'),
  );
}

function tile(sign, number, text, bad, href) {
  const content = [h('strong', {}, number.toLocaleString()), h('span', { class: 'label' }, icon(sign), text)];
  return href === undefined ? h('div', { class: 'tile' }, content) : h('a', { class: `tile ${bad ? 'bad' : ''}`, href, 'data-key': `tile-${href}` }, content);
}

/** Causes of dead letters, and before them the systems that are down: nothing of theirs is dead, it waits. */
function episodes(open, down) {
  if (open.length + down.length === 0) return [h('h2', {}, 'Open failures'), empty('No open failures', 'Everything that arrived was handled, or is being retried by itself.', 'good')];
  return [
    h('h2', {}, 'Open failures'),
    h(
      'div',
      { class: 'panel' },
      down.map((part) =>
        h(
          'div',
          { class: 'row' },
          h('div', { class: 'grow' },
            h('a', { class: 'strong', href: '#connections', 'data-key': `down-${part.id}` }, `${part.name} ${part.kind === 'broker' || part.kind === 'store' ? 'is ' : ''}${part.state}`),
            h('div', { class: 'quiet small' }, part.detail === '' ? '' : `${part.detail} · `, partWords[part.kind])),
          classBadge('dependency-outage'),
        ),
      ),
      open.map((group) =>
        h(
          'div',
          { class: 'row' },
          h('div', { class: 'grow' },
            h('a', { class: 'strong', href: `#failures?queue=${encodeURIComponent(group.queue)}&group=${encodeURIComponent(group.fingerprint)}`, 'data-key': `episode-${group.queue}-${group.fingerprint}` }, group.cause || group.code),
            h('div', { class: 'quiet small' }, h('span', { class: 'mono' }, group.queue), ` · first ${ago(group.firstAt)}, last ${ago(group.lastAt)}`)),
          classBadge(group.class),
          h('span', { class: 'number strong' }, count(group.unresolved, 'letter')),
        ),
      ),
    ),
  ];
}

const partWords = {
  store: 'nothing is accepted meanwhile; senders try again',
  broker: 'new messages wait in the outbox and go out by themselves',
  odoo: 'its messages wait and go on by themselves',
  partner: 'its messages wait and go on by themselves',
};

function flows(now, session) {
  const whole = session.scope === 'all';
  return [
    h('h2', {}, 'Flows'),
    now.flows.length === 0
      ? whole
        ? empty('Nothing has passed yet', 'A flow appears here with its first message or its first queue.', 'now')
        : empty('No flow to show', 'Your messages, and what became of each, are on the page Messages. A flow that is assigned to you appears here with its first message.', 'messages')
      : table(
          'Flows in the last minute',
          [{ title: 'Flow' }, { title: 'State' }, { title: 'Per minute', number: true }, { title: 'Success', number: true }, { title: 'Time in nodes', number: true }, { title: 'Backlog', class: 'backlog' }, { title: '', label: 'Pause or resume', class: 'actions-cell' }],
          [...now.flows].sort((a, b) => trouble(b) - trouble(a) || waiting(b) - waiting(a)).map((flow) => [
            h('span', { class: 'strong' }, flow.label),
            h('div', { class: 'badges' }, flowState(flow)),
            flow.perMinute.toLocaleString(),
            success(flow),
            flow.perMinute === 0 ? '–' : duration(flow.latency),
            h('div', { class: 'lines' }, flow.queues.length === 0 ? '–' : flow.queues.map(backlogLine)),
            h('div', { class: 'lines' }, flow.queues.map((queue) => pauseButton(queue, session))),
          ]),
        ),
  ];
}

/** What needs a look comes first; the rest stays in the order of its names. */
function trouble({ systems, queues, failed }) {
  if (systems.some(({ available }) => !available)) return 4;
  if (failed > 0) return 3;
  if (queues.some(({ paused, held }) => paused || held)) return 2;
  return queues.some(({ letters, ready }) => letters > 0 || ready > 0) ? 1 : 0;
}

const waiting = ({ queues }) => queues.reduce((sum, { ready }) => sum + (ready ?? 0), 0);

function flowState(flow) {
  const badges = [];
  for (const system of flow.systems) if (!system.available) badges.push(badge('bad', `${system.name} down`));
  for (const queue of flow.queues) {
    if (queue.paused) badges.push(badge('paused', flow.queues.length > 1 ? `${queue.queue} paused` : 'paused'));
    else if (queue.held && badges.length === 0) badges.push(badge('attention', queue.held));
  }
  for (const [name, number] of Object.entries(flow.byClass)) badges.push(classBadge(name, number));
  return badges.length === 0 ? badge('good', 'running') : badges;
}

function success(flow) {
  if (flow.success === null) return '–';
  const share = Math.floor(flow.success * 1000) / 10;
  const bar = h('span', {});
  bar.style.width = `${share}%`;
  return h('span', { class: `meter ${share < 95 ? 'bad' : ''}` }, h('span', { class: 'bar', 'aria-hidden': 'true' }, bar), `${share} %`);
}

const drains = {
  empty: () => 'nothing waits',
  unknown: () => '',
  standing: () => 'stands still',
  draining: ({ milliseconds }) => `empty in ${duration(milliseconds)}`,
  growing: ({ perMinute }) => `grows by ${perMinute.toLocaleString()} / min`,
};

function backlogLine(queue) {
  const words = [drains[queue.drain.kind](queue.drain), queue.oldest > 1000 && queue.ready > 0 ? `oldest ${duration(queue.oldest)}` : '', queue.inFlight > 0 ? `${queue.inFlight} in the flow` : ''].filter((text) => text !== '');
  return h('div', {}, h('div', { class: 'line' }, h('span', { class: 'strong' }, queue.ready === null ? 'not known' : queue.ready.toLocaleString()), h('span', { class: 'mono quiet' }, queue.queue), queue.letters > 0 && h('a', { class: 'small', href: `#failures?queue=${encodeURIComponent(queue.queue)}` }, count(queue.letters, 'dead letter'))), words.length > 0 && h('div', { class: 'quiet' }, words.join(' · ')));
}

export function pauseButton(queue, session) {
  if (!session.may.pause || session.operations === 'locked') return false;
  return h('div', {}, h('button', { type: 'button', class: 'small-button', 'aria-label': `${queue.paused ? 'Resume' : 'Pause'} ${queue.queue}`, 'data-key': `queue-${queue.queue}`, onclick: () => pauseOrResume(queue, session) }, icon(queue.paused ? 'play' : 'paused'), queue.paused ? 'Resume…' : 'Pause…'));
}

async function pauseOrResume(queue, session) {
  const action = queue.paused ? 'resume' : 'pause';
  const done = await askReason({
    title: queue.paused ? `Resume ${queue.queue}` : `Pause ${queue.queue}`,
    text: queue.paused
      ? `${count(queue.ready ?? 0, 'message')} will be taken again.`
      : 'Messages keep arriving and wait in the queue until somebody resumes it. What is in the flow is finished.',
    button: queue.paused ? 'Resume' : 'Pause',
    session,
    act: (act) => post(`queues/${encodeURIComponent(queue.queue)}/${action}`, { ...act, connection: queue.connectionId }),
  });
  if (done !== undefined) toast(done.paused ? `${queue.queue} is paused.` : `${queue.queue} is running.`);
}

const changeSigns = { act: 'user', deploy: 'deploy', down: 'bad', back: 'good' };
function changes(list) {
  return [
    h('h2', {}, 'Changed in the last hour'),
    list.length === 0
      ? empty('Nothing has changed', 'Deploys, acts of people and systems that fail or come back appear here.', 'clock')
      : h(
          'div',
          { class: 'panel' },
          list.slice(0, changesShown).map(changeRow),
          list.length > changesShown && h('details', { 'data-key': 'changes', class: 'row' }, h('summary', {}, `${list.length - changesShown} earlier`), h('div', { class: 'panel flat' }, list.slice(changesShown).map(changeRow))),
        ),
  ];
}

const order = { bad: 0, attention: 1, paused: 2, unknown: 3, good: 4 };

function parts(all) {
  return [
    h('h2', {}, 'Connections'),
    all.length === 0
      ? empty('Nothing is deployed', 'Import an example flow in the editor and deploy it.', 'connections')
      : h(
          'div',
          { class: 'cards small-cards' },
          [...all]
            .sort((a, b) => order[a.health] - order[b.health] || a.name.localeCompare(b.name))
            .map((part) => h('div', { class: 'card' }, h('h3', {}, h('span', {}, part.name), badge(part.health, part.state)), part.detail !== '' && h('p', { class: 'quiet small' }, part.detail))),
        ),
  ];
}

const changesShown = 5;

/** Of an act or a job: it says nothing to anybody. */
const isToken = (text) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(text);

function changeRow(change) {
  return h(
    'div',
    { class: 'row' },
    icon(changeSigns[change.kind]),
    h('div', { class: 'grow' }, change.who === undefined ? change.what : [h('span', { class: 'strong' }, change.who), ` ${acts[change.what] ?? change.what}`, change.on !== undefined && change.on.length <= 60 && !isToken(change.on) && h('div', { class: 'quiet small mono' }, change.on)], change.reason && h('div', { class: 'quiet small' }, `“${change.reason}”`)),
    h('span', { class: 'quiet small nowrap', title: new Date(change.at).toISOString() }, ago(change.at)),
  );
}
