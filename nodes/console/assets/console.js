// The frame: pages by address, sign-in, theme, and whether what is shown is live.
import { editorAddress, get, loginKind, signIn, useStore } from './api.js';
import { openDialog } from './dialogs.js';
import { empty, errorBox, h, icon, loading, render } from './dom.js';

const main = document.getElementById('content');
let leave;
let session;

const themes = ['auto', 'light', 'dark'];
const themeKey = 'healthflows-console-theme';
const prefersDark = matchMedia('(prefers-color-scheme: dark)');
let theme = themes.includes(localStorage.getItem(themeKey)) ? localStorage.getItem(themeKey) : 'auto';

function showTheme() {
  const dark = theme === 'dark' || (theme === 'auto' && prefersDark.matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  const button = document.getElementById('theme');
  render(button, icon('theme'), { auto: 'As system', light: 'Light', dark: 'Dark' }[theme]);
  button.setAttribute('aria-label', `Theme: ${{ auto: 'as system', light: 'light', dark: 'dark' }[theme]}`);
}
document.getElementById('theme').addEventListener('click', () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  localStorage.setItem(themeKey, theme);
  showTheme();
});
prefersDark.addEventListener('change', showTheme);
showTheme();

render(document.querySelector('.brand-mark'), icon('now'));

const live = document.getElementById('live');
const stale = document.getElementById('stale');
let lastAnswer = 0;
window.addEventListener('console:live', ({ detail }) => {
  if (detail) lastAnswer = Date.now();
  const since = new Date(lastAnswer).toLocaleTimeString();
  const text = detail ? 'Live' : lastAnswer === 0 ? 'Not connected' : `Not live since ${since}`;
  live.classList.toggle('off', !detail);
  if (live.textContent === text) return;
  live.textContent = text;
  main.classList.toggle('stale', !detail);
  render(stale, !detail && lastAnswer > 0 && h('p', { class: 'banner' }, icon('attention'), `Not live since ${since}: what is shown is the last answer. Trying again.`));
});

let visit = 0;

/** Pages come with the session, those of other slices too; the script of one is fetched when it is opened. */
async function route() {
  const [name, query] = location.hash.slice(1).split('?');
  const pages = session.pages.filter(({ place }) => place === 'page');
  const page = pages.find(({ id }) => id === name) ?? pages[0];
  const mine = ++visit;
  leave?.();
  leave = undefined;
  if (page === undefined) {
    render(main, empty('No page for you', 'Your user may open the console but none of its pages.'));
    return;
  }
  for (const link of document.querySelectorAll('#pages a')) {
    if (link.dataset.page === page.id) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${page.title} · Integration console`;
  render(main, loading());
  try {
    const { default: open } = await import(`./${page.script}`);
    // Another page may have been chosen meanwhile.
    if (mine === visit) leave = open(main, session, new URLSearchParams(query ?? ''));
  } catch (error) {
    if (mine === visit) render(main, errorBox(error, route));
  }
}

const notices = {
  locked: (login) =>
    login
      ? 'You are not signed in under a name: payloads, replay and discard are not available.'
      : 'This Node-RED has no login: payloads, replay and discard are locked, because nobody could be named in the audit trail. Set adminAuth in settings.js.',
  open: () => 'Sandbox: this Node-RED has no login, and its settings allow everybody to open payloads, replay and discard. Acts are recorded as “anonymous”.',
};

async function start() {
  render(main, loading());
  try {
    session = await get('session');
  } catch (error) {
    if (error.status === 401) await showSignIn();
    else render(main, errorBox(error, start));
    return;
  }
  const user = document.getElementById('user');
  user.hidden = !session.login;
  render(user, icon('user'), session.user);
  render(document.getElementById('notice'), notices[session.operations] && h('p', { class: 'notice' }, icon('attention'), notices[session.operations](session.login)));
  render(
    document.getElementById('pages'),
    session.pages
      .filter(({ place }) => place === 'page')
      .map(({ id, title, waiting }) => h('a', { href: `#${id}`, 'data-page': id }, icon(id), title, waiting > 0 && h('span', { class: 'waiting' }, String(waiting), h('span', { class: 'hidden-text' }, ' waiting')))),
  );
  showStores();
  await route();
}

function showStores() {
  const choice = document.getElementById('store-choice');
  choice.hidden = session.stores.length < 2;
  if (choice.hidden) return;
  const select = document.getElementById('store');
  render(select, session.stores.map(({ id, name }) => h('option', { value: id }, name)));
  useStore(session.stores[0].id);
  select.addEventListener('change', () => {
    useStore(select.value);
    void route();
  });
}

async function showSignIn() {
  const kind = await loginKind().catch(() => 'none');
  if (kind !== 'credentials') {
    render(main, h('div', { class: 'card sign-in' }, h('h1', {}, 'Sign in'), h('p', {}, 'You are not signed in, or without the permission healthflows.view.'), h('p', {}, h('a', { href: editorAddress }, 'Sign in to Node-RED'), ', then come back to this page.')));
    return;
  }
  const trouble = h('div', {});
  const user = h('input', { name: 'username', autocomplete: 'username', required: true });
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  render(
    main,
    h(
      'form',
      {
        class: 'card sign-in',
        onsubmit: async (event) => {
          event.preventDefault();
          try {
            await signIn(user.value, password.value);
            await start();
          } catch (error) {
            render(trouble, errorBox(error));
          }
        },
      },
      h('h1', {}, 'Sign in'),
      h('p', { class: 'quiet' }, 'With your Node-RED user. It needs the permission healthflows.view.'),
      h('label', {}, 'User', user),
      h('label', {}, 'Password', password),
      trouble,
      h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary' }, 'Sign in')),
    ),
  );
  user.focus();
}

// --- Without a mouse

const shortcuts = [
  ['?', 'This list'],
  ['/', 'To the search or the first filter'],
  ['g then n', 'Now'],
  ['g then m', 'Messages'],
  ['g then f', 'Failures'],
  ['g then a', 'Approvals'],
  ['g then r', 'Reconciliation'],
  ['g then c', 'Connections'],
  ['g then t', 'Audit (trail)'],
  ['↑ ↓ Home End', 'Through the rows of a table, or through the pages'],
  ['Enter', 'Open what is chosen'],
  ['Esc', 'Close a dialog; back from a message to the list'],
];
const letters = { n: 'now', m: 'messages', f: 'failures', a: 'approvals', r: 'reconciliation', c: 'connections', t: 'audit' };

function showShortcuts() {
  void openDialog((close) =>
    h(
      'div',
      { class: 'inside' },
      h('h2', { id: 'dialog-title' }, 'Keyboard'),
      h('dl', { class: 'facts' }, shortcuts.map(([keys, does]) => [h('dt', {}, keys.split(' ').map((key) => [key === 'then' ? ' then ' : h('kbd', {}, key), ' '])), h('dd', {}, does)])),
      h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => close() }, 'Close')),
    ),
    'narrow',
  );
}
const keysButton = document.getElementById('keys');
render(keysButton, icon('keys'), 'Keys');
keysButton.addEventListener('click', showShortcuts);

let going = 0;
document.addEventListener('keydown', (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || document.getElementById('dialog').open) return;
  if (event.key === 'Escape') window.dispatchEvent(new CustomEvent('console:back'));
  if (event.target.closest('input, textarea, select')) return;
  if (rove(event)) return;
  if (event.key === '?') showShortcuts();
  else if (event.key === '/') {
    event.preventDefault();
    (main.querySelector('input[type="search"]') ?? main.querySelector('.filters select, .filters input'))?.focus();
  } else if (event.key === 'g') going = Date.now();
  else if (Date.now() - going < 1_500 && letters[event.key] !== undefined) {
    going = 0;
    if (session?.pages.some(({ id }) => id === letters[event.key])) location.hash = `#${letters[event.key]}`;
  }
});

/** Arrow keys move among the first control of each row of a table, and among the pages. */
function rove(event) {
  const group = event.target.closest('tbody, #pages');
  if (group === null || !['ArrowDown', 'ArrowUp', 'Home', 'End'].includes(event.key)) return false;
  const stops =
    group.id === 'pages'
      ? [...group.querySelectorAll('a')]
      : [...group.rows].map((row) => row.querySelector('a, button, input')).filter((element) => element !== null);
  const here = stops.findIndex((element) => element === event.target || element.closest('tr')?.contains(event.target));
  if (stops.length === 0) return false;
  event.preventDefault();
  const last = stops.length - 1;
  const next = { ArrowDown: Math.min(here + 1, last), ArrowUp: Math.max(here - 1, 0), Home: 0, End: last }[event.key];
  stops[next].focus();
  return true;
}

window.addEventListener('hashchange', () => {
  if (session !== undefined) void route();
});
void start();
