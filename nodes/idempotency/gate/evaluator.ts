import { Failure } from '../../kernel/failure.ts';
import type { NodeContext } from '../../node/index.ts';
import type { Evaluator } from './inputs.ts';

/** Properties and JSONata by Node-RED's own means. */
export function evaluatorOf({ RED, node }: Pick<NodeContext<object>, 'RED' | 'node'>): Evaluator {
  return {
    property(message, path) {
      try {
        return RED.util.getMessageProperty(message, path);
      } catch {
        // Node-RED throws on the way through something that is not there.
        return undefined;
      }
    },
    jsonata(expression) {
      const prepared = prepare(() => RED.util.prepareJSONataExpression(expression, node));
      return (message) =>
        new Promise((resolve, reject) =>
          RED.util.evaluateJSONataExpression(prepared, message, (error, value) => {
            if (error) reject(expressionFailure('data-quality', error));
            else resolve(value);
          }),
        );
    },
  };
}

function prepare<T>(compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    throw expressionFailure('configuration', error);
  }
}

function expressionFailure(failureClass: 'configuration' | 'data-quality', cause: unknown): Failure {
  return new Failure(
    failureClass,
    'IDEMPOTENCY_EXPRESSION',
    "The JSONata expression for the idempotency key failed. Try it on a message in the expression's editor.",
    { cause },
  );
}
