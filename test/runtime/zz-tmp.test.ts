import { tracePromises } from './tracing.ts';
tracePromises('5.0', { setup: '/tmp/ops/otelnode/otel-setup-3.example.cjs' });
