/**
 * Who may do what on the admin side. Node-RED proves who asks; what they may is read from the permissions of their
 * session. None of the names ends in `.read` or `.write`: Node-RED grants such a name to every reader or writer.
 */
import { Failure } from '../kernel/failure.ts';
import type { AdminHandler, AdminRequest, RuntimeApi } from './node-red.ts';

/** A role: one name in `adminAuth` that holds many permissions. */
const roles: Record<string, readonly string[]> = {
  'healthflows.operate': [
    'healthflows.view',
    'healthflows.replay',
    'healthflows.discard',
    'healthflows.assign',
    'healthflows.resolve',
    'healthflows.pause',
    'healthflows.stop',
    'healthflows.verify',
  ],
};

/** Holds every permission of this package; Node-RED's own (deploy, install) are not among them. */
const administrator = 'healthflows.administer';

type Authenticated = AdminRequest & { authInfo?: { scope?: string | string[] } };

/** The permissions of the session as they stand in `adminAuth`. */
export function permissionsOf(request: AdminRequest): readonly string[] {
  const scope = (request as Authenticated).authInfo?.scope ?? request.user?.permissions ?? [];
  return typeof scope === 'string' ? [scope] : scope;
}

export function hasLogin(RED: RuntimeApi): boolean {
  return RED.settings.adminAuth !== undefined && RED.settings.adminAuth !== null;
}

/** True when the session holds the permission by its own name or through a role; without a login everybody does. */
export function holds(request: AdminRequest, permission: string, RED: RuntimeApi): boolean {
  if (!hasLogin(RED)) return true;
  return permissionsOf(request).some(
    (held) => held === '*' || held === permission || held === administrator || roles[held]?.includes(permission),
  );
}

/**
 * Route handlers that let pass who holds the permission: 401 for who is not signed in, 403 for who may not. Empty lets
 * everybody pass who is signed in.
 */
export function guard(RED: RuntimeApi, permission: string): AdminHandler[] {
  return [
    // Empty: Node-RED proves who it is. Named, it would know nothing of the roles.
    RED.auth.needsPermission(''),
    (request, response, next) => {
      if (permission === '' || holds(request, permission, RED)) {
        next();
        return;
      }
      const failure = new Failure(
        'policy-rejection',
        'NOT_PERMITTED',
        `Your user does not hold the permission ${permission}. An administrator of this Node-RED can add it in adminAuth.`,
      );
      response.status(403).json({ error: failure.toRecord() });
    },
  ];
}

/** The signed-in user's name for the audit trail. */
export function actorOf(request: AdminRequest): string {
  return request.user?.username ?? 'anonymous';
}

/** True when a person proved who they are. */
export function isSignedIn(request: AdminRequest): boolean {
  return request.user?.username !== undefined && request.user.anonymous !== true;
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
