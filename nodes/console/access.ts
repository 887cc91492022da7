/** Who may do what in the console. */
import { Failure } from '../kernel/failure.ts';
import { type AdminRequest, hasLogin, holds, permissionsOf, type RuntimeApi } from '../node/index.ts';

export { actorOf, hasLogin, isSignedIn, openOperations, requirePerson } from '../node/index.ts';

/** One permission an act; `healthflows.operate` holds most of them, `healthflows.administer` all. */
export const permissions = {
  /** Lists and states, without payloads. */
  view: 'healthflows.view',
  /** Payloads, break-glass. */
  reveal: 'healthflows.reveal',
  replay: 'healthflows.replay',
  /** Changing a payload before its replay; opening it needs `reveal`. */
  edit: 'healthflows.edit',
  discard: 'healthflows.discard',
  /** Naming who looks after a cause, and what solved it. */
  assign: 'healthflows.assign',
  /** Pausing and resuming a queue. */
  pause: 'healthflows.pause',
  /** Stopping all consumers, and letting them go on. */
  stop: 'healthflows.stop',
  /** Proving the chain of the audit trail. */
  verify: 'healthflows.verify',
  /** Taking the audit trail away as a file. */
  export: 'healthflows.export',
  /** Scrapes. */
  metrics: 'healthflows.metrics',
} as const;

export type Permission = keyof typeof permissions;

/** True when the session holds the permission of an act, by name or through a role. */
export function allowed(request: AdminRequest, permission: Permission, RED: RuntimeApi): boolean {
  return holds(request, permissions[permission], RED);
}

/** What a session may see: everything, or the named partners and flows alone. */
export type Scope = { kind: 'all' } | { kind: 'some'; partners: string[]; flows: string[] };

const partnerPrefix = 'healthflows.partner:';
const flowPrefix = 'healthflows.flow:';

/**
 * A user with `healthflows.partner:<source>` or `healthflows.flow:<id or name>` among the permissions sees messages of
 * these partners and flows only, whatever else they hold.
 */
export function scopeOf(request: AdminRequest, RED: RuntimeApi): Scope {
  if (!hasLogin(RED)) return { kind: 'all' };
  const held = permissionsOf(request);
  const named = (prefix: string) =>
    held.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  const partners = named(partnerPrefix);
  const flows = named(flowPrefix);
  return partners.length + flows.length === 0
    ? { kind: 'all' }
    : { kind: 'some', partners, flows: flowIds(RED, flows) };
}

/** Flows by id; people write their names. */
function flowIds(RED: RuntimeApi, named: readonly string[]): string[] {
  if (named.length === 0) return [];
  const ids: string[] = [];
  RED.nodes.eachNode((config) => {
    if (config.type === 'tab' && (named.includes(config.id) || named.includes(String(config.label))))
      ids.push(config.id);
  });
  return ids;
}

/**
 * For what cannot be told apart by partner.
 * @throws Failure `policy-rejection` `SCOPE_LIMITED`
 */
export function requireWholeScope(request: AdminRequest, RED: RuntimeApi): void {
  if (scopeOf(request, RED).kind === 'all') return;
  throw new Failure(
    'policy-rejection',
    'SCOPE_LIMITED',
    'Your user sees the messages of some partners or flows only, and this covers all of them.',
  );
}
