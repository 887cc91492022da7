export * from './define-node.ts';
export { businessException } from '../kernel/telemetry/telemetry.ts';
export { idsUsedDownstream } from './downstream.ts';
export { flowsPaused, holdWhileStarting, onFlowsStarted, onFlowsStopping } from './lifecycle.ts';
export type * from './node-red.ts';
export {
  actorOf,
  guard,
  hasLogin,
  holds,
  isSignedIn,
  openOperations,
  permissionsOf,
  requirePerson,
} from './permission.ts';
export type { StatusKind } from './status.ts';
