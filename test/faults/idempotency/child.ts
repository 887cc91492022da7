/**
 * A process that handles messages behind the gate until it is killed at a named point. It prints a line for each thing
 * that a sender could know.
 *
 *   child.ts work <store as JSON> <point> <how many keys pass that point before> <key,key,…>
 *   child.ts post <store as JSON> <key> <how many posts at once>     waits for SIGUSR2
 */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { enter } from '../../../nodes/idempotency/gate/enter.ts';
import { openStore, type StoreOptions } from '../../../nodes/kernel/store/index.ts';
import { claimAt, die, prepare, work } from './operations.ts';
import type { Point } from './points.ts';

const [mode, options, ...rest] = process.argv.slice(2);
const store = openStore(JSON.parse(options!) as StoreOptions);
const say = (line: string): boolean => process.stdout.write(`${line}\n`);
const wantedFor = (key: string) => ({
  scope: 'faults',
  key,
  fingerprint: 'f',
  owner: `${process.pid}`,
  lease: 400,
  retention: 3_600_000,
});

async function handle(keys: string[], fatal: Point, passes: number): Promise<void> {
  let left = passes;
  const isFatal = (point: Point): boolean => point === fatal && left-- <= 0;
  const at = (point: Point): void => {
    if (isFatal(point)) die();
  };
  await Promise.all(
    keys.map(async (key) => {
      for (;;) {
        const verdict = await store.run(claimAt, { ...wantedFor(key), fatal: isFatal('claim-before-commit') });
        if (verdict.kind === 'duplicate') {
          if (Buffer.from(verdict.reply?.body ?? '').toString() !== key) throw new Error(`${key} has another's reply`);
          say(`duplicate ${key}`);
          return;
        }
        if (verdict.kind === 'in-progress') {
          await sleep(verdict.retryAfter);
          continue;
        }
        if (verdict.kind === 'mismatch') throw new Error(`${key} is a mismatch`);
        at('claim-committed');
        // Some work outlasts its lease, so that another process takes the key over and the slow one must be refused.
        await sleep(Math.random() < 0.2 ? 600 : Math.random() * 5);
        at('work-done');
        const inside = isFatal('completion-before-effect')
          ? { fatal: 'before-effect' as const }
          : isFatal('completion-before-commit')
            ? { fatal: 'before-commit' as const }
            : {};
        const held = { scope: 'faults', key, token: verdict.token, process: String(process.pid) };
        if ((await store.run(work, { ...held, ...inside })) === 'lost-lease') continue;
        at('completion-committed');
        say(`done ${key}`);
        at('replied');
        return;
      }
    }),
  );
}

async function post(key: string, count: number): Promise<void> {
  const go = once(process, 'SIGUSR2');
  const keepsAlive = setInterval(() => {}, 1000);
  say('ready');
  await go;
  clearInterval(keepsAlive);
  const visitor = { node: 'test', actor: 'test', subject: key };
  const wanted = { ...wantedFor(key), lease: 60_000 };
  const verdicts = await Promise.all(Array.from({ length: count }, () => store.run(enter, { wanted, visitor })));
  for (const { kind } of verdicts) say(`verdict ${kind}`);
}

await store.run(prepare, undefined);
say('open');
if (mode === 'work') await handle(rest[2]!.split(','), rest[0] as Point, Number(rest[1]));
else await post(rest[0]!, Number(rest[1]));
await store.close();
