/** Answers the dialog's "which step fails": with the dialog's values, deployed or not, and the saved secrets. */
import { Failure } from '../../kernel/failure.ts';
import type { AdminRequest, AdminResponse, RuntimeApi } from '../../node/index.ts';
import { parseRoute } from '../ingress/routes.ts';
import { schemeOf } from '../schemes/index.ts';
import { check, parseCaptured } from '../verification/check.ts';
import { keyEntries } from '../verification/configured-keys.ts';
import { type KeyConfig, type WebhookVerifierConfig, webhookVerifier } from './webhook-verifier.def.ts';

/** What the editor shows instead of a secret it was not told. */
const unchanged = '__PWRD__';

interface CheckForm {
  id?: unknown;
  config?: unknown;
  /** Typed secrets by slot; `__PWRD__` for those saved. */
  secrets?: unknown;
  capture?: unknown;
  base64?: unknown;
  /** RFC 3339; empty: now. */
  at?: unknown;
}

export async function answerCheck(RED: RuntimeApi, request: AdminRequest, response: AdminResponse): Promise<void> {
  const form = (request.body ?? {}) as CheckForm;
  const config = configOf(form.config);
  const saved = RED.nodes.getCredentials(String(form.id)) ?? {};
  const typed = (typeof form.secrets === 'object' ? form.secrets : {}) as Record<string, unknown>;
  const secretOf = (key: KeyConfig): string => {
    if (key.env !== undefined && key.env !== '') return process.env[key.env] ?? '';
    const name = `secret${key.slot}`;
    const value = typed[name] === unchanged ? (saved[name] ?? '') : String(typed[name] ?? '');
    const variable = /^\$\{(\w+)\}$/.exec(value);
    return variable === null ? value : (process.env[variable[1]!] ?? '');
  };
  const at = form.at === undefined || form.at === '' ? Date.now() : Date.parse(String(form.at));
  if (Number.isNaN(at))
    throw new Failure('data-quality', 'CAPTURE_INVALID', 'The time is not like 2027-01-31T10:00:00Z.');
  const { networks: _, ...options } = config.options;
  const result = await check(
    parseCaptured(String(form.capture ?? ''), form.base64 === true),
    {
      verify: schemeOf(config.scheme).prepare(keyEntries(config.keys, secretOf), options),
      route: config.url.trim() === '' ? undefined : parseRoute(config.method, config.url.trim()),
      root: String(RED.settings.httpNodeRoot ?? '/').replace(/\/$/, ''),
      publicUrl: config.publicUrl.trim(),
      json: { depth: config.maxDepth, members: config.maxMembers },
    },
    at,
  );
  response.json(result);
}

function configOf(form: unknown): WebhookVerifierConfig {
  const { defaults } = webhookVerifier;
  const given = (typeof form === 'object' && form !== null ? form : {}) as Partial<Record<string, unknown>>;
  const config: Record<string, unknown> = { ...defaults };
  for (const [key, fallback] of Object.entries(defaults)) {
    if (given[key] !== undefined && typeof given[key] === typeof fallback) config[key] = given[key];
  }
  if (!Array.isArray(config.keys) || config.keys.length > 8) config.keys = [];
  return config as unknown as WebhookVerifierConfig;
}
