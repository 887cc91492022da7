import { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { defineNode } from '../../node/index.ts';
import { propose } from '../propose.ts';
import { replenishmentDefinition } from './replenishment.def.ts';

export default defineNode(replenishmentDefinition, ({ config, RED, status }) => {
  const fact = (message: FlowMessage, path: string): unknown => {
    if (path.trim() === '') return undefined;
    try {
      return RED.util.getMessageProperty(message, path.trim());
    } catch {
      // Node-RED throws where what holds the property is missing.
      return undefined;
    }
  };
  return {
    input(message, { send }) {
      const proposal = propose({
        rule: fact(message, config.rule),
        stock: fact(message, config.stock),
        incoming: fact(message, config.incoming),
        price: fact(message, config.price),
      });
      message.proposal = proposal;
      if (proposal.verdict === 'check') {
        message.failure = new Failure(
          'data-quality',
          'REPLENISHMENT_STOCK_NEGATIVE',
          'The stock is negative, so something was booked wrongly. Count it in Odoo, then replay.',
        ).toRecord({ at: new Date().toISOString(), attempt: message.delivery?.attempt ?? 1 });
      }
      status(proposal.verdict === 'check' ? 'degraded' : 'working', `${proposal.verdict} ${proposal.quantity}`);
      send(message, proposal.verdict);
    },
  };
});
