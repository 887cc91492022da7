/**
 * A payload as someone may see it who may not see its values: names, shape and kinds. A person who needs a value
 * opens the payload with a reason.
 */
export function outline(contentType: string, body: Uint8Array): unknown {
  if (!/[/+]json\b/i.test(contentType)) return `${contentType || 'unknown type'}, ${body.byteLength} bytes`;
  try {
    return mask(JSON.parse(Buffer.from(body).toString('utf8')), 0);
  } catch {
    return `no well-formed JSON, ${body.byteLength} bytes`;
  }
}

const depthLimit = 16;
const memberLimit = 100;
/** Other keys are values themselves: a person's name, a patient number. */
const fieldName = /^(?!__proto__$)[A-Za-z_@#$][\w.:@#$-]{0,63}$/;

function mask(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value === '' ? '' : `text (${value.length})`;
  if (typeof value === 'number') return 'number';
  // A flag may be a finding.
  if (typeof value === 'boolean') return 'true or false';
  if (typeof value !== 'object' || value === null) return null;
  if (depth >= depthLimit) return '…';
  if (Array.isArray(value)) {
    const items = value.slice(0, memberLimit).map((item) => mask(item, depth + 1));
    return value.length > memberLimit ? [...items, `… ${value.length} items`] : items;
  }
  const entries = Object.entries(value);
  const shape: Record<string, unknown> = {};
  for (const [index, [key, member]] of entries.slice(0, memberLimit).entries()) {
    shape[fieldName.test(key) ? key : `key ${index + 1} (${key.length})`] = mask(member, depth + 1);
  }
  if (entries.length > memberLimit) shape['…'] = `${entries.length} members`;
  return shape;
}
