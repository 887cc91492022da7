/** Exact arithmetic in JSONata, which calculates in floating point by itself. */
import { compare, divide, multiply, normalise, round, sum, toDecimal } from '../kernel/decimal.ts';
import type { RuntimeApi } from './node-red.ts';

interface Expression {
  registerFunction(name: string, implementation: (...values: unknown[]) => unknown): void;
}

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

/**
 * Decimals as text, so that no digit is lost: `$exactSum(amounts)`, `$exactProduct(quantity, price)`,
 * `$exactQuotient(amount, quantity, 6)` (at most six decimals) and `$exactRound(amount, 2)` (both half away from zero, as
 * Odoo rounds), and `$exactCompare(a, b)`, which is -1, 0 or 1. A number with a fraction, or nothing where a value is
 * expected, is an error.
 */
export const exactFunctions: Readonly<Record<string, (...values: unknown[]) => unknown>> = {
  exactSum: (values) => sum(listOf(values).map(toDecimal)),
  exactProduct: (...factors) => factors.map(toDecimal).reduce(multiply),
  exactQuotient: (value, divisor, scale) => normalise(divide(toDecimal(value), toDecimal(divisor), Number(scale))),
  exactRound: (value, scale) => round(toDecimal(value), Number(scale)),
  exactCompare: (a, b) => compare(toDecimal(a), toDecimal(b)),
};

const offered = new WeakSet<RuntimeApi['util']['prepareJSONataExpression']>();

/**
 * Makes the functions known to expressions that a node prepares with `RED.util.prepareJSONataExpression` after this: those
 * of this package's nodes and, of Node-RED's own, inject, debug, change, switch, sort and join's reduce and fix-up. Flows
 * calculate amounts in change and switch nodes, which have no other way to them; expressions that name none of the
 * functions mean what they meant.
 *
 * Not reached: `RED.util.evaluateNodeProperty(…, 'jsonata')`, which prepares by itself (file nodes' name, join's initial
 * value, nodes of others). There the functions are unknown, and calling one is JSONata's T1006, "Attempted to invoke a
 * non-function".
 */
export function offerExactFunctions({ util }: Pick<RuntimeApi, 'util'>): void {
  const prepare = util.prepareJSONataExpression;
  if (offered.has(prepare)) return;
  util.prepareJSONataExpression = (text, node) => {
    const expression = prepare(text, node) as Expression;
    for (const [name, implementation] of Object.entries(exactFunctions))
      expression.registerFunction(name, implementation);
    return expression;
  };
  offered.add(util.prepareJSONataExpression);
}
