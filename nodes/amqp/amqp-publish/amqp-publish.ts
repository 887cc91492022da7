import { Failure } from '../../kernel/failure.ts';
import { defineNode } from '../../node/index.ts';
import { eventOf, outgoingMessage, partPath } from '../cloud-events.ts';
import { amqpConnection } from '../index.ts';
import { ConnectionLight } from '../status.ts';
import { sendingAttributes } from '../tracing.ts';
import { AcceptedParts } from './accepted-parts.ts';
import { acceptedReply } from './accepted-reply.ts';
import { amqpPublishDefinition } from './amqp-publish.def.ts';

export default defineNode(amqpPublishDefinition, ({ id, flowId, config, status, resolve, node, RED, log }) => {
  const connection = resolve(amqpConnection, config.connection);
  const exchange = config.exchange.trim() === '' ? connection.eventsExchange : config.exchange.trim();
  const needed = { exchanges: [exchange], queues: [] };
  connection.declare(needed).catch((error: Error) => {
    log.warn('amqp.declare', { problem: error.message });
  });
  let published = 0;
  const acceptedParts = new AcceptedParts();
  const light = new ConnectionLight(connection, status, async () => {
    if (connection.problemOf('exchange', exchange) !== undefined) {
      return { text: `exchange ${exchange} does not answer`, waiting: true };
    }
    const outbox = config.guarantee === 'outbox' ? await connection.outbox() : undefined;
    return outbox === undefined || outbox.depth === 0
      ? { text: `${published} published` }
      : { text: `${outbox.depth} in outbox`, waiting: outbox.held > 0 || outbox.lag > 10_000 };
  });
  const priority = config.priority === '' ? undefined : Number(config.priority);

  return {
    async input(message, { send, span }) {
      const text = (value: string, type: string): string | undefined => {
        // Node-RED throws for a property of something that is absent, e.g. event.partitionkey without msg.event.
        if (type === 'msg' && !Object.hasOwn(message, value.split('.', 1)[0]!)) return undefined;
        const result = RED.util.evaluateNodeProperty(value, type, node, message);
        return result === undefined || result === null || result === '' ? undefined : String(result);
      };
      const routingKey = text(config.routingKey, config.routingKeyType);
      if (routingKey === undefined) {
        throw new Failure(
          'data-quality',
          'AMQP_NO_ROUTING_KEY',
          `The message has no routing key (${config.routingKeyType} ${config.routingKey}). Set it, or choose another source in amqp-publish.`,
        );
      }
      const event = eventOf(message, `/node-red/${flowId ?? id}`, routingKey);
      const { correlationid: correlationId } = event;
      span?.rename(`publish ${exchange}:${routingKey}`);
      span?.set(sendingAttributes(connection.engine, exchange, routingKey, event));
      const partitionKey = text(config.partitionKey, config.partitionKeyType);
      const whole = message.event?.id ?? event.id;
      const reply = config.reply && message.res !== undefined ? acceptedReply(whole, correlationId) : undefined;
      const { completed } = await connection.accept(
        {
          message: outgoingMessage(message.payload, event, {
            exchange,
            routingKey,
            ...(partitionKey === undefined ? {} : { partitionKey }),
            ...(config.expiration > 0 ? { expiration: config.expiration * 1000 } : {}),
            ...(priority === undefined ? {} : { priority }),
            ...(span === undefined ? {} : { trace: span.context }),
          }),
          // Completed with the first part, the key would call the others duplicates after a crash.
          ...(config.completes && message.idempotency !== undefined && partPath(message) === undefined
            ? { lease: message.idempotency }
            : {}),
          ...(reply === undefined ? {} : { reply }),
          correlationId,
          node: id,
        },
        config.guarantee,
      );
      published++;
      light.refresh();
      message.event = event;
      if (completed) delete message.idempotency;
      // The sender's message is accepted with its last part: no earlier one may be answered with.
      if (reply !== undefined && !acceptedParts.complete(message)) delete message.res;
      else if (reply !== undefined) {
        message.statusCode = reply.statusCode;
        message.headers = reply.headers;
        message.payload = reply.body;
      }
      send(message);
    },
    close() {
      light.stop();
      connection.withdraw(needed);
    },
  };
});
