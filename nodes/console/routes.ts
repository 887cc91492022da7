/** Admin routes of the console: Node-RED's permission first, then ours, then an answer in JSON. */
import { createHash } from 'node:crypto';
import { Failure, toFailure } from '../kernel/failure.ts';
import { telemetry } from '../kernel/telemetry/telemetry.ts';
import {
  type AdminHandler,
  type AdminRequest,
  type AdminResponse,
  defectLine,
  guard,
  holds,
  httpStatusOf,
  type RuntimeApi,
} from '../node/index.ts';
import { requireOwnOrigin } from '../node/origin.ts';
import { actorOf, permissions, requirePerson, requireWholeScope } from './access.ts';

export const base = '/healthflows/console';

type Answer = (request: AdminRequest, response: AdminResponse) => unknown;

/** What a person does; the token makes a repeated press harmless. */
export interface PersonalAct {
  token: string;
  actor: string;
  reason: string;
  body: Record<string, unknown>;
}

/** How a page registers its routes: below `console/api/<its id>/`. */
export type PageRoutes = Pick<Routes, 'RED' | 'get' | 'ask' | 'act'>;

export interface RouteOptions {
  /** The answer is narrowed to `scopeOf(request)`; without it, partner-scoped users are refused. */
  scoped?: boolean;
}

/** A permission by its full name, or one of the console's by its short one. */
const nameOf = (permission: string): string => (permissions as Record<string, string>)[permission] ?? permission;

/** A route that a page may watch: it answers again whenever the answer changes. */
export interface WatchedRoute {
  permission: string;
  scoped: boolean;
  answer: (request: AdminRequest) => unknown;
}

const watched = new WeakMap<RuntimeApi, Map<string, WatchedRoute>>();

export class Routes {
  readonly RED: RuntimeApi;
  readonly #prefix: string;
  readonly #scoped: boolean;
  readonly #watched: Map<string, WatchedRoute>;

  constructor(RED: RuntimeApi, prefix = '', { scoped = false }: RouteOptions = {}) {
    this.RED = RED;
    this.#prefix = prefix;
    this.#scoped = scoped;
    this.#watched = watched.get(RED) ?? new Map<string, WatchedRoute>();
    watched.set(RED, this.#watched);
  }

  /** A route of any page by its path; those with parameters in the path are not watched. */
  watchable(path: string): WatchedRoute | undefined {
    return this.#watched.get(path);
  }

  /** True when the session holds the permission of a route. */
  permits({ permission }: WatchedRoute, request: AdminRequest): boolean {
    return permission === '' || holds(request, permission, this.RED);
  }

  /** What a route answers to a request, under the same rules as over HTTP. */
  async answerOf(route: WatchedRoute, request: AdminRequest): Promise<unknown> {
    const { permission, scoped, answer } = route;
    if (!this.permits(route, request)) {
      throw new Failure('policy-rejection', 'NOT_PERMITTED', `Your user does not hold the permission ${permission}.`);
    }
    if (!scoped) requireWholeScope(request, this.RED);
    return answer(request);
  }

  /** Answers with what `answer` returns, with an ETag (RFC 9110 section 8.8.3) so that polling is cheap. */
  get(path: string, permission: string, answer: (request: AdminRequest) => unknown, options: RouteOptions = {}): void {
    if (!path.includes(':')) {
      const scoped = options.scoped ?? this.#scoped;
      this.#watched.set(`${this.#prefix}${path}`, { permission: nameOf(permission), scoped, answer });
    }
    this.RED.httpAdmin.get(
      `${base}/api/${this.#prefix}${path}`,
      ...guard(this.RED, nameOf(permission)),
      this.#guarded(options, async (request, response) => {
        const body = JSON.stringify(await answer(request));
        const tag = `"${createHash('sha1').update(body).digest('base64url')}"`;
        response.set('ETag', tag);
        if (request.headers['if-none-match'] === tag) response.status(304).end();
        else response.type('application/json').send(body);
      }),
    );
  }

  /** An act of a person, with token and reason. Counted and, when it fails, answered as such. */
  act(
    path: string,
    permission: string,
    action: string,
    perform: (act: PersonalAct, request: AdminRequest) => unknown,
    options: RouteOptions = {},
  ): void {
    this.RED.httpAdmin.post(
      `${base}/api/${this.#prefix}${path}`,
      ...guard(this.RED, nameOf(permission)),
      this.#guarded(options, async (request, response) => {
        try {
          requireOwnOrigin(request);
          requirePerson(request, this.RED);
          const result = await perform(personalAct(request), request);
          telemetry.count('operator_actions_total', { action, outcome: 'success' });
          response.json(result);
        } catch (error) {
          telemetry.count('operator_actions_total', { action, outcome: 'refused' });
          throw error;
        }
      }),
    );
  }

  /** A question with a body; changes nothing. */
  ask(path: string, permission: string, answer: (request: AdminRequest) => unknown, options: RouteOptions = {}): void {
    this.RED.httpAdmin.post(
      `${base}/api/${this.#prefix}${path}`,
      ...guard(this.RED, nameOf(permission)),
      this.#guarded(options, async (request, response) => {
        requireOwnOrigin(request);
        response.json(await answer(request));
      }),
    );
  }

  /** An answer that is no JSON, e.g. a file or a stream of events; it sends by itself. */
  raw(path: string, permission: string, answer: Answer, options: RouteOptions = {}): void {
    this.RED.httpAdmin.get(
      `${base}/api/${this.#prefix}${path}`,
      ...guard(this.RED, nameOf(permission)),
      this.#guarded(options, answer),
    );
  }

  #guarded(options: RouteOptions, answer: Answer): AdminHandler {
    return async (request, response) => {
      response.set('Cache-Control', 'no-store');
      response.set('X-Content-Type-Options', 'nosniff');
      try {
        if (!(options.scoped ?? this.#scoped)) requireWholeScope(request, this.RED);
        await answer(request, response);
      } catch (error) {
        const failure = toFailure(error);
        if (failure.class === 'defect') {
          this.RED.log.error(defectLine(error, { type: 'console' }));
        }
        if (!response.headersSent) response.status(httpStatusOf(failure)).json({ error: failure.toRecord() });
      }
    };
  }
}

const tokenPattern = /^[\w-]{16,64}$/;

/** @throws Failure `data-quality` when token or reason is missing */
function personalAct(request: AdminRequest): PersonalAct {
  const body = objectOf(request.body);
  const { token, reason } = body;
  if (typeof token !== 'string' || !tokenPattern.test(token)) {
    throw new Failure('data-quality', 'ACT_TOKEN_MISSING', 'The request carries no token; reload the page.');
  }
  if (typeof reason !== 'string' || reason.trim().length < 3 || reason.length > 500) {
    throw new Failure(
      'data-quality',
      'REASON_MISSING',
      'Give a reason of 3 to 500 characters; it goes into the audit trail.',
    );
  }
  return { token, reason: reason.trim(), actor: actorOf(request), body };
}

export function objectOf(body: unknown): Record<string, unknown> {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new Failure('data-quality', 'BODY_MISSING', 'The request has no JSON object as its body.');
}

/** One text of the query string. */
export function queryText(request: AdminRequest, name: string): string | undefined {
  const value = request.query[name];
  return typeof value === 'string' && value !== '' && value.length <= 200 ? value : undefined;
}

export function queryNumber(request: AdminRequest, name: string): number | undefined {
  const value = Number(queryText(request, name) ?? Number.NaN);
  return Number.isSafeInteger(value) ? value : undefined;
}
