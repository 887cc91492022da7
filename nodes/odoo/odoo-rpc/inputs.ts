import { Failure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { RuntimeApi, RuntimeNode } from '../../node/index.ts';
import type { InputType } from './odoo-rpc.def.ts';

export type Input = (message: FlowMessage) => Promise<unknown>;

/**
 * Prepares a typed input once, at deploy.
 * @throws Failure `configuration` for JSON or a JSONata expression that is not well-formed
 */
export function inputOf(RED: RuntimeApi, node: RuntimeNode, what: string, value: string, type: InputType): Input {
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
        throw malformed(what, 'JSON', error);
      }
      return async () => parsed;
    }
    case 'jsonata': {
      let expression: unknown;
      try {
        expression = RED.util.prepareJSONataExpression(value, node);
      } catch (error) {
        throw malformed(what, 'JSONata', error);
      }
      return (message) =>
        new Promise((resolve, reject) => {
          RED.util.evaluateJSONataExpression(expression, message, (error, result) => {
            if (error) reject(unevaluated(what));
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

/** A comma-separated list as typed. */
export function listOf(text: string): string[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function malformed(what: string, language: string, cause: unknown): Failure {
  return new Failure('configuration', 'ODOO_INPUT', `The ${what} of this odoo-rpc is not well-formed ${language}.`, {
    outcome: 'none',
    cause,
  });
}

function unevaluated(what: string): Failure {
  return new Failure(
    'data-quality',
    'ODOO_INPUT',
    `The expression for the ${what} of this odoo-rpc could not be evaluated for this message.`,
    { outcome: 'none' },
  );
}
