/** Mappings and lookup tables: those shipped with the package and those in the user directory. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import { checkMapping } from '../mapping/check.ts';
import type { CompiledMapping } from '../mapping/compile.ts';
import { type LookupTable, lookupProblem } from '../mapping/lookup.ts';
import type { Mapping, Problem, Side } from '../mapping/mapping.ts';

/** What a pick-list shows of a mapping. */
export interface MappingSummary {
  id: string;
  version: string;
  title: string;
  source: Side;
  target: Side;
  origin: 'shipped' | 'user';
  /** File it comes from, without its folder. */
  file: string;
  /** Problems of severity error keep it from being deployed. */
  problems: Problem[];
}

interface Loaded extends MappingSummary {
  mapping?: Mapping;
  compiled?: CompiledMapping;
}

const fileLimit = 500;
const byteLimit = 4 * 1024 * 1024;

/** Folder of the shipped mappings; the build copies it beside the compiled library. */
export const shippedFolder = join(import.meta.dirname, 'assets');

export class MappingLibrary {
  readonly #mappings = new Map<string, Loaded>();
  readonly #tables = new Map<string, LookupTable>();
  readonly #problems: Problem[] = [];

  /**
   * Reads the shipped mappings and, where it exists, the user folder. A user's mapping or table with the id of a
   * shipped one takes its place.
   */
  constructor(userFolder?: string) {
    const folders = [
      { folder: shippedFolder, origin: 'shipped' as const },
      ...(userFolder === undefined ? [] : [{ folder: userFolder, origin: 'user' as const }]),
    ];
    for (const { folder } of folders) this.#readTables(join(folder, 'lookups'));
    for (const { folder, origin } of folders) this.#readMappings(folder, origin);
  }

  list(): MappingSummary[] {
    return [...this.#mappings.values()]
      .map(({ mapping: _, compiled: __, ...summary }) => summary)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  tables(): ReadonlyMap<string, LookupTable> {
    return this.#tables;
  }

  /** Lookup tables that could not be read. */
  problems(): readonly Problem[] {
    return this.#problems;
  }

  /** The mapping file as it stands. @throws Failure `configuration` */
  source(id: string): Mapping {
    const found = this.#mappings.get(id)?.mapping;
    if (found === undefined) throw missing(id);
    return found;
  }

  /** @throws Failure `configuration` when there is no such mapping, or with everything that is wrong with it */
  get(id: string): CompiledMapping {
    const found = this.#mappings.get(id);
    if (found === undefined) throw missing(id);
    if (found.compiled === undefined) throw invalid(id, found.problems);
    return found.compiled;
  }

  /** Checks and compiles a mapping that is not in a file. @throws Failure `configuration` with its problems */
  compile(mapping: unknown): CompiledMapping {
    const { compiled, problems } = checkMapping(mapping, this.#tables);
    if (compiled === undefined) throw invalid('', problems);
    return compiled;
  }

  #readTables(folder: string): void {
    for (const file of jsonFiles(folder)) {
      const table = readJson(join(folder, file));
      const name = file.slice(0, -'.json'.length);
      const wrong = table instanceof Failure ? table.message : lookupProblem(table);
      if (wrong === undefined) {
        this.#tables.set(name, table as LookupTable);
        const lacks = (['owner', 'version'] as const).filter((key) => ((table as LookupTable)[key] ?? '') === '');
        if (lacks.length > 0)
          this.#problems.push({
            message: `The lookup table ${file} does not say ${lacks.map((key) => `its ${key}`).join(' and ')}`,
            severity: 'warning',
          });
      } else this.#problems.push({ message: `The lookup table ${file} ${wrong}`, severity: 'error' });
    }
  }

  #readMappings(folder: string, origin: 'shipped' | 'user'): void {
    for (const file of jsonFiles(folder)) {
      const content = readJson(join(folder, file));
      const nameOnly = file.slice(0, -'.json'.length);
      if (content instanceof Failure) {
        this.#mappings.set(nameOnly, {
          id: nameOnly,
          version: '',
          title: file,
          source: { format: 'json', name: '' },
          target: { format: 'json', name: '' },
          origin,
          file,
          problems: [{ message: content.message, severity: 'error' }],
        });
        continue;
      }
      const { compiled, problems } = checkMapping(content, this.#tables);
      const mapping = content as Partial<Mapping>;
      const id = typeof mapping.id === 'string' ? mapping.id : nameOnly;
      this.#mappings.set(id, {
        id,
        version: String(mapping.version ?? ''),
        title: String(mapping.title ?? file),
        source: mapping.source ?? { format: 'json', name: '' },
        target: mapping.target ?? { format: 'json', name: '' },
        origin,
        file,
        problems,
        mapping: content as Mapping,
        ...(compiled === undefined ? {} : { compiled }),
      });
    }
  }
}

function jsonFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .sort()
      .slice(0, fileLimit);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function readJson(file: string): unknown {
  try {
    if (statSync(file).size > byteLimit)
      return new Failure('configuration', 'MAPPING_TOO_LARGE', `is larger than ${byteLimit} bytes`);
    return parseJson(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''), { members: 100_000 });
  } catch (error) {
    return new Failure(
      'configuration',
      'MAPPING_UNREADABLE',
      error instanceof Failure ? error.message : 'The file could not be read.',
    );
  }
}

const missing = (id: string): Failure =>
  id === ''
    ? new Failure('configuration', 'MAPPING_NOT_CHOSEN', 'No mapping is chosen. Open the node and pick one.')
    : new Failure(
        'configuration',
        'MAPPING_UNKNOWN',
        `There is no mapping "${id}" in the package or in the user directory. Open the node and pick one.`,
      );

function invalid(id: string, problems: Problem[]): Failure {
  const errors = problems.filter((problem) => problem.severity === 'error');
  const told = errors.slice(0, 5).map((p) => (p.row === undefined ? p.message : `row ${p.row}: ${p.message}`));
  const more = errors.length > told.length ? ` (and ${errors.length - told.length} more)` : '';
  return new Failure(
    'configuration',
    'MAPPING_INVALID',
    `The mapping ${id === '' ? '' : `"${id}" `}cannot be used: ${told.join('; ')}${more}.`,
    {
      detail: { problems: errors.slice(0, 50) },
    },
  );
}
