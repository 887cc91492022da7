/**
 * One request that waits for its reply, and all of an endpoint together: bounded in number and bytes, each with a
 * deadline, so that no caller hangs whatever happens to the flow behind.
 */
import type { HttpRequest, HttpResponse } from './http.ts';
import { correlationIdOf } from './identity.ts';
import { type ProblemCode, type ProblemOptions, sendProblem } from './problem.ts';

/** How a reply ended, for whoever has to know whether the work was accepted. */
export type Outcome = { kind: 'replied'; status: number } | { kind: 'aborted' };

export class Exchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  #correlationId: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #open = true;
  #outcome: Outcome | undefined;
  #listener: ((outcome: Outcome) => void) | undefined;

  constructor(request: HttpRequest, response: HttpResponse, closed: (exchange: Exchange) => void) {
    this.request = request;
    this.response = response;
    response.once('close', () => {
      clearTimeout(this.#timer);
      this.#open = false;
      closed(this);
      this.#outcome = response.writableFinished
        ? { kind: 'replied', status: response.statusCode }
        : { kind: 'aborted' };
      this.#listener?.(this.#outcome);
    });
  }

  /** Told once, when the reply is out or the caller has gone; at once when that is past. */
  onOutcome(listener: (outcome: Outcome) => void): void {
    if (this.#outcome === undefined) this.#listener = listener;
    else listener(this.#outcome);
  }

  /** What our own replies quote: the event's, once it is known. */
  get correlationId(): string {
    return this.#correlationId ?? correlationIdOf(this.request);
  }

  set correlationId(id: string) {
    this.#correlationId = id;
  }

  get open(): boolean {
    return this.#open && !this.response.headersSent;
  }

  /** Answers `no-reply-in-time` after this many milliseconds. */
  startDeadline(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.problem('no-reply-in-time'), milliseconds);
  }

  problem(code: ProblemCode, options: ProblemOptions = {}): void {
    if (!this.open) return;
    sendProblem(this.response, code, this.correlationId, options);
    muteLateReply(this.response);
  }
}

/**
 * After we answered, an `http response` node further down may still come with its own: its calls then do nothing
 * instead of throwing ERR_HTTP_HEADERS_SENT into the flow.
 */
function muteLateReply(response: HttpResponse): void {
  const nothing = () => response;
  Object.assign(response, {
    set: nothing,
    status: nothing,
    send: nothing,
    json: nothing,
    jsonp: nothing,
    cookie: nothing,
    clearCookie: nothing,
    sendStatus: nothing,
  });
}

/** Bodies held in memory by requests that wait for a reply, over all endpoints of the process. */
const byteBudget = 128 * 1024 * 1024;
let bytesHeld = 0;

export class Exchanges {
  readonly #open = new Map<Exchange, number>();
  readonly #count: number;
  #emptied: (() => void) | undefined;

  /** @param count requests that may wait for a reply at one time */
  constructor(count: number) {
    this.#count = count;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @param bytes the most its body can hold @returns undefined when no more can wait */
  start(request: HttpRequest, response: HttpResponse, bytes: number): Exchange | undefined {
    if (this.#open.size >= this.#count || bytesHeld + bytes > byteBudget) return undefined;
    const exchange = new Exchange(request, response, (ended) => {
      bytesHeld -= this.#open.get(ended) ?? 0;
      this.#open.delete(ended);
      if (this.#open.size === 0) this.#emptied?.();
    });
    bytesHeld += bytes;
    this.#open.set(exchange, bytes);
    return exchange;
  }

  /** The body is there and no larger than this. */
  received(exchange: Exchange, bytes: number): void {
    const reserved = this.#open.get(exchange);
    if (reserved === undefined) return;
    bytesHeld += bytes - reserved;
    this.#open.set(exchange, bytes);
  }

  /** The exchange that ends with this response. */
  of(response: HttpResponse): Exchange[] {
    return [...this.#open.keys()].filter((exchange) => exchange.response === response);
  }

  /** Shortens every wait: what has not been answered by then was lost in a deploy. */
  hasten(milliseconds: number): void {
    for (const exchange of this.#open.keys()) exchange.startDeadline(milliseconds);
  }

  /** Waits for replies that are on their way, at most `grace` milliseconds, then asks the rest to come again. */
  async drain(grace: number): Promise<void> {
    if (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, grace);
        this.#emptied = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#emptied = undefined;
    }
    for (const exchange of [...this.#open.keys()]) exchange.problem('deploying');
  }
}
