/**
 * Settings as a dialog shows them, before they are saved: for Test connection. A stored secret is used only for the
 * address it is stored for, and a variable only when it is Odoo's, so that the test cannot carry secrets elsewhere.
 */
import { Failure } from '../kernel/failure.ts';
import type { RuntimeApi } from '../node/index.ts';
import { type OdooServerConfig, odooServerDefinition } from './odoo-server/odoo-server.def.ts';

/** What Node-RED puts in a password field whose value is stored. */
const stored = '__PWRD__';

export function unsavedSettings(
  RED: RuntimeApi,
  body: unknown,
): { config: OdooServerConfig; credentials: Record<string, string> } {
  const form = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const config: Record<string, unknown> = { ...odooServerDefinition.defaults };
  for (const [key, fallback] of Object.entries(config)) {
    const given = form[key];
    if (typeof given !== 'string' && typeof given !== 'number') continue;
    config[key] = typeof fallback === 'number' ? Number(given) : substituted(String(given));
  }
  const id = typeof form.id === 'string' ? form.id : '';
  const credentials: Record<string, string> = {};
  for (const name of Object.keys(odooServerDefinition.credentials ?? {})) {
    const given = form[name];
    if (typeof given !== 'string') continue;
    credentials[name] = given === stored ? storedSecret(RED, id, name, String(config.url)) : substituted(given);
  }
  return { config: config as unknown as OdooServerConfig, credentials };
}

function substituted(text: string): string {
  const name = /^\$\{(\w+)\}$/.exec(text.trim())?.[1];
  if (name === undefined) return text;
  return /odoo/i.test(name) ? (process.env[name] ?? text) : text;
}

function storedSecret(RED: RuntimeApi, id: string, name: string, url: string): string {
  let storedFor = '';
  RED.nodes.eachNode((node) => {
    if (node.id === id && typeof node.url === 'string') storedFor = substituted(node.url);
  });
  if (originOf(storedFor) !== originOf(url)) {
    throw new Failure(
      'configuration',
      'SECRET_NOT_SENT',
      'The address was changed. Type the API key again to test the new one: a stored key is sent only to the address it was stored for.',
      { outcome: 'none' },
    );
  }
  return substituted(RED.nodes.getCredentials(id)?.[name] ?? '');
}

function originOf(url: string): string | undefined {
  return URL.parse(url)?.origin;
}
