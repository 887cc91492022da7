/**
 * Live answers: one stream of server-sent events (HTML Living Standard, section 9.2) a page, which carries every answer
 * that the page watches, whenever it changes. The page reads it with `fetch`, because an `EventSource` cannot send the
 * Authorization header. A watched answer is the same route as asked once, with the same permission and scope.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Failure, toFailure } from '../kernel/failure.ts';
import type { AdminRequest, AdminResponse } from '../node/index.ts';
import type { Routes, WatchedRoute } from './routes.ts';

/** Streams at one time; a page that gets none asks again and again instead. */
const streamLimit = 50;
const pathLimit = 12;
/** Milliseconds between looks, and at which something is sent though nothing has changed: silence means broken. */
const interval = 2_000;
const heartbeat = 8_000;
/** Milliseconds until the page has to come again, and to show that it still may. */
const life = 15 * 60_000;
/** Bytes that may wait for a slow reader; then its stream ends. */
const backlogLimit = 4 * 1024 * 1024;

let streams = 0;

export function liveRoute(routes: Routes): void {
  // Whoever may see one of the answers; each is checked for itself.
  routes.raw('live', '', (request, response) => stream(routes, request, response), { scoped: true });
}

async function stream(routes: Routes, request: AdminRequest, response: AdminResponse): Promise<void> {
  const watched = pathsOf(request).map((path) => ({ path, tag: '', ...targetOf(routes, path) }));
  if (!watched.some(({ route }) => routes.permits(route, request))) {
    throw new Failure('policy-rejection', 'NOT_PERMITTED', 'Your user does not hold the permission for this.');
  }
  if (streams >= streamLimit) {
    throw new Failure('saturation', 'TOO_MANY_STREAMS', 'Too many consoles are open; this one asks instead.');
  }
  streams++;
  const ended = new AbortController();
  response.on('close', () => ended.abort());
  try {
    response.set('Content-Type', 'text/event-stream; charset=utf-8').set('X-Accel-Buffering', 'no');
    response.flushHeaders();
    const until = Date.now() + life;
    let told = 0;
    while (!ended.signal.aborted && Date.now() < until) {
      for (const target of watched) {
        const event = await routes.answerOf(target.route, asked(request, target.params)).then(
          (answer) => ({ path: target.path, answer }),
          (error: unknown) => ({ path: target.path, error: toFailure(error).toRecord() }),
        );
        if (ended.signal.aborted) return;
        const data = JSON.stringify(event);
        const tag = createHash('sha1').update(data).digest('base64url');
        if (tag === target.tag) continue;
        target.tag = tag;
        response.write(`data: ${data}\n\n`);
        told = Date.now();
      }
      if (Date.now() - told > heartbeat) {
        response.write(': nothing new\n\n');
        told = Date.now();
      }
      if (response.writableLength > backlogLimit) return;
      await sleep(interval, undefined, { signal: ended.signal, ref: false });
    }
  } catch (error) {
    if (!ended.signal.aborted) throw error;
  } finally {
    streams--;
    response.end();
  }
}

/** @throws Failure `data-quality` `WATCH_INVALID` */
function pathsOf(request: AdminRequest): string[] {
  const paths = [request.query.watch ?? []].flat();
  if (paths.length > 0 && paths.length <= pathLimit && paths.every((path) => path.length <= 1_000)) return paths;
  throw new Failure('data-quality', 'WATCH_INVALID', `Name 1 to ${pathLimit} answers to watch.`);
}

function targetOf(routes: Routes, path: string): { route: WatchedRoute; params: URLSearchParams } {
  const [name = '', query = ''] = path.split('?', 2);
  const route = routes.watchable(name);
  if (route !== undefined) return { route, params: new URLSearchParams(query) };
  throw new Failure('data-quality', 'WATCH_INVALID', 'There is no such answer to watch.');
}

/** The request as if it had asked for one answer alone. */
function asked(request: AdminRequest, params: URLSearchParams): AdminRequest {
  const store = request.query.store;
  const query = { ...(store === undefined ? {} : { store }), ...Object.fromEntries(params) };
  return Object.create(request, {
    query: { value: query },
    params: { value: {} },
  }) as AdminRequest;
}
