/**
 * The systems that flows depend on, by the id of their config node. Who owns a circuit breaker registers it here; who
 * feeds a flow (a consumer) looks here whether what is behind the flow can be reached, and holds its messages
 * meanwhile rather than spend their tries. Neither knows the other.
 */
import { telemetry } from '../telemetry/telemetry.ts';
import type { Breaker, BreakerState } from './breaker.ts';

export type Availability =
  | { kind: 'available' }
  /** Calls are refused, or only probes pass. `cause` is the code of the failure that began it. */
  | { kind: 'unavailable'; since: number; cause?: string };

export interface Dependency {
  /** Of the config node. */
  readonly id: string;
  /** As an operator knows it. */
  readonly name: string;
  readonly availability: Availability;
  /** True while a person has taken it out of service. */
  readonly isolated: boolean;
  /** Who has, where that is known. */
  readonly isolatedBy: string | undefined;
  /** A person takes it out of service: calls are refused and nothing probes it, until {@link release}. */
  isolate(by?: string): void;
  /** Calls pass again; when it is down after all, the breaker opens by itself. */
  release(): void;
}

const stateNumbers: Record<BreakerState['kind'], number> = { closed: 0, 'half-open': 1, open: 2, isolated: 3 };

const dependencies = new Map<string, Dependency>();
const listeners = new Set<() => void>();

/**
 * Registers what a breaker protects. Between opening and closing again it is unavailable, probes included.
 * @returns a function that takes it out again
 */
export function registerDependency(id: string, name: string, breaker: Breaker): () => void {
  let availability = availabilityOf(breaker.state);
  let { kind } = breaker.state;
  let isolatedBy: string | undefined;
  const dependency: Dependency = {
    id,
    name,
    get availability() {
      return availability;
    },
    get isolated() {
      return breaker.state.kind === 'isolated';
    },
    get isolatedBy() {
      return isolatedBy;
    },
    isolate(by) {
      isolatedBy = by;
      breaker.isolate();
    },
    release: () => breaker.release(),
  };
  dependencies.set(id, dependency);
  telemetry.gauge('breaker_state', { dependency: name }, stateNumbers[breaker.state.kind]);
  const off = breaker.onChange((state) => {
    telemetry.gauge('breaker_state', { dependency: name }, stateNumbers[state.kind]);
    if (state.kind !== kind) telemetry.count('breaker_transitions_total', { dependency: name, state: state.kind });
    // Why it is away is told as well: a person who takes away what is down already changes that.
    const taken = (kind === 'isolated') !== (state.kind === 'isolated');
    kind = state.kind;
    if (kind !== 'isolated') isolatedBy = undefined;
    const before = availability;
    const now = availabilityOf(state);
    // The outage began when the breaker first opened, whatever probes have found since.
    availability = before.kind === 'unavailable' && now.kind === 'unavailable' ? { ...now, ...before } : now;
    if (before.kind !== now.kind || taken) changed();
  });
  changed();
  return () => {
    off();
    // A redeployed config node may have taken the id over.
    if (dependencies.get(id) !== dependency) return;
    dependencies.delete(id);
    changed();
  };
}

/** Undefined for an id that stands for no dependency, or for none that runs. */
export function dependency(id: string): Dependency | undefined {
  return dependencies.get(id);
}

/** Of `ids`, the dependencies that cannot be reached now. */
export function unavailable(ids: Iterable<string>): Dependency[] {
  return [...ids].flatMap((id) => {
    const known = dependencies.get(id);
    return known?.availability.kind === 'unavailable' ? [known] : [];
  });
}

/** Why they cannot be reached, for people: `Odoo is down; Labor is out of service, by ward.operator`. */
export function outageWords(down: readonly Dependency[]): string {
  const whys = down.map(({ name, isolated, isolatedBy }) => {
    if (!isolated) return `${name} is down`;
    return isolatedBy === undefined ? `${name} is out of service` : `${name} is out of service, by ${isolatedBy}`;
  });
  return [...new Set(whys)].join('; ');
}

/** Tells when any dependency comes, goes, fails or is back. @returns a function that unsubscribes */
export function onDependencies(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function availabilityOf(state: BreakerState): Availability {
  if (state.kind === 'closed') return { kind: 'available' };
  return { kind: 'unavailable', since: state.since, ...(state.kind === 'open' ? { cause: state.cause } : {}) };
}

function changed(): void {
  for (const listener of [...listeners]) listener();
}
