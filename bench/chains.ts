/**
 * Chains of documents, from requisition to payment, through the whole product on embedded engines: how many end as they
 * must (1 is the only good ratio) and how many a second. CHAINS says how many, default 10,000; SEED which; WIDTH how
 * many are under way at once.
 */
import { chainFaults, generateChains } from '../sandbox/chains.ts';
import { startChains } from '../test/e2e/chains.ts';

const count = Number(process.env.CHAINS ?? 10_000);
const { stack, play, close } = await startChains('embedded');
try {
  const chains = [
    ...generateChains(count, { seed: Number(process.env.SEED ?? 1), faulty: Number(process.env.FAULTY ?? 0.4) }),
  ];
  const began = performance.now();
  const { verdicts, totals } = await play(chains, {
    width: Number(process.env.WIDTH ?? 48),
    patience: Number(process.env.PATIENCE ?? 300) * 1000,
  });
  const seconds = (performance.now() - began) / 1000;
  const wrong = verdicts.filter((verdict) => verdict.wrong.length > 0);
  const faulty = chains.filter(({ fault }) => fault !== undefined).length;
  console.log(
    `${count} chains, ${faulty} with a fault of ${chainFaults.length} kinds, ${seconds.toFixed(0)} s, ${(count / seconds).toFixed(1)} a second`,
  );
  console.log(
    `with the expected outcome: ${count - wrong.length} of ${count}, ratio ${((count - wrong.length) / count).toFixed(5)}`,
  );
  for (const [what, { expected, odoo }] of Object.entries(totals).filter(([, sums]) => typeof sums === 'object')) {
    console.log(`${what}: ${odoo} in Odoo, ${expected} expected`);
  }
  console.log(
    `waiting for a named person: ${totals.waiting}, dead letters: ${(await stack.deadLetters()).length}, RSS ${(stack.nodeRed.rss() / 2 ** 20).toFixed(0)} MB`,
  );
  for (const { chain, wrong: why } of wrong.slice(0, 20)) {
    console.log(`  ${chain.number} ${chain.fault ?? 'no fault'}: ${why.join('; ')}`);
  }
  process.exitCode = wrong.length === 0 ? 0 : 1;
} finally {
  await close();
}
