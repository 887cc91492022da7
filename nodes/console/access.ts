/** Who may do what in the console. */
import { Failure } from '../kernel/failure.ts';
import type { AdminRequest, RuntimeApi } from '../node/index.ts';

/** None of these ends in `.read` or `.write`: Node-RED grants such a name to every reader or writer. */
export const permissions = {
  /** Lists and states, without payloads. */
  view: 'healthflows.view',
  /** Replay, discard, pause. */
  operate: 'healthflows.operate',
  /** Payloads. */
  reveal: 'healthflows.reveal',
  /** Scrapes. */
  metrics: 'healthflows.metrics',
} as const;

export type Permission = keyof typeof permissions;

type Authenticated = AdminRequest & { authInfo?: { scope?: string | string[] } };

/** The signed-in user's name for the audit trail. */
export function actorOf(request: AdminRequest): string {
  return request.user?.username ?? 'anonymous';
}

/** True when a person proved who they are. */
export function isSignedIn(request: AdminRequest): boolean {
  return request.user?.username !== undefined && request.user.anonymous !== true;
}

/** What the page shows as possible; the routes themselves ask Node-RED. */
export function allowed(request: AdminRequest, permission: Permission, RED: RuntimeApi): boolean {
  if (!hasLogin(RED)) return true;
  const scope = (request as Authenticated).authInfo?.scope ?? request.user?.permissions ?? [];
  const held = typeof scope === 'string' ? [scope] : scope;
  return held.includes('*') || held.includes(permissions[permission]);
}

export function hasLogin(RED: RuntimeApi): boolean {
  return RED.settings.adminAuth !== undefined && RED.settings.adminAuth !== null;
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
  if (isSignedIn(request) || openOperations(RED)) return;
  throw new Failure(
    'policy-rejection',
    'SIGN_IN_REQUIRED',
    hasLogin(RED)
      ? 'This act is recorded under a name: sign in to Node-RED first.'
      : 'This Node-RED has no login, so this act could not be recorded under a name. Set adminAuth in settings.js; for a sandbox, healthflows: {allowUnauthenticatedOperations: true}.',
  );
}
