export * from './define-node.ts';
export { businessException } from '../kernel/telemetry/telemetry.ts';
export { idsUsedDownstream } from './downstream.ts';
export { flowsPaused, onFlowsStarted, onFlowsStopping } from './lifecycle.ts';
export type * from './node-red.ts';
export { guard, hasLogin, holds, permissionsOf } from './permission.ts';
export type { StatusKind } from './status.ts';
