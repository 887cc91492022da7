/** What may leave by an edge to a partner, by the sensitivity classes of the canonical model. */
import {
  classificationOf,
  type EntitySchema,
  entityOfSchema,
  projectorOf,
  type Sensitivity,
  sensitivities,
} from '../canonical/index.ts';
import { Failure } from '../kernel/failure.ts';
import type { EventAttributes } from '../kernel/message.ts';

export interface Edge {
  /** Highest class that may leave. `any`: not looked at. */
  most: Sensitivity | 'any';
  /** What becomes of a canonical document that holds more. */
  over: 'refuse' | 'project';
}

/**
 * Keeps what an edge must not carry. Only a canonical document can be projected: of a rendered one only the class is
 * known, so it is refused.
 * @returns what may be sent
 * @throws Failure `policy-rejection` `PARTNER_SENSITIVITY` or `PARTNER_UNCLASSIFIED`
 */
export function leastData(payload: unknown, event: EventAttributes | undefined, edge: Edge): unknown {
  const { most, over } = edge;
  if (most === 'any' || payload === undefined || payload === '') return payload;
  const entity = typeof payload === 'object' ? entityOf(event) : undefined;
  const found = entity === undefined ? classOf(event?.sensitivity) : classificationOf(entity, payload);
  if (found === undefined) {
    throw new Failure(
      'policy-rejection',
      'PARTNER_UNCLASSIFIED',
      `Nobody has said how sensitive this document is, and at most class ${most} may leave here; nothing was sent. Lead it through a canonical-mapper, or set msg.event.sensitivity.`,
      { outcome: 'none' },
    );
  }
  if (level(found) <= level(most)) return payload;
  if (entity !== undefined && over === 'project') {
    return projectorOf(entity.name, { allow: sensitivities.slice(0, level(most) + 1), mode: 'drop' })(payload);
  }
  throw new Failure(
    'policy-rejection',
    'PARTNER_SENSITIVITY',
    `The document is of class ${found} and at most ${most} may leave here; nothing was sent. Leave fields out with a canonical-mapper (mode: leave fields out) before, or allow more in the partner-send node.`,
    { outcome: 'none' },
  );
}

const level = (sensitivity: Sensitivity): number => sensitivities.indexOf(sensitivity);

function entityOf(event: EventAttributes | undefined): EntitySchema | undefined {
  return typeof event?.dataschema === 'string' ? entityOfSchema(event.dataschema) : undefined;
}

function classOf(text: string | undefined): Sensitivity | undefined {
  return (sensitivities as readonly string[]).includes(text ?? '') ? (text as Sensitivity) : undefined;
}
