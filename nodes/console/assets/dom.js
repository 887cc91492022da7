// Small helpers: elements without a template language, text never parsed as markup.
import { icon } from './icons.js';

export { icon, sparkline } from './icons.js';

/** h('p', {class: 'quiet', onclick}, 'text', node, [nodes]) */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'open' || name === 'value' || name === 'checked' || name === 'disabled' || name === 'hidden') element[name] = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(3)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replaces what is in the container; the element of the same `data-key` keeps the focus, an open `details` stays open. */
export function render(container, ...children) {
  const active = document.activeElement;
  const key = container.contains(active) ? active.dataset.key : undefined;
  const open = new Set([...container.querySelectorAll('details[open][data-key]')].map((element) => element.dataset.key));
  const scroll = [...container.querySelectorAll('.table')].map((table) => table.scrollLeft);
  container.replaceChildren();
  append(container, children);
  [...container.querySelectorAll('.table')].forEach((table, i) => {
    table.scrollLeft = scroll[i] ?? 0;
  });
  for (const element of container.querySelectorAll('details[data-key]')) if (open.has(element.dataset.key)) element.open = true;
  if (key !== undefined) container.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** columns: [{title, number?}], rows: arrays of cells or {key, chosen, cells} */
export function table(caption, columns, rows) {
  return h(
    'div',
    // Focusable, so that a wide table can be moved sideways with the keyboard.
    { class: 'table', tabindex: '0', role: 'region', 'aria-label': caption },
    h(
      'table',
      {},
      h('caption', { class: 'hidden-text' }, caption),
      h('thead', {}, h('tr', {}, columns.map((column) => h('th', { scope: 'col', class: [column.number ? 'number' : '', column.class ?? ''].join(' ').trim() || undefined }, column.title === '' ? h('span', { class: 'hidden-text' }, column.label ?? 'Acts') : column.title)))),
      h(
        'tbody',
        {},
        rows.map((row) => {
          const cells = Array.isArray(row) ? row : row.cells;
          return h(
            'tr',
            { class: row.chosen ? 'chosen' : undefined },
            cells.map((cell, i) => h('td', { class: [columns[i].number ? 'number' : '', columns[i].class ?? ''].join(' ').trim() || undefined }, cell)),
          );
        }),
      ),
    ),
  );
}

const signs = ['good', 'attention', 'bad', 'paused', 'unknown'];

/** A state in colour, sign and words. */
export function badge(kind, text) {
  const signed = signs.includes(kind);
  return h('span', { class: `badge ${kind ?? ''} ${signed ? '' : 'plainly'}` }, signed && icon(kind), text);
}

export function empty(title, text, sign = 'inbox') {
  return h('div', { class: 'empty' }, icon(sign), h('strong', {}, title), h('span', {}, text));
}

/** The page's heading, what it is for, and what can be done on it. */
export function head(title, text, ...acts) {
  return h('div', { class: 'head' }, h('h1', {}, title), text && h('p', {}, text), acts.length > 0 && h('div', { class: 'actions' }, acts));
}

export function errorBox(error, retry) {
  // Nothing is wrong with a Node-RED that has no such flow yet.
  if (error.code === 'NO_STORE') return empty('Nothing to show yet', error.message);
  return h('div', { class: 'error', role: 'alert' }, h('p', {}, error.message), retry && h('button', { type: 'button', onclick: () => retry() }, 'Try again'));
}

export const loading = () => h('div', { class: 'loading', role: 'status' }, h('span', {}), h('span', {}), h('span', {}), h('em', { class: 'hidden-text' }, 'Loading…'));

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function instant(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '';
  return h('time', { datetime: new Date(milliseconds).toISOString(), title: new Date(milliseconds).toISOString(), class: 'nowrap' }, clock.format(milliseconds));
}

const timeOnly = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dayAndTime = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: 'numeric', minute: '2-digit' });

/** For lists: the time alone when it is of today; the whole instant is in the title. */
export function when(milliseconds) {
  const today = new Date(milliseconds).toDateString() === new Date().toDateString();
  return h('time', { datetime: new Date(milliseconds).toISOString(), title: new Date(milliseconds).toISOString(), class: 'nowrap' }, (today ? timeOnly : dayAndTime).format(milliseconds));
}

/** One line, with the rest in the title. */
export const clip = (text, more = '', whole = text) => h('span', { class: `clip ${more}`, title: whole }, text);

/** A name of many parts, which breaks between them. */
export const dotted = (name) => name.split('.').map((part, i) => (i === 0 ? part : [h('wbr', {}), `.${part}`]));

export function ago(milliseconds) {
  const passed = Math.max(0, Date.now() - milliseconds);
  return passed < 1_500 ? 'just now' : `${duration(Math.round(passed / 1000) * 1000)} ago`;
}

export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '–';
  const seconds = milliseconds / 1000;
  if (milliseconds < 10) return `${Number(milliseconds.toFixed(1))} ms`;
  if (seconds < 1) return `${Math.round(milliseconds)} ms`;
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1048576 ? `${(count / 1024).toFixed(1)} kB` : `${(count / 1048576).toFixed(1)} MB`;
}

export const count = (number, one, many = `${one}s`) => `${number.toLocaleString()} ${number === 1 ? one : many}`;

let toastTimer;
export function toast(text) {
  const element = document.getElementById('toast');
  element.textContent = text;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => {
    element.textContent = '';
  }, 6000);
}

/** Words and owners of the failure classes. */
export const classes = {
  'data-quality': { title: 'wrong document', kind: 'attention', owner: 'data steward', hint: 'Correct the document or its source, then replay.' },
  'dependency-outage': { title: 'system not available', kind: 'bad', owner: 'operations', hint: 'When the system is back, replay.' },
  'policy-rejection': { title: 'not permitted', kind: 'bad', owner: 'security', hint: 'Ask whoever owns the policy before replaying.' },
  saturation: { title: 'too much at once', kind: 'attention', owner: 'operations', hint: 'Replay slowly once the load is down.' },
  conflict: { title: 'conflict', kind: 'attention', owner: 'operations', hint: 'Look whether the other change won, then replay.' },
  configuration: { title: 'set up wrong', kind: 'bad', owner: 'integration engineer', hint: 'Correct the flow or its settings, deploy, then replay.' },
  defect: { title: 'defect', kind: 'bad', owner: 'integration engineer', hint: 'Report it with the log line; replay after the fix.' },
};

export function classBadge(name, number) {
  const known = classes[name] ?? { title: name, kind: '' };
  return badge(known.kind, number === undefined ? known.title : `${known.title}: ${number}`);
}
