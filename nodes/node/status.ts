import type { NodeStatus, RuntimeNode } from './node-red.ts';

/**
 * What a status dot says. Dot: connected; ring: not connected or waiting. Green works, yellow waits or is degraded,
 * red needs somebody, blue is paused by a person, grey has nothing to do.
 */
export type StatusKind = 'idle' | 'working' | 'waiting' | 'degraded' | 'down' | 'failed' | 'paused';

const looks: Record<StatusKind, Pick<NodeStatus, 'fill' | 'shape'>> = {
  idle: { fill: 'grey', shape: 'dot' },
  working: { fill: 'green', shape: 'dot' },
  waiting: { fill: 'yellow', shape: 'ring' },
  degraded: { fill: 'yellow', shape: 'dot' },
  down: { fill: 'red', shape: 'ring' },
  failed: { fill: 'red', shape: 'dot' },
  paused: { fill: 'blue', shape: 'ring' },
};

const interval = 250;

/** Sends at most four status updates a second to the editor; the last one always arrives. */
export class StatusLight {
  readonly #node: RuntimeNode;
  #shown = '';
  #wanted: NodeStatus | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(node: RuntimeNode) {
    this.#node = node;
  }

  show(kind: StatusKind, text = ''): void {
    this.#wanted = { ...looks[kind], text };
    if (this.#timer === undefined) this.#flush();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wanted = undefined;
  }

  #flush(): void {
    this.#timer = undefined;
    const wanted = this.#wanted;
    this.#wanted = undefined;
    if (wanted === undefined) return;
    const text = `${wanted.fill} ${wanted.shape} ${wanted.text}`;
    if (text !== this.#shown) {
      this.#shown = text;
      this.#node.status(wanted);
    }
    this.#timer = setTimeout(() => this.#flush(), interval);
    this.#timer.unref();
  }
}
