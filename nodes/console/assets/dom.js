// Small helpers: elements without a template language, text never parsed as markup.

/** h('p', {class: 'quiet', onclick}, 'text', node, [nodes]) */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'disabled' || name === 'hidden') element[name] = value;
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

/** Replaces what is in the container; the element of the same `data-key` keeps the focus. */
export function render(container, ...children) {
  const active = document.activeElement;
  const key = container.contains(active) ? active.dataset.key : undefined;
  const scroll = [...container.querySelectorAll('.table')].map((table) => table.scrollLeft);
  container.replaceChildren();
  append(container, children);
  [...container.querySelectorAll('.table')].forEach((table, i) => {
    table.scrollLeft = scroll[i] ?? 0;
  });
  if (key !== undefined) container.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** columns: [{title, number?}], rows: arrays of cells or {key, chosen, cells} */
export function table(caption, columns, rows) {
  return h(
    'div',
    { class: 'table' },
    h(
      'table',
      {},
      h('caption', { class: 'hidden-text' }, caption),
      h('thead', {}, h('tr', {}, columns.map((column) => h('th', { scope: 'col', class: column.number ? 'number' : '' }, column.title)))),
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

const symbols = { good: '●', attention: '▲', bad: '■', paused: '❚❚', unknown: '○' };

/** A state in colour, sign and words. */
export function badge(kind, text) {
  return h('span', { class: `badge ${kind ?? ''}` }, symbols[kind] ? `${symbols[kind]} ` : '', text);
}

export function empty(title, text) {
  return h('div', { class: 'empty' }, h('strong', {}, title), text);
}

export function errorBox(error, retry) {
  // Nothing is wrong with a Node-RED that has no such flow yet.
  if (error.code === 'NO_STORE') return empty('Nothing to show yet', error.message);
  return h('div', { class: 'error', role: 'alert' }, h('p', {}, error.message), retry && h('button', { type: 'button', onclick: retry }, 'Try again'));
}

export const loading = () => h('p', { class: 'loading' }, 'Loading…');

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

export function instant(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '';
  return h('time', { datetime: new Date(milliseconds).toISOString(), title: new Date(milliseconds).toISOString(), class: 'nowrap' }, clock.format(milliseconds));
}

export function ago(milliseconds) {
  return `${duration(Math.max(0, Date.now() - milliseconds))} ago`;
}

export function duration(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return '–';
  const seconds = milliseconds / 1000;
  if (seconds < 1) return `${Math.round(milliseconds)} ms`;
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
