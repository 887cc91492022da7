import type { EditorNodeInstance } from 'node-red';

/**
 * Shows the defaults of settings that a node does not have: of a flow written by hand, or exported before the setting
 * existed. The editor leaves their inputs empty otherwise, and Done would save that. To be called first in
 * `oneditprepare`.
 */
export function showDefaults(node: EditorNodeInstance, prefix = 'node-input'): void {
  const settings = node as unknown as Record<string, unknown> & {
    _def?: { defaults?: Record<string, { value?: unknown }> };
  };
  for (const [name, { value }] of Object.entries(settings._def?.defaults ?? {})) {
    if (settings[name] !== undefined || value === undefined || value === '') continue;
    const input = $(`#${prefix}-${name}`);
    if (input.is(':checkbox')) input.prop('checked', value === true);
    else if (typeof value === 'string' || typeof value === 'number') input.val(value);
  }
}
