/** One try of a call to Odoo as the metrics and the trace tell it. */
import type { Failure } from '../../kernel/failure.ts';
import { childTraceparent } from '../../kernel/id.ts';
import { attribute } from '../../kernel/telemetry/semconv.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { startSpan } from '../../kernel/telemetry/tracing.ts';
import type { Call, Transport } from './transport.ts';

export interface Trip {
  /** What Odoo is told; undefined for a call that no message caused. */
  readonly traceparent: string | undefined;
  end(failure?: Failure): void;
}

export function beginTrip(
  { model, method }: Pick<Call, 'model' | 'method'>,
  protocol: Transport['protocol'],
  traceparent: string | undefined,
  attempt: number,
): Trip {
  const began = performance.now();
  const name = `${model}/${method}`;
  const span =
    traceparent === undefined
      ? undefined
      : startSpan({
          name,
          role: 'client',
          parent: { traceparent },
          attributes: {
            [attribute.rpcSystem]: protocol === 'jsonrpc' ? 'jsonrpc' : 'odoo_json2',
            [attribute.rpcMethod]: name,
            [attribute.attempt]: attempt,
          },
        });
  return {
    traceparent: span?.context.traceparent ?? (traceparent === undefined ? undefined : childTraceparent(traceparent)),
    end(failure) {
      span?.end(failure);
      telemetry.observe('rpc_client_call_duration_seconds', { rpc_method: name }, (performance.now() - began) / 1000);
      telemetry.count('odoo_calls_total', { model, method, class: failure?.class ?? 'none' });
    },
  };
}
