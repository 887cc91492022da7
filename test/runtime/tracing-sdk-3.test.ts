/**
 * The same promises with SDK 3, whose packages want another OpenTelemetry API than SDK 2's and cannot be installed beside
 * them: in a folder of their own, as `deploy/otel-setup-3.example.cjs` says, named by HEALTHFLOWS_OTEL_3.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../support/node-red.ts';
import { tracePromises } from './tracing.ts';

const folder = process.env.HEALTHFLOWS_OTEL_3;
const setup = join(folder ?? packageRoot, 'otel-setup-3.example.cjs');
if (folder !== undefined) copyFileSync(join(packageRoot, 'deploy/otel-setup-3.example.cjs'), setup);

for (const version of ['5.0', '4.1'] as const)
  tracePromises(version, { setup, skip: folder === undefined ? 'HEALTHFLOWS_OTEL_3 names no folder' : undefined });
