#!/usr/bin/env node
import { storeCommand } from './command.ts';

// Whoever reads (`| head`) may have seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});
process.exitCode = await storeCommand(process.argv.slice(2), console.log, console.error);
