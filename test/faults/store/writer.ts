/**
 * A process that claims and completes keys as fast as the store takes them and prints each key after it was
 * acknowledged: `writer.ts <options as JSON> <name of the run>`. It runs until it is killed.
 */
import { enter } from '../../../nodes/idempotency/gate/enter.ts';
import { claim, complete } from '../../../nodes/idempotency/index.ts';
import { openStore, type StoreOptions } from '../../../nodes/kernel/store/index.ts';

const [options, run] = process.argv.slice(2);
const store = openStore(JSON.parse(options!) as StoreOptions);
const scope = 'writer';
let next = 0;

async function work(): Promise<void> {
  for (;;) {
    const key = `${run}-${next++}`;
    const wanted = { scope, key, fingerprint: 'f', owner: 'writer', lease: 60_000, retention: 3_600_000 };
    const verdict = await store.run(claim, wanted);
    if (verdict.kind !== 'new') throw new Error(`${key} is ${verdict.kind}`);
    process.stdout.write(`c ${key}\n`);
    await store.run(complete, { scope, key, token: verdict.token, reply: { statusCode: 202, body: key } });
    process.stdout.write(`d ${key}\n`);
    // A duplicate writes an audit entry.
    if (next % 10 === 0) {
      await store.run(enter, { wanted, visitor: { node: 'writer', actor: 'writer', subject: key } });
    }
  }
}

await Promise.all(Array.from({ length: 16 }, work));
