/**
 * The process that evaluates JSONata. Its own thread only passes messages on, so that it ends with the process that
 * started it even while an expression never ends.
 */
import { Worker } from 'node:worker_threads';

process.on('disconnect', () => process.exit(0));
const worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url), {
  execArgv: ['--disable-warning=ExperimentalWarning'],
  resourceLimits: { maxOldGenerationSizeMb: Number(process.argv[2]), maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
});
worker.on('message', (message: object) => process.send!(message));
worker.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 134 : 1));
process.on('message', (task) => worker.postMessage(task));
