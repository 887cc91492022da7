/** What the flow sees of a change, and what a message to the node asks for. */
import { Failure } from '../../kernel/failure.ts';
import { childTraceparent } from '../../kernel/id.ts';
import type { TraceContext } from '../../kernel/telemetry/tracing.ts';
import type { DeliveryReference, FlowMessage, OdooOutcome } from '../../kernel/message.ts';
import type { OutgoingChange } from '../changes/in-flight.ts';
import { instant } from '../changes/reader.ts';

const effects: Record<OutgoingChange['kind'], OdooOutcome['effect']> = {
  created: 'created',
  changed: 'updated',
  archived: 'updated',
  deleted: 'deleted',
};

/** The same change has the same event id whenever it goes out, so that an idempotency-gate knows it again. */
export function changeMessage(
  change: OutgoingChange,
  delivery: DeliveryReference,
  origin: { url: string; model: string },
  trace?: TraceContext,
): FlowMessage {
  const { id, kind, eventId } = change;
  const { url, model } = origin;
  const time = instant(change.writeDate);
  return {
    topic: model,
    // A copy: the flow may change it, and the change may go out again.
    payload: structuredClone(change.record),
    event: {
      specversion: '1.0',
      id: eventId,
      source: url,
      type: `healthflows.odoo.${model}.${kind}.v1`,
      subject: `${model}/${id}`,
      time,
      correlationid: eventId,
      partitionkey: `${model}:${id}`,
      ...(trace ?? { traceparent: childTraceparent() }),
    },
    odoo: { model, ids: [id], effect: effects[kind], change: kind, ...(kind === 'deleted' ? {} : { writeDate: time }) },
    delivery,
  };
}

export type Asked = { kind: 'pass' | 'retry' | 'reset' } | { kind: 'hint'; id: number };

/**
 * `retry` and `reset` as topic, Odoo's webhook body (`_model`, `_id`) as payload; anything else asks for a look now.
 * @throws Failure `data-quality` (`ODOO_HINT`) for a webhook of another model
 */
export function askedOf({ topic, payload }: FlowMessage, model: string): Asked {
  if (topic === 'retry' || topic === 'reset') return { kind: topic };
  if (typeof payload !== 'object' || payload === null || !('_model' in payload)) return { kind: 'pass' };
  const { _model, _id } = payload as Record<string, unknown>;
  if (_model === model && typeof _id === 'number' && Number.isSafeInteger(_id) && _id > 0)
    return { kind: 'hint', id: _id };
  throw new Failure(
    'data-quality',
    'ODOO_HINT',
    `This odoo-changes follows ${model}; the webhook is of another model, or has no record id. Let the automation rule of ${model} call here.`,
  );
}
