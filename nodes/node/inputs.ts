/** Typed inputs of a dialog: where a value comes from is chosen there, prepared once, and read for each message. */
import { Failure } from '../kernel/failure.ts';
import { parseJson } from '../kernel/json.ts';
import type { FlowMessage } from '../kernel/message.ts';
import type { RuntimeApi, RuntimeNode } from './node-red.ts';

export type InputType = 'msg' | 'jsonata' | 'json' | 'str';

export type Input = (message: FlowMessage) => Promise<unknown>;

/**
 * Prepares a typed input once, at deploy.
 * @param code of the failures
 * @throws Failure `configuration` for JSON or a JSONata expression that is not well-formed
 */
export function inputOf(
  RED: RuntimeApi,
  node: RuntimeNode,
  code: string,
  what: string,
  value: string,
  type: InputType,
): Input {
  switch (type) {
    case 'str':
      return async () => value;
    case 'msg':
      return async (message) => (value === '' ? undefined : propertyOf(RED, message, value));
    case 'json': {
      let parsed: unknown;
      try {
        parsed = value.trim() === '' ? undefined : parseJson(value);
      } catch (error) {
        throw malformed(node, code, what, 'JSON', error);
      }
      return async () => parsed;
    }
    case 'jsonata': {
      let expression: unknown;
      try {
        expression = RED.util.prepareJSONataExpression(value, node);
      } catch (error) {
        throw malformed(node, code, what, 'JSONata', error);
      }
      return (message) =>
        new Promise((resolve, reject) => {
          RED.util.evaluateJSONataExpression(expression, message, (error, result) => {
            if (error) reject(unevaluated(node, code, what));
            else resolve(result);
          });
        });
    }
  }
}

/** Undefined too where what holds the property is missing, for which Node-RED throws. */
function propertyOf(RED: RuntimeApi, message: FlowMessage, path: string): unknown {
  try {
    return RED.util.getMessageProperty(message, path);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

function malformed(node: RuntimeNode, code: string, what: string, language: string, cause: unknown): Failure {
  return new Failure('configuration', code, `The ${what} of this ${node.type} is not well-formed ${language}.`, {
    outcome: 'none',
    cause,
  });
}

function unevaluated(node: RuntimeNode, code: string, what: string): Failure {
  return new Failure(
    'data-quality',
    code,
    `The expression for the ${what} of this ${node.type} could not be evaluated for this message.`,
    { outcome: 'none' },
  );
}
