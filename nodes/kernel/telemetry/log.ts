/** One JSON line an event, redacted: what a log collector indexes without a parser of its own. */
import { redact } from './redaction.ts';
import type { HopReport, TelemetrySink } from './telemetry.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LineWriter = (level: LogLevel, line: string) => void;

/**
 * A line of the log. `undefined` fields are left out; no field can hold a credential or a whole document.
 *
 * @param text characters of one field at most
 */
export function logLine(event: string, fields: Record<string, unknown> = {}, text = 500): string {
  return JSON.stringify({ event, ...(redact(fields, { depth: 4, members: 40, text }) as object) });
}

/**
 * Writes each hop, and each message that a source has taken in: debug when it went well, warn when it failed. Debug lines
 * are only built when `debugEnabled` says that somebody reads them.
 */
export function logSink(write: LineWriter, debugEnabled: () => boolean = () => true): TelemetrySink {
  return {
    taken({ stage, nodeId, flowId }, { event, failure }): void {
      // What is refused goes out too; its hop tells.
      if (failure !== undefined || !debugEnabled()) return;
      write(
        'debug',
        logLine('taken', {
          stage,
          node: nodeId,
          flow: flowId,
          correlationId: event?.correlationid,
          messageId: event?.id,
          trace: event?.traceparent?.slice(3, 35),
        }),
      );
    },
    hop(report: HopReport): void {
      const failed = report.outcome === 'failed';
      if (!failed && !debugEnabled()) return;
      write(
        failed ? 'warn' : 'debug',
        logLine('hop', {
          stage: report.stage,
          node: report.nodeId,
          flow: report.flowId,
          outcome: report.outcome,
          class: report.failureClass,
          code: report.failureCode,
          ms: Math.round(report.duration * 10) / 10,
          correlationId: report.correlationId,
          messageId: report.messageId,
          trace: report.traceparent?.slice(3, 35),
        }),
      );
    },
  };
}
