import { tracePromises } from './tracing.ts';

tracePromises('5.0', { engines: 'servers' });
