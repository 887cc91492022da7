/** `npm run bench [-- name …]`: each bench in a process of its own, one after the other. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const benches = ['ingress', 'costs', 'memory', 'store', 'amqp', 'mapper', 'odoo', 'console', 'chains'];
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!benches.includes(name)) {
    console.error(`There is no bench "${name}". There are: ${benches.join(', ')}.`);
    process.exit(2);
  }
}
let failed = 0;
for (const name of wanted.length > 0 ? wanted : benches) {
  console.log(`\n== ${name}`);
  const { status } = spawnSync(process.execPath, [fileURLToPath(new URL(`./${name}.ts`, import.meta.url))], {
    stdio: 'inherit',
  });
  if (status !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
