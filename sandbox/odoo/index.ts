export type { CallRecord, Counters } from './calls.ts';
export { secretMarker } from './errors.ts';
export type { Fault, FaultKind } from './faults.ts';
export { apiKeys, blockedSupplier, products, suppliers, units, withCheckDigit } from './seed.ts';
export { type SandboxOdoo, type SandboxOptions, startSandboxOdoo } from './server.ts';
export type { OdooVersion } from './versions.ts';
