// The stop of all messaging: who has ordered it and why, and the button that takes it back.
import { post } from './api.js';
import { askReason } from './dialogs.js';
import { ago, h, icon, toast } from './dom.js';

/** Above everything else while it holds: nothing that arrives is worked on. */
export function stopNotice(messaging, session) {
  const { stopped } = messaging;
  if (stopped === null) return false;
  return h(
    'div',
    { class: 'error stopped', role: 'status' },
    h('div', { class: 'grow' }, h('p', {}, icon('paused'), ' ', h('span', { class: 'strong' }, `All messaging is stopped by ${stopped.actor}, ${ago(stopped.since)}.`), ` “${stopped.reason}”`), h('p', { class: 'quiet' }, 'Messages are still accepted and wait in their queues. No flow takes one until somebody starts it again.')),
    mayStop(session) && h('button', { type: 'button', 'data-key': 'messaging-start', onclick: () => stopOrStart(messaging, session) }, icon('play'), 'Start messaging…'),
  );
}

export function stopButton(messaging, session) {
  if (messaging.connections === 0 || messaging.stopped !== null || !mayStop(session)) return false;
  return h('button', { type: 'button', class: 'danger', 'data-key': 'messaging-stop', onclick: () => stopOrStart(messaging, session) }, icon('paused'), 'Stop all messaging…');
}

function mayStop(session) {
  return session.may.stop && session.operations !== 'locked';
}

async function stopOrStart({ stopped, fleeting }, session) {
  const stops = stopped === null;
  const done = await askReason({
    title: stops ? 'Stop all messaging' : 'Start messaging again',
    text: stops
      ? 'No flow takes a message from any queue, in every Node-RED that shares these stores, also after a restart. What is in a flow now is finished; what arrives is accepted and waits. Nothing is lost.'
      : `Stopped by ${stopped.actor}: “${stopped.reason}”. All queues are taken from again; those that were paused one by one stay paused.`,
    body: stops && fleeting.length > 0 && h('p', { class: 'small' }, `${fleeting.join(', ')} ${fleeting.length === 1 ? 'has' : 'have'} no integration store: there the stop ends with a deploy or restart.`),
    button: stops ? 'Stop all messaging' : 'Start messaging',
    danger: stops,
    session,
    act: (act) => post(`messaging/${stops ? 'stop' : 'start'}`, act),
  });
  if (done !== undefined) toast(stops ? 'All messaging is stopped.' : 'Messaging is running.');
}
