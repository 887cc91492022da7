import { tracePromises } from './tracing.ts';

tracePromises('4.1');
