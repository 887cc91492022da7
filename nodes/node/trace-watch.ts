/**
 * Notices messages that lost what travels with them. A function node that returns a new object drops the event, its
 * trace and what the message owes, and nothing fails at once; so the node that gets such a message says which ones
 * on the way to it may have done so.
 */
import type { FlowMessage } from '../kernel/message.ts';
import type { RuntimeApi, RuntimeNode } from './node-red.ts';

/** Messages remembered. One that takes longer to come than this many others is not recognised. */
const remembered = 2_000;
const recent = new Set<string>();

/** Nodes of Node-RED that may send on another object than they got. */
const rebuilding = new Set(['function', 'template', 'change', 'exec', 'join', 'csv', 'xml', 'yaml', 'html']);
/** Named in the warning at most. */
const shown = 5;

export class TraceWatch {
  readonly #RED: RuntimeApi;
  readonly #node: RuntimeNode;
  readonly #warn: (fields: Record<string, unknown>) => void;
  #warned = false;

  /** @param warn called once in the life of a node */
  constructor(RED: RuntimeApi, node: RuntimeNode, warn: (fields: Record<string, unknown>) => void) {
    this.#RED = RED;
    this.#node = node;
    this.#warn = warn;
  }

  /** A source of ours has sent it, with its event. Node-RED has given it its id by then, if it had none. */
  static sent({ _msgid: id, event }: FlowMessage): void {
    if (id === undefined || event === undefined) return;
    if (recent.size >= remembered)
      for (const oldest of recent) {
        recent.delete(oldest);
        break;
      }
    recent.add(id);
  }

  /** A message has come without an event; most do by right, as those of an inject node. */
  arrivedBare({ _msgid: id }: FlowMessage): void {
    if (this.#warned || id === undefined || !recent.has(id)) return;
    this.#warned = true;
    const suspects = this.#upstream();
    this.#warn({
      problem: `A message came without msg.event, which it had when it entered the flow${suspects.length === 0 ? '' : `; on its way: ${suspects.join(', ')}`}. A function must return msg itself, or copy what else is on it, or the message cannot be followed and settled.`,
    });
  }

  #upstream(): string[] {
    const nodes = new Map<string, Record<string, unknown> & { id: string; type: string }>();
    const into = new Map<string, string[]>();
    this.#RED.nodes.eachNode((config) => {
      nodes.set(config.id, config);
      const targets = [config.wires, config.type === 'link out' ? config.links : []].flat(3);
      for (const target of targets) {
        if (typeof target === 'string') into.set(target, [...(into.get(target) ?? []), config.id]);
      }
    });
    const found: string[] = [];
    const seen = new Set([this.#node.id]);
    for (const id of seen) {
      for (const before of into.get(id) ?? []) seen.add(before);
      const node = nodes.get(id);
      if (node !== undefined && rebuilding.has(node.type)) found.push(`${node.type} "${String(node.name || node.id)}"`);
    }
    return found.slice(0, shown);
  }
}
