/**
 * Which request belongs to which endpoint. Literal segments are compared exactly as sent (letter case and escapes
 * included), so that one path has one spelling; a trailing slash makes no difference. `:name` takes one segment.
 */
import { Failure } from '../../kernel/failure.ts';

export const methods = ['POST', 'PUT', 'PATCH', 'DELETE', 'GET'] as const;
export type Method = (typeof methods)[number];

type Segment = { kind: 'literal'; text: string } | { kind: 'parameter'; name: string };

export interface RoutePattern {
  method: Method;
  /** As configured, normalised: leading slash, no trailing one. */
  path: string;
  segments: readonly Segment[];
  /** Equal for patterns that match the same requests. */
  shape: string;
}

/** RFC 3986 `pchar` without the colon, which marks a parameter. */
const literalPattern = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=@]|%[0-9A-Fa-f]{2})+$/;
const parameterPattern = /^:[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const longestPath = 2048;

function split(path: string): string[] {
  const parts = path.split('/').slice(1);
  if (parts.at(-1) === '') parts.pop();
  return parts;
}

/** @throws Failure `configuration` `ROUTE_INVALID` with what to change */
export function parseRoute(method: string, path: string): RoutePattern {
  const upper = method.toUpperCase();
  if (!(methods as readonly string[]).includes(upper)) {
    throw new Failure('configuration', 'ROUTE_INVALID', `The method ${upper} is not one of ${methods.join(', ')}.`);
  }
  const parts = split(path.startsWith('/') ? path : `/${path}`);
  const names = new Set<string>();
  const segments = parts.map((part): Segment => {
    if (parameterPattern.test(part)) {
      const name = part.slice(1);
      if (names.has(name) || name === '__proto__' || name === 'constructor' || name === 'prototype') {
        throw new Failure('configuration', 'ROUTE_INVALID', `The path parameter :${name} cannot be used (twice).`);
      }
      names.add(name);
      return { kind: 'parameter', name };
    }
    if (!literalPattern.test(part) || part === '.' || part === '..') {
      throw new Failure(
        'configuration',
        'ROUTE_INVALID',
        'A path is made of segments like /orders/:supplier: letters, digits and -._~ or a parameter after a colon.',
      );
    }
    return { kind: 'literal', text: part };
  });
  if (segments.length === 0 || path.length > longestPath) {
    throw new Failure('configuration', 'ROUTE_INVALID', 'The path is empty or too long; use one like /hooks/orders.');
  }
  return {
    method: upper as Method,
    path: `/${parts.join('/')}`,
    segments,
    shape: `${upper} ${segments.map((segment) => (segment.kind === 'literal' ? `/${segment.text}` : '/:')).join('')}`,
  };
}

export interface RouteMatch<E> {
  route: Route<E>;
  parameters: Record<string, string>;
}

/** A route outlives its endpoint for the time of a deploy: without one it answers "come back" instead of 404. */
export interface Route<E> {
  readonly pattern: RoutePattern;
  /** The node that owns it, also while it is redeployed. */
  owner: string;
  endpoint: E | undefined;
}

export class RouteTable<E> {
  readonly #byShape = new Map<string, Route<E>>();
  /** Routes with parameters, most literal first, by method and number of segments. */
  readonly #patterned = new Map<string, Route<E>[]>();

  /** @throws Failure `configuration` `ROUTE_TAKEN` when another node answers the same requests */
  add(pattern: RoutePattern, owner: string, endpoint: E): void {
    const existing = this.#byShape.get(pattern.shape);
    if (existing?.endpoint !== undefined) {
      throw new Failure(
        'configuration',
        'ROUTE_TAKEN',
        `${pattern.method} ${pattern.path} is already answered by another webhook-verifier (node ${existing.owner}). Give one of them another path.`,
      );
    }
    this.#delete(pattern.shape);
    const route: Route<E> = { pattern, owner, endpoint };
    this.#byShape.set(pattern.shape, route);
    if (pattern.shape.includes('/:')) {
      const bucket = bucketOf(pattern.method, pattern.segments.length);
      const routes = [...(this.#patterned.get(bucket) ?? []), route];
      this.#patterned.set(bucket, routes.sort(byLiterals));
    }
  }

  /** The endpoint is gone (closed), the route stays known. */
  vacate(endpoint: E): void {
    for (const route of this.#byShape.values()) if (route.endpoint === endpoint) route.endpoint = undefined;
  }

  /** Forgets routes whose endpoint did not come back. */
  prune(): void {
    for (const [shape, route] of [...this.#byShape]) if (route.endpoint === undefined) this.#delete(shape);
  }

  /** @param pathname below the HTTP root, without the query */
  match(method: string, pathname: string): RouteMatch<E> | undefined {
    if (this.#byShape.size === 0 || pathname.length > longestPath) return undefined;
    const parts = split(pathname);
    const literal = this.#byShape.get(`${method} ${parts.map((part) => `/${part}`).join('')}`);
    if (literal !== undefined && !literal.pattern.shape.includes('/:')) return { route: literal, parameters: {} };
    for (const route of this.#patterned.get(bucketOf(method, parts.length)) ?? []) {
      const parameters = parametersOf(route.pattern, parts);
      if (parameters !== undefined) return { route, parameters };
    }
    return undefined;
  }

  routes(): readonly Route<E>[] {
    return [...this.#byShape.values()];
  }

  #delete(shape: string): void {
    const route = this.#byShape.get(shape);
    if (route === undefined) return;
    this.#byShape.delete(shape);
    const bucket = bucketOf(route.pattern.method, route.pattern.segments.length);
    const rest = (this.#patterned.get(bucket) ?? []).filter((other) => other !== route);
    if (rest.length === 0) this.#patterned.delete(bucket);
    else this.#patterned.set(bucket, rest);
  }
}

function bucketOf(method: string, segments: number): string {
  return `${method} ${segments}`;
}

function byLiterals(a: Route<unknown>, b: Route<unknown>): number {
  const rank = (route: Route<unknown>) =>
    route.pattern.segments.map((segment) => (segment.kind === 'literal' ? '0' : '1')).join('');
  return rank(a) < rank(b) ? -1 : 1;
}

function parametersOf(pattern: RoutePattern, parts: readonly string[]): Record<string, string> | undefined {
  const parameters: Record<string, string> = {};
  for (const [index, segment] of pattern.segments.entries()) {
    const part = parts[index]!;
    if (segment.kind === 'literal') {
      if (segment.text !== part) return undefined;
    } else {
      if (part === '') return undefined;
      try {
        parameters[segment.name] = decodeURIComponent(part);
      } catch {
        return undefined;
      }
    }
  }
  return parameters;
}
