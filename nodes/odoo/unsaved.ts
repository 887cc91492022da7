/** Settings of an `odoo-server` as its dialog shows them, before they are saved: for Test connection. */
import type { RuntimeApi } from '../node/index.ts';
import { dialogCredentials } from '../node/unsaved.ts';
import { type OdooServerConfig, odooServerDefinition } from './odoo-server/odoo-server.def.ts';

/** @throws Failure `configuration` `SECRET_NOT_SENT`, see {@link dialogCredentials} */
export function unsavedSettings(
  RED: RuntimeApi,
  body: unknown,
): { config: OdooServerConfig; credentials: Record<string, string> } {
  const form = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const config: Record<string, unknown> = { ...odooServerDefinition.defaults };
  for (const [key, fallback] of Object.entries(config)) {
    const given = form[key];
    if (typeof given !== 'string' && typeof given !== 'number') continue;
    config[key] = typeof fallback === 'number' ? Number(given) : String(given);
  }
  const credentials = dialogCredentials(RED, odooServerDefinition, form, config);
  return {
    config: substituted(config) as unknown as OdooServerConfig,
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
