/** Whole chains of documents, some with a fault: each must end as its generator says. */
import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { generateChains } from '../../sandbox/chains.ts';
import { chainFlows, playChains } from '../e2e/chains.ts';
import { type Stack, startStack } from '../e2e/stack.ts';
import { drill, engines, size } from './drill.ts';

describe(`drills with chains, ${engines} engines`, { timeout: 1_800_000 }, () => {
  let stack: Stack;
  before(async () => {
    stack = await startStack({ engines, flows: chainFlows() });
  });
  after(() => stack?.close());

  drill('A day of purchases, four in ten with a fault', 'each ends as it must, in Odoo and in money', async () => {
    const chains = [...generateChains(80 * size, { seed: 8 })];
    const verdicts = await playChains(stack, chains);
    const wrong = verdicts.filter((verdict) => verdict.wrong.length > 0);
    assert.deepEqual(
      wrong.map(({ chain, wrong: why }) => `${chain.number} ${chain.fault ?? ''}: ${why.join('; ')}`),
      [],
    );
    assert.deepEqual(await stack.deadLetters(), []);
    const faults = chains.filter(({ fault }) => fault !== undefined).length;
    const money = chains.reduce((sum, { expected }) => sum + expected.cents, 0) / 100;
    return `${chains.length} chains, ${faults} with a fault, all with the expected outcome; ${money.toFixed(2)} EUR posted on both sides`;
  });
});
