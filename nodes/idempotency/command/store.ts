#!/usr/bin/env node
import { storeCommand } from './command.ts';

process.exitCode = await storeCommand(process.argv.slice(2), console.log, console.error);
