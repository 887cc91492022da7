/** The status dot of a node that depends on a connection. */
import type { StatusKind } from '../node/index.ts';
import type { EngineState } from './engines/engine.ts';
import type { AmqpConnectionService } from './service.ts';

const looks: Record<Exclude<EngineState['kind'], 'ready'>, [StatusKind, string]> = {
  connecting: ['waiting', 'connecting'],
  blocked: ['waiting', 'broker blocks: memory or disk'],
  down: ['down', 'broker does not answer'],
  misconfigured: ['failed', 'misconfigured, see log'],
  closed: ['idle', 'closed'],
};

export interface Working {
  text: string;
  /** Yellow: something holds it up. */
  waiting?: boolean;
  /** Blue: a person paused it. */
  paused?: boolean;
}

const interval = 5_000;
/** Milliseconds between two looks, however often something changes. */
const pause = 500;

export class ConnectionLight {
  readonly #connection: AmqpConnectionService;
  readonly #show: (kind: StatusKind, text?: string) => void;
  readonly #working: () => Working | Promise<Working>;
  readonly #off: () => void;
  readonly #timer: NodeJS.Timeout;
  #pausing: NodeJS.Timeout | undefined;
  #busy = false;
  #again = false;

  constructor(
    connection: AmqpConnectionService,
    show: (kind: StatusKind, text?: string) => void,
    working: () => Working | Promise<Working>,
  ) {
    this.#connection = connection;
    this.#show = show;
    this.#working = working;
    this.#off = connection.onState(() => this.#look());
    this.#timer = setInterval(() => this.refresh(), interval);
    this.#timer.unref();
    setImmediate(() => this.refresh());
  }

  /** Cheap to call with every message: what comes while it looks or pauses is answered by one more look. */
  refresh(): void {
    if (this.#busy) this.#again = true;
    else this.#look();
  }

  #look(): void {
    const { state } = this.#connection;
    if (state.kind !== 'ready') {
      this.#show(...looks[state.kind]);
      return;
    }
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    this.#again = false;
    void Promise.resolve()
      .then(() => this.#working())
      .then(({ text, waiting, paused }) => {
        this.#show(paused === true ? 'paused' : waiting === true ? 'waiting' : 'working', text);
      })
      // The store says itself why it does not answer.
      .catch(() => this.#show('waiting', 'store does not answer'))
      .finally(() => {
        this.#pausing = setTimeout(() => {
          this.#busy = false;
          if (this.#again) this.refresh();
        }, pause);
        this.#pausing.unref();
      });
  }

  stop(): void {
    this.#off();
    clearInterval(this.#timer);
    clearTimeout(this.#pausing);
  }
}
