/**
 * Deliveries that come from no queue, such as the changes of an Odoo model: their source takes the settle itself. A
 * source offers itself under the id that its messages carry in `msg.delivery.connection`.
 */
import type { IncomingDelivery, MessageProperties, Settlement, SettleOutcome } from '../amqp/index.ts';

/** What `settle` needs of whoever handed a message out; an `amqp-connection` is one as well. */
export interface DeliverySource {
  /** What a tag stands for, while it is not settled. */
  open(tag: string):
    | {
        delivery: Pick<IncomingDelivery, 'queue'> & {
          properties: Pick<MessageProperties, 'messageId' | 'headers'> & { timestamp?: number };
        };
      }
    | undefined;
  /** Resolves when the outcome is durable. A tag that is unknown or settled before is a result, not an error. */
  settle(tag: string, outcome: SettleOutcome): Promise<Settlement>;
}

const sources = new Map<string, DeliverySource>();

/** @returns a function that takes the offer back, unless another source has followed under the id */
export function offerDeliveries(id: string, source: DeliverySource): () => void {
  sources.set(id, source);
  return () => {
    if (sources.get(id) === source) sources.delete(id);
  };
}

export function deliverySource(id: string): DeliverySource | undefined {
  return sources.get(id);
}
