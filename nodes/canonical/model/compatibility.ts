/**
 * What a change of a schema means to those who use it. A patch changes words only; a minor adds an optional field or
 * a value to a growing list; everything else is a major: it breaks a producer or a consumer.
 */
import type { JsonSchema } from '../schemas/index.ts';
import { type Sensitivity, sensitivities } from '../schemas/vocabulary.ts';

export type ChangeLevel = 'patch' | 'minor' | 'major';

export interface Change {
  /** JSON Pointer into the schema. */
  path: string;
  level: ChangeLevel;
  /** What has changed, in words. */
  what: string;
}

const words = new Set(['title', 'description', '$id', '$schema', 'x-purpose', 'x-retain']);

/** Every difference between two versions of a schema, with what it means. */
export function changesBetween(before: JsonSchema, after: JsonSchema, path = ''): Change[] {
  const changes: Change[] = [];
  const add = (level: ChangeLevel, what: string, at = path): void => {
    changes.push({ path: at, level, what });
  };
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [before[key], after[key]];
    if (JSON.stringify(was) === JSON.stringify(is)) continue;
    const at = `${path}/${key}`;
    if (words.has(key)) add('patch', `${key} has other words`, at);
    else if (key === 'properties' || key === '$defs') changes.push(...members(was, is, at, key === '$defs'));
    else if (key === 'items' && isSchema(was) && isSchema(is)) changes.push(...changesBetween(was, is, at));
    else if (key === 'required') changes.push(...requirements(was, is, at));
    else if (key === 'x-extensible-enum') {
      const gone = values(was).filter((value) => !values(is).includes(value));
      add(
        gone.length === 0 ? 'minor' : 'major',
        gone.length === 0 ? 'the list has grown' : 'values have left the list',
        at,
      );
    } else if (key === 'x-sensitivity') {
      const lower = sensitivities.indexOf(is as Sensitivity) < sensitivities.indexOf(was as Sensitivity);
      // A lower class lets a field pass where it was kept back; a higher one takes it from those who get it today.
      add('major', lower ? 'the field is less protected' : 'the field is more protected', at);
    } else add('major', `${key} is another`, at);
  }
  return changes;
}

const isSchema = (value: unknown): value is JsonSchema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const values = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function members(was: unknown, is: unknown, path: string, definitions: boolean): Change[] {
  const before = (was ?? {}) as Record<string, JsonSchema>;
  const after = (is ?? {}) as Record<string, JsonSchema>;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((name): Change[] => {
    const at = `${path}/${name}`;
    if (before[name] === undefined) return [{ path: at, level: definitions ? 'patch' : 'minor', what: 'a new field' }];
    if (after[name] === undefined)
      return [{ path: at, level: definitions ? 'patch' : 'major', what: 'the field is gone' }];
    return changesBetween(before[name], after[name], at);
  });
}

function requirements(was: unknown, is: unknown, path: string): Change[] {
  const more = values(is).filter((name) => !values(was).includes(name));
  const less = values(was).filter((name) => !values(is).includes(name));
  return [
    ...more.map((name): Change => ({ path, level: 'major', what: `"${name}" is now required` })),
    // Consumers have relied on it.
    ...less.map((name): Change => ({ path, level: 'major', what: `"${name}" is no longer required` })),
  ];
}

const levels: readonly ChangeLevel[] = ['patch', 'minor', 'major'];

/** The level a version must rise by for these changes, or undefined when nothing has changed. */
export function levelOf(changes: readonly Change[]): ChangeLevel | undefined {
  return changes.length === 0 ? undefined : levels[Math.max(...changes.map(({ level }) => levels.indexOf(level)))];
}

/** True when going from one semantic version to another is at least a step of the level. */
export function isStep(from: string, to: string, level: ChangeLevel): boolean {
  const [a, b] = [from, to].map((version) => version.split('.').map(Number)) as [number[], number[]];
  const index = 2 - levels.indexOf(level);
  for (let i = 0; i < 3; i++) {
    if (b[i]! !== a[i]!) return b[i]! > a[i]! && i <= index;
  }
  return false;
}
