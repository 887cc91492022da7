import type { RuntimeApi } from './node-red.ts';

type Listener = () => void;

const stopping = new Set<Listener>();
const starting = new Set<Listener>();
const started = new Set<Listener>();
const attached = new WeakSet<object>();

/** True between `flows:stopping` and the next `flows:started`: sources must not take new work. */
let paused = false;
/** True between `flows:starting` and `flows:started`: nodes are being made. */
let making = false;

/**
 * Subscribes once per runtime to its flow events. Node-RED removes nodes from the routing table before it awaits
 * their close handlers, so draining cannot be done there: taking new work must stop at `flows:stopping`, which is
 * emitted synchronously before anything is torn down.
 */
export function attachLifecycle(RED: RuntimeApi): void {
  if (attached.has(RED.events)) return;
  attached.add(RED.events);
  RED.events.on('flows:stopping', () => {
    paused = true;
    for (const listener of [...stopping]) listener();
  });
  RED.events.on('flows:starting', () => {
    making = true;
    for (const listener of [...starting]) listener();
  });
  RED.events.on('flows:started', () => {
    paused = false;
    making = false;
    for (const listener of [...started]) listener();
  });
}

export function flowsPaused(): boolean {
  return paused;
}

/** @returns a function that unsubscribes */
export function onFlowsStopping(listener: Listener): () => void {
  stopping.add(listener);
  return () => stopping.delete(listener);
}

/** @returns a function that unsubscribes */
export function onFlowsStarted(listener: Listener): () => void {
  started.add(listener);
  return () => started.delete(listener);
}

/**
 * Holds from `flows:starting` to `flows:started`, so that every node of the deployment has been made before, and now if
 * this is such a time.
 *
 * @param hold returns what ends the hold
 * @returns a function that unsubscribes and ends the hold
 */
export function holdWhileStarting(hold: () => () => void): () => void {
  let release = making ? hold() : undefined;
  const end = () => {
    release?.();
    release = undefined;
  };
  const begin = () => {
    release ??= hold();
  };
  starting.add(begin);
  started.add(end);
  return () => {
    starting.delete(begin);
    started.delete(end);
    end();
  };
}
