/** Grouping of flat segment lists (X12, HL7 v2) into loops, and back. */

export interface Segment {
  name: string;
  value: Record<string, unknown>;
}

/**
 * Loops of a message: the segment that begins each, and the segments that belong to it. A loop may hold loops of its
 * own under `loops`.
 */
export interface LoopSpec {
  [first: string]: { holds: readonly string[]; loops?: LoopSpec };
}

/** Adds a value under a name; a second one makes it a list. */
export function put(tree: Record<string, unknown>, name: string, value: unknown): void {
  const known = tree[name];
  if (known === undefined) tree[name] = value;
  else if (Array.isArray(known)) known.push(value);
  else tree[name] = [known, value];
}

/**
 * Segments as a tree: those of a loop under `<first>Loop`, always a list, the others under their own names. A segment
 * that no open loop holds closes it.
 */
export function group(segments: readonly Segment[], loops: LoopSpec): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  interface Open {
    tree: Record<string, unknown>;
    holds: ReadonlySet<string>;
    loops: LoopSpec;
  }
  const stack: Open[] = [{ tree: root, holds: new Set(), loops }];
  for (const { name, value } of segments) {
    while (stack.length > 1) {
      const top = stack[stack.length - 1]!;
      if (top.holds.has(name) || Object.hasOwn(top.loops, name)) break;
      stack.pop();
    }
    const top = stack[stack.length - 1]!;
    const loop = Object.hasOwn(top.loops, name) ? top.loops[name] : undefined;
    if (loop === undefined) put(top.tree, name, value);
    else {
      const tree: Record<string, unknown> = { [name]: value };
      const key = `${name}Loop`;
      const known = top.tree[key];
      if (known === undefined) top.tree[key] = [tree];
      else (known as unknown[]).push(tree);
      stack.push({ tree, holds: new Set(loop.holds), loops: loop.loops ?? {} });
    }
  }
  return root;
}

/** The reverse of {@link group}: segments in the tree's order. */
export function flatten(tree: Record<string, unknown>): Segment[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const values = Array.isArray(value) ? value : [value];
    if (name.endsWith('Loop')) return values.flatMap((inner) => flatten(inner as Record<string, unknown>));
    return values.map((each) => ({ name, value: each as Record<string, unknown> }));
  });
}
