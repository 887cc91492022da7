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
  401: 'You are signed in without the permission for this, or your session has ended.',
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
  } catch {
    throw new ApiError(0, 'Node-RED does not answer. Is it running?');
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

/** Calls `show(data)` now and whenever the answer changes, `trouble(error)` when there is none. Returns a function that ends it. */
export function poll(path, show, trouble, every = 3000) {
  let tag;
  let ended = false;
  let timer;
  const look = async () => {
    clearTimeout(timer);
    try {
      const response = await request(path(), tag === undefined ? {} : { headers: { 'if-none-match': tag } });
      if (ended) return;
      if (response.status !== 304) {
        tag = response.headers.get('etag') ?? undefined;
        show(await response.json());
      }
      window.dispatchEvent(new CustomEvent('console:live', { detail: true }));
    } catch (error) {
      if (ended) return;
      tag = undefined;
      window.dispatchEvent(new CustomEvent('console:live', { detail: error.code === 'NO_STORE' }));
      trouble(error);
    }
    if (!ended) timer = setTimeout(look, document.hidden ? every * 5 : every);
  };
  void look();
  return {
    now() {
      tag = undefined;
      void look();
    },
    end() {
      ended = true;
      clearTimeout(timer);
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
