/** `node sandbox/odoo/cli.ts --port 8069 --version 19 [--host 127.0.0.1] [--data file]` */
import { parseArgs } from 'node:util';
import { apiKeys } from './seed.ts';
import { startSandboxOdoo } from './server.ts';
import { isOdooVersion } from './versions.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '8069' },
    version: { type: 'string', default: '19' },
    host: { type: 'string', default: '127.0.0.1' },
    data: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help || !isOdooVersion(values.version)) {
  console.log('node sandbox/odoo/cli.ts [--port 8069] [--version 17|18|19] [--host 127.0.0.1] [--data file]');
  process.exit(values.help ? 0 : 2);
}

const odoo = await startSandboxOdoo({
  port: Number(values.port),
  version: values.version,
  host: values.host as '127.0.0.1',
  ...(values.data === undefined ? {} : { data: values.data }),
}).catch((error: NodeJS.ErrnoException) => {
  console.error(
    error.code === 'EADDRINUSE' ? `Port ${values.port} is taken; choose another one with --port.` : error.message,
  );
  process.exit(1);
});
console.log(
  `Sandbox Odoo ${odoo.version} (stand-in, not Odoo): ${odoo.url}  database: ${odoo.database}  key: ${apiKeys.bot}`,
);

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void odoo.close().then(() => process.exit(0));
  });
}
