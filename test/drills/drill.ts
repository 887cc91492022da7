/**
 * Drills: what a supply-chain manager asks to see before the flows are trusted. Each injects one thing that happens in a
 * hospital, states what must hold, and leaves its evidence in the report of `npm run drills`.
 */
import { it, type TestContext } from 'node:test';
import type { Engines } from '../e2e/stack.ts';

/** `npm test` runs every drill at size 1 on the embedded engines; `npm run drills` larger, and on the servers too. */
export const size = Number(process.env.HEALTHFLOWS_DRILL_SIZE ?? 1);
export const engines: Engines = process.env.HEALTHFLOWS_DRILL_ENGINES === 'servers' ? 'servers' : 'embedded';

export interface Evidence {
  drill: string;
  holds: string;
  evidence: string;
}

export const marker = 'drill: ';

/**
 * @param drill what happens
 * @param holds what must be true all the same
 * @param run proves it and returns the evidence in words: how much of what, and where it ended
 */
export function drill(drill: string, holds: string, run: (t: TestContext) => Promise<string>): void {
  it(`${drill}: ${holds}`, async (t) => {
    const evidence = await run(t);
    t.diagnostic(marker + JSON.stringify({ drill, holds, evidence } satisfies Evidence));
  });
}

/** `count` keys of one drill. */
export const keys = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
