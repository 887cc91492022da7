/**
 * Redaction by key name and by value: the last line of defence for logs, the console and anything else a person may
 * read. Where the sensitivity of a document's fields is declared, the canonical projector decides first; this one
 * knows nothing of the document and only keeps credentials, signatures and the like from view.
 */

export const redacted = '[redacted]';

export interface RedactionLimits {
  /** Deepest nesting shown. Default 12. */
  depth?: number;
  /** Members shown of one array or object. Default 200. */
  members?: number;
  /** Characters shown of one text. Default 2,000. */
  text?: number;
}

/** Names whose values are secrets, whatever they look like; compared without case and separators. */
const secretName =
  /^(?:.*(?:password|passwd|passphrase|secret|credential|apikey|accesskey|privatekey|signingkey|encryptionkey|authorization|setcookie|signature|hmac|bearer)|cookie|cookies|pwd|pin|otp|token|.*(?:access|refresh|id|auth|api|csrf|session|bearer)token|session|sessionid|sid)$/;

/** Value patterns, each replaced where it occurs inside a text. Linear in the length of the text. */
const secretValues: [pattern: RegExp, stands: string][] = [
  // RFC 9110 credentials: scheme and token.
  [/\b(Basic|Bearer|Digest|HMAC|Negotiate|ApiKey|Token)(\s+|:\s*)[A-Za-z0-9+/_.~=-]{8,}/gi, `$1 ${redacted}`],
  // JSON Web Token (RFC 7519): three base64url parts, the first an encoded `{"`.
  [/\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*/g, redacted],
  // Standard Webhooks and other vendors' prefixed secrets and signatures.
  [/\b(?:whsec|whsk|sk|rk|pk|ghp|gho|ghs|xox[abpr]|glpat)[_-][A-Za-z0-9+/=_-]{10,}/g, redacted],
  [/\bv1a?,[A-Za-z0-9+/]{20,}={0,2}/g, redacted],
  [/\b(?:sha1|sha256|sha512)=[A-Za-z0-9+/=]{20,}/gi, redacted],
  // User information in an address (RFC 3986 section 3.2.1).
  [/\b([a-z][a-z0-9+.-]{1,15}:\/\/)[^\s/@:"']{1,256}:[^\s/@"']{1,256}@/gi, `$1${redacted}@`],
  // Secrets in a query string or a form.
  [
    /\b(password|passwd|pwd|secret|token|access_token|refresh_token|api[_-]?key|signature|sig|cookie)=[^\s&;"']{1,2048}/gi,
    `$1=${redacted}`,
  ],
  [/-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,8192}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g, redacted],
];

/** True when a member of this name holds a secret. */
export function isSecretName(name: string): boolean {
  return secretName.test(name.toLowerCase().replace(/[^a-z]/g, ''));
}

/** The text with everything taken out that looks like a credential. */
export function redactText(text: string): string {
  let clean = text;
  for (const [pattern, stands] of secretValues) clean = clean.replace(pattern, stands);
  return clean;
}

/** A bounded copy of any value that a person may see. Functions, buffers and cycles become a short note. */
export function redact(value: unknown, limits: RedactionLimits = {}): unknown {
  const bounds = { depth: limits.depth ?? 12, members: limits.members ?? 200, text: limits.text ?? 2_000 };
  return walk(value, bounds, 0, new Set());
}

function walk(value: unknown, bounds: Required<RedactionLimits>, depth: number, above: Set<object>): unknown {
  if (typeof value === 'string') {
    const clean = redactText(value.slice(0, bounds.text));
    return value.length > bounds.text ? `${clean}… (${value.length} characters)` : clean;
  }
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'function' || typeof value === 'symbol') return `[${typeof value}]`;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (value instanceof Error) return { name: value.name, message: redactText(value.message.slice(0, bounds.text)) };
  if (above.has(value)) return '[circular]';
  if (depth >= bounds.depth) return '[deeper]';
  above.add(value);
  try {
    if (Array.isArray(value)) {
      const items = value.slice(0, bounds.members).map((item) => walk(item, bounds, depth + 1, above));
      return value.length > bounds.members ? [...items, `… (${value.length} items)`] : items;
    }
    const copy: Record<string, unknown> = {};
    const entries = Object.entries(value);
    for (const [key, member] of entries.slice(0, bounds.members)) {
      const name = key === '__proto__' ? '[__proto__]' : key;
      copy[name] =
        isSecretName(key) && member !== null && member !== undefined
          ? redacted
          : walk(member, bounds, depth + 1, above);
    }
    if (entries.length > bounds.members) copy['…'] = `${entries.length} members`;
    return copy;
  } finally {
    above.delete(value);
  }
}
