/** Which config nodes are used by what a node sends to. */
import type { RuntimeApi } from './node-red.ts';

type Config = Record<string, unknown> & { id: string; type: string };

/**
 * Ids that nodes behind `from` hold in their settings: along wires, over link nodes, into and out of subflows. Values
 * that are no ids of config nodes are among them; the caller knows which ids it looks for. What a function node or a
 * link call chooses while it runs cannot be seen here.
 */
export function idsUsedDownstream(RED: RuntimeApi, from: string): Set<string> {
  const nodes = new Map<string, Config>();
  const inside = new Map<string, string[]>();
  RED.nodes.eachNode((config) => {
    if (config.d === true) return;
    nodes.set(config.id, config);
    if (typeof config.z === 'string') inside.set(config.z, [...(inside.get(config.z) ?? []), config.id]);
  });
  const used = new Set<string>();
  const seen = new Set<string>();
  const ahead = [from];
  for (let id = ahead.pop(); id !== undefined; id = ahead.pop()) {
    const node = nodes.get(id);
    if (node === undefined || seen.has(id)) continue;
    seen.add(id);
    if (id !== from) for (const value of Object.values(node)) if (typeof value === 'string') used.add(value);
    ahead.push(...wiresOf(node.wires));
    // A subflow's instance runs its nodes; all of them, as they are few.
    if (node.type.startsWith('subflow:')) ahead.push(...(inside.get(node.type.slice('subflow:'.length)) ?? []));
    if ((node.type === 'link out' || node.type === 'link call') && Array.isArray(node.links))
      ahead.push(...node.links.map(String));
  }
  return used;
}

function wiresOf(wires: unknown): string[] {
  return Array.isArray(wires) ? wires.flat().filter((id): id is string => typeof id === 'string') : [];
}
