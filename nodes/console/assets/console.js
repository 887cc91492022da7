// The frame: pages by address, sign-in, theme, and whether what is shown is live.
import { editorAddress, get, loginKind, signIn, useStore } from './api.js';
import { empty, errorBox, h, loading, render } from './dom.js';

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
  button.textContent = { auto: 'Theme: as system', light: 'Theme: light', dark: 'Theme: dark' }[theme];
}
document.getElementById('theme').addEventListener('click', () => {
  theme = themes[(themes.indexOf(theme) + 1) % themes.length];
  localStorage.setItem(themeKey, theme);
  showTheme();
});
prefersDark.addEventListener('change', showTheme);
showTheme();

const live = document.getElementById('live');
let lastAnswer = 0;
window.addEventListener('console:live', ({ detail }) => {
  if (detail) lastAnswer = Date.now();
  const since = new Date(lastAnswer).toLocaleTimeString();
  const text = detail ? 'live' : lastAnswer === 0 ? 'not connected' : `not live since ${since}`;
  live.classList.toggle('off', !detail);
  if (live.textContent !== text) live.textContent = text;
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
  document.getElementById('user').textContent = session.login ? session.user : '';
  render(document.getElementById('notice'), notices[session.operations] && h('p', { class: 'notice' }, notices[session.operations](session.login)));
  render(
    document.getElementById('pages'),
    session.pages
      .filter(({ place }) => place === 'page')
      .map(({ id, title, waiting }) => h('a', { href: `#${id}`, 'data-page': id }, title, waiting > 0 && h('span', { class: 'waiting' }, String(waiting)))),
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
    render(main, h('div', { class: 'card sign-in' }, h('h2', {}, 'Sign in'), h('p', {}, 'You are not signed in, or without the permission healthflows.view.'), h('p', {}, h('a', { href: editorAddress }, 'Sign in to Node-RED'), ', then come back to this page.')));
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
      h('h2', {}, 'Sign in'),
      h('p', { class: 'quiet' }, 'With your Node-RED user. It needs the permission healthflows.view.'),
      h('label', {}, 'User', user),
      h('label', {}, 'Password', password),
      trouble,
      h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'primary' }, 'Sign in')),
    ),
  );
  user.focus();
}

window.addEventListener('hashchange', () => {
  if (session !== undefined) void route();
});
void start();
