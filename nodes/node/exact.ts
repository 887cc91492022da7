/** Exact arithmetic in the JSONata of our dialogs: JSONata itself calculates in floating point. */
import { multiply, round, sum, toDecimal } from '../kernel/decimal.ts';
import type { RuntimeApi, RuntimeNode } from './node-red.ts';

interface Expression {
  registerFunction(name: string, implementation: (...values: unknown[]) => unknown): void;
}

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

/**
 * Decimals as text, so that no digit is lost: `$exactSum(amounts)`, `$exactProduct(quantity, price)` and
 * `$exactRound(amount, 2)` (half away from zero, as Odoo rounds). A number with a fraction, or nothing where a factor
 * is expected, is an error.
 */
export const exactFunctions: Readonly<Record<string, (...values: unknown[]) => unknown>> = {
  exactSum: (values) => sum(listOf(values).map(toDecimal)),
  exactProduct: (...factors) => factors.map(toDecimal).reduce(multiply),
  exactRound: (value, scale) => round(toDecimal(value), Number(scale)),
};

/** A JSONata expression that knows the exact functions. @throws what Node-RED throws for one that cannot be read */
export function prepareExpression(RED: RuntimeApi, text: string, node: RuntimeNode): unknown {
  const expression = RED.util.prepareJSONataExpression(text, node) as Expression;
  for (const [name, implementation] of Object.entries(exactFunctions))
    expression.registerFunction(name, implementation);
  return expression;
}
