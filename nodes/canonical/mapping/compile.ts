/**
 * Compiles a mapping to a tree of closures shaped like its target: no eval, no path splitting per message, and one
 * pass over the target. The explaining variant is compiled apart, so that explaining costs nothing where it is not
 * asked for.
 */
import { Failure } from '../../kernel/failure.ts';
import { compileLookup, type Lookup, type LookupTable } from './lookup.ts';
import type { Condition, Mapping, Problem, Row } from './mapping.ts';
import {
  ambiguous,
  asList,
  collectorOf,
  endOfLoop,
  type Getter,
  getterOf,
  listGetter,
  MappingSyntax,
  type Path,
  parsePath,
  type Step,
  textOf,
} from './path.ts';
import { maskedValue } from '../masked.ts';
import { TransformProblem } from './problem.ts';
import { type Arguments, type TransformUse, transforms, type ValueType } from './transforms.ts';

/** Why a document could not be mapped; no document values. */
export interface MappingViolation {
  /** Number of the row, from 1. */
  row: number;
  /** Where in the source, positions filled in: `lines[3].qty`. */
  path: string;
  /** Where it would have gone. */
  target: string;
  /** `MAPPING_*` code. */
  rule: string;
  /** What stands there, masked: `text (3)`; absent where no single value is meant. */
  found?: string;
  /** What would be right. */
  expected: string;
}

/** What one row did with one value. Values are as they were; the caller masks them. */
export interface RowTrace {
  row: number;
  source: string;
  target: string;
  outcome: 'mapped' | 'default' | 'absent' | 'condition' | 'skipped' | 'error';
  value?: unknown;
  steps: { name: string; value: unknown }[];
  result?: unknown;
  error?: string;
}

export interface MappingResult {
  value: Record<string, unknown>;
  violations: MappingViolation[];
  /** How many there are in all. */
  count: number;
}

/** A JSONata row, for whoever evaluates it before the mapping runs. */
export interface ExpressionRow {
  /** Number of the row, from 1. */
  row: number;
  expression: string;
  /** The source's loops around it, e.g. `orders[].lines[]`; empty for none. */
  loops: string;
}

/** What a JSONata expression gave for one item. */
export type ExpressionValue = { value?: unknown } | { problem: string; code: string };

/** By row, then by the positions of the source's loops joined with dots: `0.3`; empty outside of loops. */
export type ExpressionValues = ReadonlyMap<number, ReadonlyMap<string, ExpressionValue>>;

export interface RunOptions {
  /** Results of the JSONata rows; required where {@link CompiledMapping.expressions} names any. */
  expressions?: ExpressionValues;
  /** Day (YYYY-MM-DD) that lookups are read for, where the mapping names no path for it. */
  asOf?: string;
}

export interface CompiledMapping {
  readonly mapping: Mapping;
  /** JSONata rows, to be evaluated before {@link run}. Empty for nearly every mapping. */
  readonly expressions: readonly ExpressionRow[];
  run(source: unknown, options?: RunOptions): MappingResult;
  /** As `run`, with what every row did. At most 5,000 traces. */
  explain(source: unknown, options?: RunOptions): MappingResult & { traces: RowTrace[] };
}

const violationLimit = 50;
const traceLimit = 5_000;
/** Longest list that is mapped, as in the canonical model. */
const listLimit = 10_000;

interface State {
  /** The source, then the present item of each source loop. */
  frames: unknown[];
  /** Position of the present item of each target loop, from 0. */
  positions: number[];
  /** Position of the present item of each source loop, from 0. */
  sourcePositions: number[];
  day: string | undefined;
  violations: MappingViolation[];
  count: number;
  traces: RowTrace[];
  expressions: ExpressionValues | undefined;
}

type Producer = (state: State) => unknown;
type Fallback = (state: State, error: unknown) => unknown;

/** A transform or lookup of a row. */
interface StepUse {
  name: string;
  args: Arguments;
  apply: (value: unknown, args: Arguments, day: string | undefined) => unknown;
}

/** A field of a target object. */
interface Slot {
  key: string;
  produce: Producer;
  /** Where the one row that fills it reads, so that text is taken without a call; -1 where that is not so simple. */
  frame: number;
  path: readonly string[];
  steps: readonly StepUse[];
  fallback: Fallback;
  /** Position in the values of the object's {@link Holder}; -1 where it reads elsewhere, or the field is not there. */
  at: number;
}

/** All slots have one shape, so that the code that reads them is compiled for it. */
const slotOf = (key: string, produce: Producer): Slot => ({
  key,
  produce,
  frame: -1,
  path: [],
  steps: [],
  fallback: () => undefined,
  at: -1,
});

/** A place in the target. */
interface Target {
  children: Map<string, Target>;
  rows: { row: Row; number: number }[];
  kind: 'field' | 'each' | 'where';
  key: string;
  /** For `where`: what the item is told by. */
  by?: readonly string[];
  equals?: string;
}

/** The source's loops that the target's loops stand for: text of each source loop by its number, outermost first. */
interface Binding {
  /** For each target loop, the number of source loops open inside it. */
  depths: number[];
  loops: Path | undefined;
}

/** Everything that keeps a mapping from running, found before it is deployed. */
export class MappingInvalid extends Error {
  readonly problems: Problem[];
  constructor(problems: Problem[]) {
    super(problems.map((p) => (p.row === undefined ? p.message : `row ${p.row}: ${p.message}`)).join('; '));
    this.problems = problems;
  }
}

/**
 * @param tables shared lookup tables by name; the mapping's own come first
 * @throws MappingInvalid with every problem and its row number
 */
export function compileMapping(
  mapping: Mapping,
  tables: ReadonlyMap<string, LookupTable> = new Map(),
): CompiledMapping {
  const problems: Problem[] = [];
  const compiler = new Compiler(mapping, tables, false, problems);
  const fast = compiler.compile();
  if (problems.length > 0) throw new MappingInvalid(problems);
  let slow: Producer | undefined;
  const day = dayGetter(mapping);
  const start = (source: unknown, options: RunOptions): State => ({
    frames: [source],
    positions: [],
    sourcePositions: [],
    day: day(source) ?? options.asOf,
    violations: [],
    count: 0,
    traces: [],
    expressions: options.expressions,
  });
  return {
    mapping,
    expressions: compiler.expressions,
    run(source, options = {}) {
      const state = start(source, options);
      const value = (fast(state) ?? {}) as Record<string, unknown>;
      return { value, violations: state.violations, count: state.count };
    },
    explain(source, options = {}) {
      slow ??= new Compiler(mapping, tables, true, []).compile();
      const state = start(source, options);
      const value = (slow(state) ?? {}) as Record<string, unknown>;
      return { value, violations: state.violations, count: state.count, traces: state.traces };
    },
  };
}

function dayGetter(mapping: Mapping): (source: unknown) => string | undefined {
  if (mapping.asOf === undefined) return () => undefined;
  const get = getterOf(parsePath(mapping.asOf).steps);
  return (source) => {
    const value = get(source);
    return typeof value === 'string' && /^\d{4}-\d{2}-\d{2}/.test(value) ? value.slice(0, 10) : undefined;
  };
}

class Compiler {
  readonly #mapping: Mapping;
  readonly #tables: ReadonlyMap<string, LookupTable>;
  readonly #trace: boolean;
  readonly #problems: Problem[];
  readonly #bindings = new Map<string, { loops: Path; row: number }>();
  readonly #lookups = new Map<string, Lookup>();
  readonly expressions: ExpressionRow[] = [];

  constructor(mapping: Mapping, tables: ReadonlyMap<string, LookupTable>, trace: boolean, problems: Problem[]) {
    this.#mapping = mapping;
    this.#tables = tables;
    this.#trace = trace;
    this.#problems = problems;
  }

  compile(): Producer {
    const root: Target = { children: new Map(), rows: [], kind: 'field', key: '' };
    const rows = this.#mapping.rows
      .map((row, i) => ({ row, number: i + 1 }))
      .filter(({ row }) => row.direction !== 'reverse');
    for (const { row, number } of rows) this.#guard(number, () => this.#bind(row, number));
    for (const { row, number } of rows) this.#guard(number, () => this.#place(root, row, number));
    return this.#object(root, '', { depths: [], loops: undefined });
  }

  #guard(row: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof MappingSyntax)) throw error;
      this.#problems.push({ row, message: error.message, severity: 'error' });
    }
  }

  /** Notes which source loops the row says its target's loops stand for; rows must agree. */
  #bind(row: Row, number: number): void {
    const to = parsePath(row.to);
    if (to.loops === 0) return;
    const told = row.each ?? firstOf(row.from);
    if (told === undefined || told.startsWith('$')) return;
    const path = parsePath(told);
    for (let level = 1; level <= Math.min(to.loops, path.loops); level++) {
      const last = level === to.loops && row.each !== undefined ? path.loops : level;
      const end = endOfLoop(path, last);
      const loops = { text: textOf(path.steps.slice(0, end)), steps: path.steps.slice(0, end), loops: last };
      const target = textOf(to.steps.slice(0, endOfLoop(to, level)));
      const known = this.#bindings.get(target);
      if (known === undefined) this.#bindings.set(target, { loops, row: number });
      else if (known.loops.text !== loops.text) {
        throw new MappingSyntax(
          `"${target}" is filled from "${known.loops.text}" by row ${known.row}, but this row takes it from "${loops.text}"`,
        );
      }
    }
  }

  #place(root: Target, row: Row, number: number): void {
    const to = parsePath(row.to);
    let target = root;
    for (const step of to.steps) {
      if (step.kind === 'at')
        throw new MappingSyntax(`the target "${row.to}" has a fixed position; use [] or [field=value]`);
      const name = step.kind === 'where' ? `${step.key}[${step.by.join('.')}=${step.equals}]` : step.key;
      let next = target.children.get(name);
      if (next === undefined) {
        const clash = [...target.children.values()].find((other) => other.key === step.key && other.kind !== step.kind);
        if (clash !== undefined)
          throw new MappingSyntax(`"${step.key}" of "${row.to}" is a list in one row and not in another`);
        next = {
          children: new Map(),
          rows: [],
          kind: step.kind,
          key: step.key,
          ...(step.kind === 'where' ? { by: step.by, equals: step.equals } : {}),
        };
        target.children.set(name, next);
      } else if (next.kind !== step.kind) {
        throw new MappingSyntax(`"${step.key}" of "${row.to}" is a list in one row and not in another`);
      }
      target = next;
    }
    if (target.children.size > 0) throw new MappingSyntax(`"${row.to}" has fields of its own in another row`);
    target.rows.push({ row, number });
  }

  #object(target: Target, prefix: string, binding: Binding): Producer {
    const slots: Slot[] = [];
    const wheres = new Map<string, Producer[]>();
    for (const [name, child] of target.children) {
      const path = prefix === '' ? name : `${prefix}.${name}`;
      if (child.kind === 'where') {
        const made = this.#where(child, path, binding);
        const known = wheres.get(child.key);
        if (known !== undefined) known.push(made);
        else {
          const items = [made];
          wheres.set(child.key, items);
          slots.push(
            slotOf(child.key, (state) => {
              const found: unknown[] = [];
              for (const item of items) {
                const value = item(state);
                if (value !== undefined) found.push(value);
              }
              return found.length === 0 ? undefined : found;
            }),
          );
        }
      } else if (child.kind === 'field' && child.rows.length === 1 && child.children.size === 0 && !this.#trace) {
        const { row, number } = child.rows[0]!;
        slots.push(this.#fastSlot(child.key, row, number, binding));
      } else {
        slots.push(
          slotOf(
            child.key,
            child.kind === 'each' ? this.#loop(child, `${path}[]`, binding) : this.#value(child, path, binding),
          ),
        );
      }
    }
    return objectOf(slots);
  }

  #value(target: Target, path: string, binding: Binding): Producer {
    if (target.rows.length === 0) return this.#object(target, path, binding);
    if (target.children.size > 0) {
      for (const { row, number } of target.rows) {
        this.#problems.push({
          row: number,
          message: `"${row.to}" has fields of its own in another row`,
          severity: 'error',
        });
      }
    }
    const rows = target.rows.map(({ row, number }) => this.#row(row, number, binding));
    if (rows.length === 1) return rows[0]!;
    // Several rows for one field: the first that has a value.
    return (state) => {
      for (const row of rows) {
        const value = row(state);
        if (value !== undefined) return value;
      }
      return undefined;
    };
  }

  #where(target: Target, path: string, binding: Binding): Producer {
    const make = target.rows.length > 0 ? this.#value(target, path, binding) : this.#object(target, path, binding);
    const by = target.by!;
    const equals = target.equals!;
    return (state) => {
      const value = make(state);
      if (value === undefined) return undefined;
      const item: Record<string, unknown> = {};
      let at = item;
      for (const key of by.slice(0, -1)) {
        at[key] = {};
        at = at[key] as Record<string, unknown>;
      }
      at[by[by.length - 1]!] = equals;
      return merge(item, value as Record<string, unknown>);
    };
  }

  #loop(target: Target, path: string, outer: Binding): Producer {
    const bound = this.#bindings.get(path);
    if (bound === undefined) {
      const number = firstRow(target);
      this.#problems.push({
        ...(number === undefined ? {} : { row: number }),
        message: `no row says which list of the source fills "${path}"; give one a "from" with [] or an "each"`,
        severity: 'error',
      });
      return () => undefined;
    }
    const opened = outer.loops?.loops ?? 0;
    const { loops } = bound;
    if (outer.loops !== undefined && textOf(loops.steps.slice(0, endOfLoop(loops, opened))) !== outer.loops.text) {
      this.#problems.push({
        row: bound.row,
        message: `"${loops.text}" is not inside "${outer.loops.text}"`,
        severity: 'error',
      });
      return () => undefined;
    }
    const binding: Binding = { depths: [...outer.depths, loops.loops], loops };
    const item = target.rows.length > 0 ? this.#value(target, path, binding) : this.#object(target, path, binding);
    const level = outer.depths.length;
    // One list for each source loop that this target loop opens; more than one flattens them.
    const lists: ((value: unknown) => readonly unknown[])[] = [];
    let from = opened === 0 ? 0 : endOfLoop(loops, opened);
    for (let n = opened + 1; n <= loops.loops; n++) {
      const end = endOfLoop(loops, n);
      lists.push(listGetter(loops.steps.slice(from, end)));
      from = end;
    }
    const { row } = bound;
    const ambiguousList = (state: State): void =>
      fail(
        state,
        row,
        loops.text,
        path,
        'MAPPING_AMBIGUOUS',
        'one list; the path does not say which of several is meant',
      );
    const tooMany = (state: State): void =>
      fail(state, row, loops.text, path, 'MAPPING_TOO_MANY', `a list of at most ${listLimit}`);
    const innermost = lists.length - 1;
    const visit = (state: State, depth: number, out: unknown[], from: number): number => {
      const frame = opened + depth;
      let position = from;
      const items = lists[depth]!(state.frames[frame]);
      for (let i = 0; i < items.length; i++) {
        const current = items[i];
        if (current === ambiguous) {
          ambiguousList(state);
          break;
        }
        if (position >= listLimit) {
          tooMany(state);
          break;
        }
        state.frames[frame + 1] = current;
        state.sourcePositions[frame] = i;
        if (depth < innermost) position = visit(state, depth + 1, out, position);
        else {
          state.positions[level] = position++;
          const value = item(state);
          if (value !== undefined) out.push(value);
        }
      }
      return position;
    };
    return (state) => {
      const out: unknown[] = [];
      visit(state, 0, out, 0);
      state.frames.length = opened + 1;
      state.positions.length = level;
      state.sourcePositions.length = opened;
      return out.length === 0 ? undefined : out;
    };
  }

  #row(row: Row, number: number, binding: Binding): Producer {
    let made: Producer = () => undefined;
    this.#guard(number, () => {
      made = this.#trace ? this.#tracedRow(row, number, binding) : this.#fastRow(row, number, binding);
    });
    return made;
  }

  /** A field that one row fills: what the row mostly does is known to {@link objectOf}, the rest is its producer. */
  #fastSlot(key: string, row: Row, number: number, binding: Binding): Slot {
    const slot = slotOf(key, () => undefined);
    this.#guard(number, () => {
      const { get, absent, when, fallback } = this.#parts(row, number, binding);
      const steps = this.#steps(row, number);
      slot.produce = produced(get, absent, when, fallback, steps);
      if (when !== undefined) return;
      const place = this.#plainPlace(row, binding);
      if (place === undefined) return;
      slot.frame = place.frame;
      slot.path = place.keys;
      slot.steps = steps;
      slot.fallback = fallback;
    });
    return slot;
  }

  /** Where the row reads, when that is one path of nothing but fields. */
  #plainPlace(row: Row, binding: Binding): { frame: number; keys: string[] } | undefined {
    if (typeof row.from !== 'string' || row.from === '$index' || row.value !== undefined || row.jsonata !== undefined)
      return undefined;
    const { frame, rest } = this.#locate(parsePath(row.from), binding);
    if (rest.length === 0 || rest.some(({ kind }) => kind !== 'field')) return undefined;
    return { frame, keys: rest.map(({ key }) => key) };
  }

  #fastRow(row: Row, number: number, binding: Binding): Producer {
    const { get, absent, when, fallback } = this.#parts(row, number, binding);
    return produced(get, absent, when, fallback, this.#steps(row, number));
  }

  #tracedRow(row: Row, number: number, binding: Binding): Producer {
    const { get, absent, when, fallback, sourceText } = this.#parts(row, number, binding);
    const steps = this.#steps(row, number);
    return (state) => {
      const trace: RowTrace = {
        row: number,
        source: fill(sourceText, state.sourcePositions),
        target: fill(row.to, state.positions),
        outcome: 'mapped',
        steps: [],
      };
      if (state.traces.length < traceLimit) state.traces.push(trace);
      if (when !== undefined && !when(state)) {
        trace.outcome = 'condition';
        return undefined;
      }
      const value = get(state);
      if (value !== ambiguous && row.jsonata === undefined) trace.value = value;
      let error: unknown;
      let result: unknown;
      if (value === ambiguous) error = manyValues();
      else if (!absent(value)) {
        try {
          result = value;
          for (const step of steps) {
            result = step.apply(result, step.args, state.day);
            trace.steps.push({ name: step.name, value: result });
            if (result === undefined) break;
          }
          if (steps.length === 0 && typeof value === 'object') throw notOneValue();
        } catch (caught) {
          error = caught;
          result = undefined;
        }
      }
      if (error === undefined && result !== undefined && result !== '') {
        trace.result = result;
        return result;
      }
      const before = state.count;
      result = fallback(state, error);
      if (isProblem(error)) trace.error = error.message;
      trace.outcome =
        state.count > before ? 'error' : result !== undefined ? 'default' : error === undefined ? 'absent' : 'skipped';
      if (state.count > before && error === undefined) trace.error = 'a value is required here';
      if (result !== undefined) trace.result = result;
      return result;
    };
  }

  /** What both variants of a row are made of. */
  #parts(row: Row, number: number, binding: Binding) {
    const sourceText =
      row.jsonata !== undefined
        ? (row.each ?? '')
        : row.from === undefined
          ? ''
          : typeof row.from === 'string'
            ? row.from
            : row.from.join(' + ');
    const get = this.#source(row, number, binding);
    const takesFalse = ['boolean', 'not', 'word'].includes(nameOf(row.transforms?.[0]));
    const falseIsAbsent = this.#mapping.falseIsAbsent === true && !takesFalse && row.value === undefined;
    const isAbsent = falseIsAbsent
      ? (value: unknown) => value === undefined || value === null || value === '' || value === false
      : (value: unknown) => value === undefined || value === null || value === '';
    const absent = (value: unknown): boolean => (Array.isArray(value) ? value.every(isAbsent) : isAbsent(value));
    const when = row.when === undefined ? undefined : this.#condition(row.when, binding);
    const report = (state: State, code: string, expected: string): undefined => {
      const [path, target] = [fill(sourceText, state.sourcePositions), fill(row.to, state.positions)];
      // Read once more: on the way of documents that are in order nothing is kept for this.
      const found = row.jsonata === undefined && row.from !== undefined ? maskedValue(get(state)) : undefined;
      fail(state, number, path, target, code, expected, found);
      return undefined;
    };
    const fallback = (state: State, error: unknown): unknown => {
      if (error === undefined) {
        if (row.default !== undefined) return row.default;
        return row.required === true
          ? report(state, 'MAPPING_REQUIRED_MISSING', 'a value is required here')
          : undefined;
      }
      if (!isProblem(error)) throw error;
      if (row.onError === 'skip') return undefined;
      if (row.onError === 'default') return row.default;
      return report(state, error.code, error.message);
    };
    return { get, absent, when, fallback, sourceText };
  }

  #source(row: Row, number: number, binding: Binding): Producer {
    if (row.value !== undefined) {
      const { value } = row;
      return () => value;
    }
    if (row.jsonata !== undefined) return this.#expression(row.jsonata, number, binding);
    if (row.from === undefined) {
      if (row.default === undefined) throw new MappingSyntax('has neither "from" nor "value" nor "default"');
      return () => undefined;
    }
    const takesList = transforms[nameOf(row.transforms?.[0])]?.takes === 'list';
    if (typeof row.from !== 'string') {
      if (!takesList)
        throw new MappingSyntax('has several sources, so its first transform must be one that takes a list');
      const readers = row.from.map((path) => this.#reader(path, binding, true));
      return (state) => {
        const values: unknown[] = [];
        for (const read of readers) {
          const value = read(state);
          if (Array.isArray(value)) for (const item of value) values.push(item);
          else values.push(value);
        }
        return values;
      };
    }
    return this.#reader(row.from, binding, takesList);
  }

  #expression(expression: string, number: number, binding: Binding): Producer {
    const depth = binding.loops?.loops ?? 0;
    this.expressions.push({ row: number, expression, loops: binding.loops?.text ?? '' });
    return (state) => {
      if (state.expressions === undefined) throw new Error('the JSONata rows of the mapping were not evaluated');
      return state.expressions.get(number)?.get(state.sourcePositions.slice(0, depth).join('.'));
    };
  }

  /** Reads a source path from the innermost loop that it shares with the target. */
  #reader(text: string, binding: Binding, takesList: boolean): Producer {
    if (text === '$index') {
      const level = binding.depths.length - 1;
      if (level < 0) throw new MappingSyntax('"$index" is the position in a list, but the target is in none');
      return (state) => state.positions[level]! + 1;
    }
    const { frame, rest } = this.#locate(parsePath(text), binding);
    if (rest.length === 0) return (state) => state.frames[frame];
    if (rest.some((step) => step.kind === 'each')) {
      if (!takesList) {
        throw new MappingSyntax(
          `"${text}" gives several values and the target takes one; use [] in the target or begin with a transform that takes a list`,
        );
      }
      const collect = collectorOf(rest);
      return (state) => {
        const found = collect(state.frames[frame]);
        return found.includes(ambiguous) ? ambiguous : found;
      };
    }
    const only = rest[0]!;
    if (rest.length === 1 && only.kind === 'field') {
      const { key } = only;
      const slow = getterOf(rest);
      // The common case, spelled out: it is where a mapping spends its time.
      return (state) => {
        const holder = state.frames[frame];
        if (typeof holder !== 'object' || holder === null || Array.isArray(holder)) return slow(holder);
        const found = (holder as Record<string, unknown>)[key];
        return typeof found === 'object' ? slow(holder) : found;
      };
    }
    const get: Getter = getterOf(rest);
    return (state) => get(state.frames[frame]);
  }

  #locate(path: Path, binding: Binding): { frame: number; rest: readonly Step[] } {
    const open = binding.loops;
    if (open !== undefined) {
      for (let n = Math.min(path.loops, open.loops); n > 0; n--) {
        const end = endOfLoop(path, n);
        if (textOf(path.steps.slice(0, end)) === textOf(open.steps.slice(0, endOfLoop(open, n)))) {
          return { frame: n, rest: path.steps.slice(end) };
        }
      }
    }
    return { frame: 0, rest: path.steps };
  }

  #condition(condition: Condition, binding: Binding): (state: State) => boolean {
    const read = this.#reader(condition.path, binding, false);
    const absentWords = this.#mapping.falseIsAbsent === true ? [undefined, null, '', false] : [undefined, null, ''];
    const present = (value: unknown): boolean => !(absentWords as unknown[]).includes(value);
    const same = (value: unknown, wanted: unknown): boolean =>
      value === wanted || (present(value) && String(value) === String(wanted));
    switch (condition.is) {
      case 'present':
        return (state) => present(read(state));
      case 'absent':
        return (state) => !present(read(state));
      case 'equal':
        return (state) => same(read(state), condition.value);
      case 'not-equal':
        return (state) => !same(read(state), condition.value);
      case 'one-of': {
        const values = asList(condition.value);
        return (state) => {
          const value = read(state);
          return values.some((wanted) => same(value, wanted));
        };
      }
      default:
        throw new MappingSyntax(
          `the condition "${String(condition.is)}" is not one of present, absent, equal, not-equal, one-of`,
        );
    }
  }

  #steps(row: Row, number: number): StepUse[] {
    const steps: StepUse[] = [];
    let type: ValueType = 'any';
    if (row.jsonata !== undefined) {
      const takesList = transforms[nameOf(row.transforms?.[0])]?.takes === 'list';
      steps.push({
        name: 'jsonata',
        args: {},
        apply: (given) => {
          const result = given as ExpressionValue;
          if ('problem' in result) throw new TransformProblem(result.problem, result.code);
          const { value } = result;
          if (value === null) return undefined;
          if (typeof value === 'object' && !(takesList && Array.isArray(value))) throw notOneValue();
          return value;
        },
      });
    }
    for (const use of row.transforms ?? []) {
      const name = nameOf(use);
      const transform = Object.hasOwn(transforms, name) ? transforms[name]! : undefined;
      if (transform === undefined) throw new MappingSyntax(`there is no transform "${name}"`);
      if (!fits(type, transform.takes)) {
        throw new MappingSyntax(
          `the transform "${name}" takes ${transform.takes}, but gets ${type} from the one before it`,
        );
      }
      steps.push({ name, args: argumentsOf(name, use), apply: transform.apply });
      type = transform.gives;
    }
    if (row.lookup !== undefined) {
      const lookup = this.#lookup(row.lookup, number);
      steps.push({
        name: `lookup ${row.lookup}`,
        args: {},
        apply: (value, _args, day) => {
          if (typeof value === 'object') throw notOneValue();
          return lookup(String(value), day);
        },
      });
    }
    return steps;
  }

  #lookup(name: string, _row: number): Lookup {
    const known = this.#lookups.get(name);
    if (known !== undefined) return known;
    const own = this.#mapping.lookups;
    const table = own !== undefined && Object.hasOwn(own, name) ? own[name] : this.#tables.get(name);
    if (table === undefined) throw new MappingSyntax(`there is no lookup table "${name}"`);
    const lookup = compileLookup(name, table);
    this.#lookups.set(name, lookup);
    return lookup;
  }
}

/** What a slot gives: text, a number and nothing are by far the most common; everything else takes the slower way. */
function taken(slot: Slot, state: State, held: readonly unknown[] | undefined): unknown {
  if (slot.frame < 0) return slot.produce(state);
  let value: unknown;
  if (held !== undefined && slot.at >= 0) value = held[slot.at];
  else {
    value = state.frames[slot.frame];
    const { path } = slot;
    for (let i = 0; i < path.length; i++) {
      if (!isRecord(value)) return slot.produce(state);
      value = value[path[i]!];
    }
  }
  if (value === undefined || value === null || value === '') return slot.fallback(state, undefined);
  if (typeof value !== 'string' && typeof value !== 'number') return slot.produce(state);
  return slot.steps.length === 0 ? value : changed(value, slot.steps, slot.fallback, state);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object with more fields is not read as a whole: V8 keeps it as a table. */
const heldLimit = 100;
/** After so many objects with other fields than the known ones, the present one's are the known ones. */
const patience = 16;

/**
 * The source object that most slots of a target read, read as a whole: where its fields are those of the last one, in
 * their order, a third of what reading them one by one costs.
 */
class Holder {
  readonly #slots: readonly Slot[];
  readonly #frame: number;
  readonly #path: readonly string[];
  #keys: readonly string[] = [];
  #others = patience;

  private constructor(slots: readonly Slot[]) {
    this.#slots = slots;
    this.#frame = slots[0]!.frame;
    this.#path = slots[0]!.path.slice(0, -1);
  }

  /** Undefined where no object is read for several slots. */
  static of(slots: readonly Slot[]): Holder | undefined {
    const places = new Map<string, Slot[]>();
    for (const slot of slots) {
      if (slot.frame < 0) continue;
      const place = [slot.frame, ...slot.path.slice(0, -1)].join('.');
      places.set(place, [...(places.get(place) ?? []), slot]);
    }
    const most = [...places.values()].reduce((a, b) => (b.length > a.length ? b : a), []);
    return most.length < 4 ? undefined : new Holder(most);
  }

  /** Values of its fields, by the slots' `at`; undefined where they are better read one by one. */
  read(state: State): readonly unknown[] | undefined {
    let holder = state.frames[this.#frame];
    for (let i = 0; i < this.#path.length; i++) {
      if (!isRecord(holder)) return undefined;
      holder = holder[this.#path[i]!];
    }
    if (!isRecord(holder)) return undefined;
    const keys = Object.keys(holder);
    const known = this.#keys;
    let same = keys.length === known.length;
    for (let i = 0; same && i < keys.length; i++) same = keys[i] === known[i];
    if (same || this.#learnt(keys)) return Object.values(holder);
    return undefined;
  }

  #learnt(keys: readonly string[]): boolean {
    if (++this.#others < patience) return false;
    this.#others = 0;
    if (keys.length > heldLimit || keys.length > this.#slots.length * 2) {
      this.#keys = [];
      return false;
    }
    this.#keys = keys;
    for (const slot of this.#slots) slot.at = keys.indexOf(slot.path[slot.path.length - 1]!);
    return true;
  }
}

function changed(value: unknown, steps: readonly StepUse[], fallback: Fallback, state: State): unknown {
  let result = value;
  try {
    for (let i = 0; i < steps.length && result !== undefined; i++) {
      const step = steps[i]!;
      result = step.apply(result, step.args, state.day);
    }
  } catch (error) {
    return fallback(state, error);
  }
  return result === undefined || result === '' ? fallback(state, undefined) : result;
}

function produced(
  get: Producer,
  absent: (value: unknown) => boolean,
  when: ((state: State) => boolean) | undefined,
  fallback: Fallback,
  steps: readonly StepUse[],
): Producer {
  return (state) => {
    if (when !== undefined && !when(state)) return undefined;
    const value = get(state);
    if (value === ambiguous) return fallback(state, manyValues());
    if (absent(value)) return fallback(state, undefined);
    if (steps.length > 0) return changed(value, steps, fallback, state);
    return typeof value === 'object' ? fallback(state, notOneValue()) : value;
  };
}

/** The fields of an object, and an object that has a place for each of them. */
interface Shape {
  keys: readonly string[];
  template: Record<string, unknown>;
}

/** A shape is known by one bit for each slot; so many fit into a number. */
const slotLimit = 50;
const shapeLimit = 100;

/**
 * Makes the object of some slots, without the fields that have nothing.
 *
 * To add a field under a computed name is slow where many shapes of objects meet, as they do here; to set one that has
 * its place already is not. So each object begins as a copy of a template of its shape.
 */
function objectOf(slots: readonly Slot[]): Producer {
  const count = slots.length;
  if (count < 6) {
    return (state) => {
      let out: Record<string, unknown> | undefined;
      for (let i = 0; i < count; i++) {
        const slot = slots[i]!;
        const value = taken(slot, state, undefined);
        if (value !== undefined) {
          out ??= {};
          out[slot.key] = value;
        }
      }
      return out;
    };
  }
  const shapes = new Map<number, Shape>();
  const holder = Holder.of(slots);
  // Objects of one list mostly have the same fields as the one before.
  let last: Shape | undefined;
  let lastBits = -1;
  return (state) => {
    const held = holder?.read(state);
    const values = new Array<unknown>(count);
    let bits = 0;
    for (let i = 0; i < count; i++) {
      const value = taken(slots[i]!, state, held);
      values[i] = value;
      bits = bits * 2 + (value === undefined ? 0 : 1);
    }
    if (bits === 0) return undefined;
    let shape = bits === lastBits ? last : count > slotLimit ? undefined : shapes.get(bits);
    if (shape === undefined) {
      shape = shapeOf(slots, values);
      if (count <= slotLimit && shapes.size < shapeLimit) shapes.set(bits, shape);
    }
    if (count <= slotLimit) {
      last = shape;
      lastBits = bits;
    }
    const { keys, template } = shape;
    const out = Object.assign({}, template);
    let at = 0;
    for (let i = 0; i < count; i++) {
      const value = values[i];
      if (value !== undefined) out[keys[at++]!] = value;
    }
    return out;
  };
}

function shapeOf(slots: readonly Slot[], values: readonly unknown[]): Shape {
  const keys = slots.map(({ key }) => key).filter((_key, i) => values[i] !== undefined);
  return { keys, template: Object.fromEntries(keys.map((key) => [key, undefined])) };
}

/** What a document can be at fault for: the problem of a transform, or of the exact arithmetic it calculates with. */
const isProblem = (error: unknown): error is TransformProblem | Failure =>
  error instanceof TransformProblem || (error instanceof Failure && error.class === 'data-quality');

const manyValues = () =>
  new TransformProblem(
    'one value; the source has several and the path does not say which, with [0] or [field=value]',
    'MAPPING_AMBIGUOUS',
  );

const notOneValue = () => new TransformProblem('one value was expected, not an object or a list');

const firstOf = (from: Row['from']): string | undefined => (typeof from === 'string' ? from : from?.[0]);

function firstRow(target: Target): number | undefined {
  if (target.rows[0] !== undefined) return target.rows[0].number;
  for (const child of target.children.values()) {
    const found = firstRow(child);
    if (found !== undefined) return found;
  }
  return undefined;
}

function merge(base: Record<string, unknown>, more: Record<string, unknown>): Record<string, unknown> {
  for (const [key, value] of Object.entries(more)) {
    const known = base[key];
    base[key] =
      typeof known === 'object' &&
      known !== null &&
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value)
        ? merge(known as Record<string, unknown>, value as Record<string, unknown>)
        : value;
  }
  return base;
}

function fail(
  state: State,
  row: number,
  path: string,
  target: string,
  rule: string,
  expected: string,
  found?: string,
): void {
  state.count++;
  if (state.violations.length < violationLimit)
    state.violations.push({ row, path, target, rule, ...(found === undefined ? {} : { found }), expected });
}

/** `lines[].qty` with positions 3: `lines[3].qty`. */
function fill(path: string, positions: readonly number[]): string {
  let n = 0;
  return path.replaceAll('[]', () => (n < positions.length ? `[${positions[n++]}]` : '[]'));
}

const nameOf = (use: TransformUse | undefined): string =>
  use === undefined ? '' : typeof use === 'string' ? use : use.name;

/** Text takes every scalar that is text; a decimal takes text, because a sender's number is text. */
function fits(gives: ValueType, takes: ValueType): boolean {
  if (gives === takes || gives === 'any' || takes === 'any') return true;
  if (takes === 'list') return true;
  if (takes === 'text') return gives !== 'list';
  if (takes === 'decimal') return gives === 'text' || gives === 'integer';
  return (takes === 'date' || takes === 'instant') && gives === 'text';
}

function argumentsOf(name: string, use: TransformUse): Arguments {
  const given: Record<string, unknown> = typeof use === 'string' ? {} : use;
  const declared = transforms[name]!.arguments ?? {};
  for (const key of Object.keys(given)) {
    if (key !== 'name' && !Object.hasOwn(declared, key))
      throw new MappingSyntax(`the transform "${name}" has no argument "${key}"`);
  }
  const args: Arguments = {};
  for (const [key, argument] of Object.entries(declared)) {
    const value = given[key];
    if (value === undefined || value === '') {
      if (argument.required === true) throw new MappingSyntax(`the transform "${name}" needs its argument "${key}"`);
      continue;
    }
    const wrong = (what: string) => new MappingSyntax(`the argument "${key}" of "${name}" must be ${what}`);
    if (argument.kind === 'integer') {
      const number = typeof value === 'string' && /^\d{1,6}$/.test(value) ? Number(value) : value;
      if (!Number.isInteger(number) || (number as number) < 0 || (number as number) > 100_000)
        throw wrong('a whole number');
      args[key] = number as number;
    } else if (argument.kind === 'texts') {
      if (!Array.isArray(value) || value.length === 0 || !value.every((v) => typeof v === 'string'))
        throw wrong('a list of texts');
      args[key] = value as string[];
    } else {
      if (typeof value !== 'string' || value.length > 1024) throw wrong('text');
      if (argument.kind === 'decimal' && !/^-?\d{1,15}(\.\d{1,18})?$/.test(value))
        throw wrong('a decimal number as text');
      if (argument.kind === 'choice' && !argument.choices!.includes(value))
        throw wrong(`one of ${argument.choices!.join(', ')}`);
      args[key] = value;
    }
  }
  return args;
}
