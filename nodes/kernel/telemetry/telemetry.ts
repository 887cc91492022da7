import type { FlowMessage } from '../message.ts';

/**
 * Where the kernel and the nodes report what happened. Sinks (metrics, log, traces) subscribe; without one a report
 * costs a loop over an empty set. Labels are closed sets: never ids, URLs or document values.
 */
export interface HopReport {
  /** Node type, e.g. `odoo-rpc`. */
  stage: string;
  nodeId: string;
  flowId?: string;
  outcome: 'ok' | 'failed';
  failureClass?: string;
  failureCode?: string;
  /** Milliseconds. */
  duration: number;
  correlationId?: string;
  traceparent?: string;
  messageId?: string;
}

export interface TelemetrySink {
  /** `message` is what the node was given and may have changed; a sink reads it at once and keeps no reference. */
  hop?(report: HopReport, message?: FlowMessage): void;
  /** A source (a consumer, a webhook) has taken a message in. */
  taken?(source: Pick<HopReport, 'stage' | 'nodeId' | 'flowId'>, message: FlowMessage): void;
  count?(name: string, labels: Record<string, string>, by: number): void;
  /** Seconds for durations, plain numbers otherwise; the metric's name carries the unit. */
  observe?(name: string, labels: Record<string, string>, value: number): void;
  gauge?(name: string, labels: Record<string, string>, value: number): void;
  /** What a gauge spoke of is gone: its last value must not stand for ever. */
  forget?(name: string, labels: Record<string, string>): void;
}

/** A code as this package writes them: few, of ours or a flow's own, never a value of a document. */
const exceptionCode = /^[A-Z][A-Z0-9_]{1,63}$/;

/**
 * Counts an exception of the business: a price that differs, a supplier that is blocked. Flows report theirs with
 * `msg.businessException` at a settle node; the registry keeps 40 codes, the rest is `other`.
 */
export function businessException(code: unknown): void {
  const known = typeof code === 'string' && exceptionCode.test(code);
  telemetry.count('business_exceptions_total', { code: known ? code : 'other' });
}

const sinks = new Set<TelemetrySink>();

/** @returns a function that unsubscribes */
export function addTelemetrySink(sink: TelemetrySink): () => void {
  sinks.add(sink);
  return () => sinks.delete(sink);
}

export const telemetry = {
  hop(report: HopReport, message?: FlowMessage): void {
    for (const sink of sinks) sink.hop?.(report, message);
  },
  taken(source: Pick<HopReport, 'stage' | 'nodeId' | 'flowId'>, message: FlowMessage): void {
    for (const sink of sinks) sink.taken?.(source, message);
  },
  count(name: string, labels: Record<string, string> = {}, by = 1): void {
    for (const sink of sinks) sink.count?.(name, labels, by);
  },
  observe(name: string, labels: Record<string, string>, value: number): void {
    for (const sink of sinks) sink.observe?.(name, labels, value);
  },
  gauge(name: string, labels: Record<string, string>, value: number): void {
    for (const sink of sinks) sink.gauge?.(name, labels, value);
  },
  forget(name: string, labels: Record<string, string>): void {
    for (const sink of sinks) sink.forget?.(name, labels);
  },
};
