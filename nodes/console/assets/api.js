// Talks to the console's API with the sign-in of the Node-RED editor.

/** `/admin` when the page is at `/admin/healthflows/console`. */
const root = location.pathname.replace(/\/healthflows\/console\/?$/, '');
const suffix = root.replace(/\//g, '-');
const tokenKey = `auth-tokens${suffix}`;

let store;
export function useStore(id) {
  store = id;
}

function accessToken() {
  try {
    return JSON.parse(localStorage.getItem(tokenKey) ?? sessionStorage.getItem(tokenKey))?.access_token;
  } catch {
    return undefined;
  }
}

export class ApiError extends Error {
  constructor(status, message, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const words = {
  401: 'Your session has ended. Sign in again.',
  403: 'Your user does not hold the permission for this.',
  404: 'The console of this Node-RED is not loaded.',
};

async function request(path, options = {}) {
  const token = accessToken();
  const url = new URL(`${root}/healthflows/console/api/${path}`, location.origin);
  if (store !== undefined && !path.startsWith('session')) url.searchParams.set('store', store);
  let response;
  try {
    response = await fetch(url, {
      ...options,
      credentials: 'same-origin',
      headers: {
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
    });
  } catch (error) {
    if (error?.name === 'AbortError') throw error;
    throw error instanceof ApiError ? error : new ApiError(0, 'Node-RED does not answer. Is it running?');
  }
  if (response.status === 304 || response.ok) return response;
  let failure;
  try {
    failure = (await response.json()).error;
  } catch {
    failure = undefined;
  }
  throw new ApiError(response.status, failure?.message ?? words[response.status] ?? `Node-RED answered ${response.status}.`, failure?.code);
}

export async function get(path) {
  return (await request(path)).json();
}

export async function post(path, body) {
  return (await request(path, { method: 'POST', body: JSON.stringify(body) })).json();
}

const announce = (live) => window.dispatchEvent(new CustomEvent('console:live', { detail: live }));

const watches = new Set();
let stream;
/** Until when the server has no room for a stream and answers are asked for one by one. */
let askUntil = 0;
/** Milliseconds without a word after which a stream counts as broken: the server speaks every 8 s at least. */
const silence = 20_000;
const again = 3_000;

/** Everything that is watched in one stream; called whenever that changes. */
function connect() {
  stream?.abort();
  stream = undefined;
  if (watches.size === 0) return;
  if (Date.now() < askUntil || watches.size > 12) {
    void askAll();
    return;
  }
  const mine = new AbortController();
  stream = mine;
  void read(mine).then(
    () => mine === stream && connect(),
    (error) => {
      if (mine !== stream) return;
      const refused = error.code === 'TOO_MANY_STREAMS' || error.code === 'WATCH_INVALID';
      if (refused) askUntil = Date.now() + 60_000;
      else {
        announce(false);
        for (const watch of watches) watch.trouble(error);
      }
      setTimeout(() => mine === stream && connect(), refused ? 0 : again);
    },
  );
}

let connecting;
function reconnect() {
  clearTimeout(connecting);
  connecting = setTimeout(connect, 0);
}

async function read(control) {
  const paths = new URLSearchParams([...watches].map((watch) => ['watch', watch.path()]));
  let late;
  const heard = () => {
    clearTimeout(late);
    late = setTimeout(() => control.abort(new ApiError(0, 'Node-RED does not answer. Is it running?')), silence);
  };
  heard();
  try {
    const response = await request(`live?${paths}`, { signal: control.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      announce(true);
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      for (const event of events) if (event.startsWith('data: ')) tell(JSON.parse(event.slice(6)));
    }
  } catch (error) {
    throw control.signal.aborted && control.signal.reason instanceof ApiError ? control.signal.reason : error instanceof ApiError ? error : new ApiError(0, 'The connection to Node-RED was lost.');
  } finally {
    clearTimeout(late);
  }
}

function tell({ path, answer, error }) {
  for (const watch of [...watches]) {
    if (watch.path() !== path) continue;
    if (error === undefined) watch.show(answer);
    else watch.trouble(new ApiError(0, error.message, error.code));
  }
}

/** Where no stream can be had: one answer after the other, every few seconds. */
async function askAll() {
  const mine = new AbortController();
  stream = mine;
  while (stream === mine && watches.size > 0) {
    for (const watch of [...watches]) {
      const path = watch.path();
      try {
        const answer = await get(path);
        if (stream === mine && watch.path() === path) watch.show(answer);
        announce(true);
      } catch (error) {
        announce(error.code === 'NO_STORE');
        watch.trouble(error);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, document.hidden ? 15_000 : 3_000));
    if (stream === mine && Date.now() > askUntil && watches.size <= 12) reconnect();
  }
}

/**
 * Calls `show(data)` now and whenever the answer changes, `trouble(error)` when there is none. All that a page watches
 * comes over one stream. `path` is a function, because a filter changes it; `now()` says that it has.
 */
export function poll(path, show, trouble) {
  const watch = { path, show, trouble };
  watches.add(watch);
  reconnect();
  return {
    now: reconnect,
    end() {
      watches.delete(watch);
      reconnect();
    },
  };
}

/** One for each press; a repeated request with it acts once. */
export function actToken() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export async function signIn(username, password) {
  const response = await fetch(`${root}/auth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    // An empty scope asks for what the user has; `*` is refused to everybody but administrators.
    body: new URLSearchParams({ client_id: 'node-red-editor', grant_type: 'password', scope: '', username, password }),
  });
  if (!response.ok) throw new ApiError(response.status, 'This user name and password are not known to Node-RED.');
  // For this tab only: signing in here does not sign in to the editor.
  sessionStorage.setItem(tokenKey, JSON.stringify(await response.json()));
}

export async function loginKind() {
  const response = await fetch(`${root}/auth/login`);
  return response.ok ? ((await response.json()).type ?? 'none') : 'none';
}

export const editorAddress = `${root}/`;
