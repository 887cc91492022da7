/** Who may do what in the console. */
import { Failure } from '../kernel/failure.ts';
import { type AdminRequest, hasLogin, holds, permissionsOf, type RuntimeApi } from '../node/index.ts';

export { hasLogin };

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
  /** Proving the chain of the audit trail. */
  verify: 'healthflows.verify',
  /** Taking the audit trail away as a file. */
  export: 'healthflows.export',
  /** Scrapes. */
  metrics: 'healthflows.metrics',
} as const;

export type Permission = keyof typeof permissions;

/** The signed-in user's name for the audit trail. */
export function actorOf(request: AdminRequest): string {
  return request.user?.username ?? 'anonymous';
}

/** True when a person proved who they are. */
export function isSignedIn(request: AdminRequest): boolean {
  return request.user?.username !== undefined && request.user.anonymous !== true;
}

/** True when the session holds the permission of an act, by name or through a role. */
export function allowed(request: AdminRequest, permission: Permission, RED: RuntimeApi): boolean {
  return holds(request, permissions[permission], RED);
}

/** `healthflows: {allowUnauthenticatedOperations: true}` in settings.js; for sandboxes only. */
export function openOperations(RED: RuntimeApi): boolean {
  const own = RED.settings.healthflows as { allowUnauthenticatedOperations?: unknown } | undefined;
  return own?.allowUnauthenticatedOperations === true;
}

/**
 * Payloads, replay and discard need a person with a name, unless the settings say otherwise.
 * @throws Failure `policy-rejection` `SIGN_IN_REQUIRED`
 */
export function requirePerson(request: AdminRequest, RED: RuntimeApi): void {
  // Without a login nobody has a name, whatever a request claims; with one the setting is no way around it.
  if (hasLogin(RED) ? isSignedIn(request) : openOperations(RED)) return;
  throw new Failure(
    'policy-rejection',
    'SIGN_IN_REQUIRED',
    hasLogin(RED)
      ? 'This act is recorded under a name: sign in to Node-RED first.'
      : 'This Node-RED has no login, so this act could not be recorded under a name. Set adminAuth in settings.js; for a sandbox, healthflows: {allowUnauthenticatedOperations: true}.',
  );
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
