/**
 * Chains of documents through the whole product, embedded engines: how many end as they must (1 is the only good ratio)
 * and how many a second. CHAINS says how many, default 10,000; SEED which.
 */
import { generateChains } from '../sandbox/chains.ts';
import { chainFlows, playChains } from '../test/e2e/chains.ts';
import { startStack } from '../test/e2e/stack.ts';

const count = Number(process.env.CHAINS ?? 10_000);
const stack = await startStack({ engines: 'embedded', flows: chainFlows() });
try {
  const chains = [...generateChains(count, { seed: Number(process.env.SEED ?? 1) })];
  const began = performance.now();
  const verdicts = await playChains(stack, chains, { width: 48, patience: 600_000 });
  const seconds = (performance.now() - began) / 1000;
  const wrong = verdicts.filter((verdict) => verdict.wrong.length > 0);
  const faulty = chains.filter(({ fault }) => fault !== undefined).length;
  console.log(
    `${count} chains, ${faulty} with a fault, ${seconds.toFixed(0)} s, ${(count / seconds).toFixed(1)} a second`,
  );
  console.log(
    `with the expected outcome: ${count - wrong.length} of ${count}, ratio ${((count - wrong.length) / count).toFixed(5)}`,
  );
  console.log(
    `dead letters: ${(await stack.deadLetters()).length}, RSS ${(stack.nodeRed.rss() / 2 ** 20).toFixed(0)} MB`,
  );
  for (const { chain, wrong: why } of wrong.slice(0, 20)) {
    console.log(`  ${chain.number} ${chain.fault ?? 'no fault'}: ${why.join('; ')}`);
  }
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await stack.close();
}
