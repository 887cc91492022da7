// What runs, what waits, what fails.
import { poll, post } from './api.js';
import { askReason } from './dialogs.js';
import { badge, classBadge, count, duration, empty, errorBox, h, loading, render, table, toast } from './dom.js';

export default function nowPage(main, session) {
  render(main, loading());
  const live = poll(() => 'now', (now) => show(main, now, session, () => live.now()), (error) => {
    if (main.querySelector('.tiles') === null) render(main, errorBox(error, () => live.now()));
  });
  return () => live.end();
}

function show(main, now, session, refresh) {
  const queues = now.flows.flatMap((flow) => flow.queues.map((queue) => ({ ...queue, flow: flow.label })));
  const perMinute = now.flows.reduce((sum, flow) => sum + flow.perMinute, 0);
  const failed = now.flows.reduce((sum, flow) => sum + flow.failed, 0);
  const troubled = now.parts.filter((part) => part.health === 'bad').length;
  render(
    main,
    h(
      'div',
      { class: 'tiles' },
      tile(now.waiting, 'dead letters wait for a person', now.waiting > 0, '#failures'),
      tile(troubled, 'connections need attention', troubled > 0),
      tile(failed, 'failures in the last minute', false),
      tile(perMinute, 'messages in the last minute', false),
    ),
    h('h2', {}, 'Connections'),
    now.parts.length === 0
      ? empty('No store, broker or Odoo server is deployed', 'Import an example flow in the editor and deploy it.')
      : h('div', { class: 'cards' }, [...now.parts].sort(worstFirst).map(card)),
    h('h2', {}, 'Flows'),
    now.flows.length === 0
      ? empty('Nothing has passed yet', 'A flow appears here with its first message or its first queue.')
      : table(
          'Flows in the last minute',
          [{ title: 'Flow' }, { title: 'Messages / min', number: true }, { title: 'Failures / min', number: true }, { title: 'By class' }, { title: 'Time in flow', number: true }],
          now.flows.map((flow) => [
            flow.label,
            flow.perMinute.toLocaleString(),
            flow.failed.toLocaleString(),
            Object.keys(flow.byClass).length === 0
              ? badge('good', 'none')
              : h('span', { class: 'badges' }, Object.entries(flow.byClass).map(([name, number]) => classBadge(name, number))),
            flow.perMinute === 0 ? '–' : duration(flow.latency),
          ]),
        ),
    queues.length > 0 && [
      h('h2', {}, 'Queues'),
      table(
        'Queues that flows consume',
        [
          { title: 'Queue' },
          { title: 'Flow' },
          { title: 'Waiting', number: true },
          { title: 'Oldest', number: true },
          { title: 'In the flow', number: true },
          { title: 'Dead letters', number: true },
          { title: 'State' },
          { title: '' },
        ],
        queues.map((queue) => queueRow(queue, session, refresh)),
      ),
    ],
  );
}

const order = { bad: 0, attention: 1, paused: 2, unknown: 3, good: 4 };
const worstFirst = (a, b) => order[a.health] - order[b.health] || a.name.localeCompare(b.name);
const kinds = { store: 'Integration store', broker: 'Message broker', odoo: 'Odoo' };

function card(part) {
  return h(
    'section',
    { class: 'card' },
    h('h3', {}, part.name, badge(part.health, part.state)),
    h('p', { class: 'quiet' }, kinds[part.kind]),
    part.detail !== '' && h('p', {}, part.detail),
  );
}

function tile(number, text, bad, href) {
  const content = [h('strong', {}, number.toLocaleString()), text];
  return h('div', { class: `tile ${bad ? 'bad' : ''}` }, href === undefined ? content : h('a', { href }, content));
}

function queueRow(queue, session, refresh) {
  const mayAct = session.may.pause && session.operations !== 'locked';
  return [
    h('span', { class: 'mono' }, queue.queue),
    queue.flow,
    queue.ready === null ? 'unknown' : queue.ready.toLocaleString(),
    duration(queue.oldest),
    queue.inFlight.toLocaleString(),
    queue.letters === 0 ? '0' : h('a', { href: `#failures?queue=${encodeURIComponent(queue.queue)}` }, queue.letters.toLocaleString()),
    queue.paused ? badge('paused', 'paused') : queue.held ? badge('attention', queue.held) : badge('good', 'running'),
    mayAct && h('button', { type: 'button', 'data-key': `queue-${queue.queue}`, onclick: () => pauseOrResume(queue, session, refresh) }, queue.paused ? 'Resume…' : 'Pause…'),
  ];
}

async function pauseOrResume(queue, session, refresh) {
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
  if (done === undefined) return;
  toast(done.paused ? `${queue.queue} is paused.` : `${queue.queue} is running.`);
  refresh();
}
