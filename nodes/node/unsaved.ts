/**
 * Settings as a dialog shows them before they are saved, for Test connection. Whoever may press Test need not be
 * somebody who may deploy or read secrets: so what stands for a secret, a saved password or `${VARIABLE}`, is used as
 * it is saved and for the address it is saved with, and is never carried to another address or into the answer.
 */
import { Failure } from '../kernel/failure.ts';
import type { NodeDefinition } from './define-node.ts';
import type { RuntimeApi } from './node-red.ts';

/** What the editor shows instead of a secret it was not told. */
const unchanged = '__PWRD__';

/** Settings that decide who gets to see what is sent. */
const whereTo = ['url', 'tokenUrl', 'proxy', 'tls', 'ca', 'caFile'];

/**
 * The settings and credentials of a form, with variables in their places.
 * @param body what the dialog sent
 * @throws Failure `configuration` `SECRET_NOT_SENT`, see {@link dialogCredentials}
 */
export function unsavedSettings<C extends object>(
  RED: RuntimeApi,
  definition: NodeDefinition<C>,
  body: unknown,
): { config: C; credentials: Record<string, string> } {
  const form = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const config: Record<string, unknown> = { ...(definition.defaults as Record<string, unknown>) };
  for (const [key, fallback] of Object.entries(config)) {
    const given = form[key];
    if (typeof given !== 'string' && typeof given !== 'number') continue;
    config[key] = typeof fallback === 'number' ? Number(given) : String(given);
  }
  const credentials = dialogCredentials(RED, definition, form, config);
  return {
    config: substituted(config) as unknown as C,
    credentials: substituted(credentials) as Record<string, string>,
  };
}

/** As Node-RED does when it starts a node: a text that is one variable stands for its value. */
function substituted(settings: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => {
      const name = typeof value === 'string' ? /^\$\{(\w+)\}$/.exec(value.trim())?.[1] : undefined;
      return [key, name === undefined ? value : (process.env[name] ?? value)];
    }),
  );
}

/**
 * The credentials of a form: typed ones as they are, the others as they are saved for the node.
 * @param form what the dialog sent: `id`, and credentials by name
 * @param config the dialog's values
 * @throws Failure `configuration` `SECRET_NOT_SENT` when saved ones or variables would go where they are not saved for
 */
export function dialogCredentials<C extends object>(
  RED: RuntimeApi,
  definition: NodeDefinition<C>,
  form: Readonly<Record<string, unknown>>,
  config: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const id = String(form.id);
  let saved: Record<string, unknown> = {};
  RED.nodes.eachNode((node) => {
    if (node.id === id && node.type === definition.type) saved = node;
  });
  const stored = saved.id === undefined ? {} : (RED.nodes.getCredentials(id) ?? {});
  const credentials: Record<string, string> = {};
  let borrowed = false;
  for (const name of Object.keys(definition.credentials ?? {})) {
    const typed = form[name];
    const value = typeof typed === 'string' && typed !== unchanged ? typed : (stored[name] ?? '');
    credentials[name] = value;
    if (hasVariable(value) && value !== stored[name]) throw notSent();
    if (value !== '' && (value !== typed || hasVariable(value))) borrowed = true;
  }
  const defaults = definition.defaults as Readonly<Record<string, unknown>>;
  for (const [name, value] of Object.entries(config)) {
    const isSaved = saved.id !== undefined && value === (saved[name] ?? defaults[name]);
    if (!isSaved && (hasVariable(value) || (borrowed && whereTo.includes(name)))) throw notSent();
  }
  return credentials;
}

function hasVariable(value: unknown): boolean {
  return typeof value === 'string' && value.includes('${');
}

function notSent(): Failure {
  return new Failure(
    'configuration',
    'SECRET_NOT_SENT',
    'A saved secret, or an environment variable, is used only as it is deployed and for the address it is deployed with. Type the secret again to test these settings, or deploy them first.',
    { outcome: 'none' },
  );
}
