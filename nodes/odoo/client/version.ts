import type { OdooVersion } from './transport.ts';

/** Reads what `/json/version` and `common.version` answer. @returns undefined when it is neither */
export function versionOf(text: string): OdooVersion | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof body !== 'object' || body === null) return undefined;
  const { version, version_info, server_version, server_version_info } = body as Record<string, unknown>;
  const info = version_info ?? server_version_info;
  const written = version ?? server_version;
  if (!Array.isArray(info) && typeof written !== 'string') return undefined;
  // Odoo Online writes `saas~18.3` as the first part.
  const first = String(Array.isArray(info) ? info[0] : written);
  const major = Number(/\d+/.exec(first)?.[0] ?? 0);
  return { major, text: typeof written === 'string' ? written : (info as unknown[]).slice(0, 2).join('.') };
}
