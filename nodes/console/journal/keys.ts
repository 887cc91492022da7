/**
 * Business keys of a canonical document: the names by which people look a message up. Only fields whose sensitivity
 * the settings allow are read; an identifier of a patient (N, H, S) is never a key unless somebody says so.
 */
import { entityOfSchema, fieldsOf, type Sensitivity } from '../../canonical/index.ts';
import { foldKey } from './entry.ts';

type Reader = (document: Record<string, unknown>) => unknown[];

/** Keys of one document; a list of thousands of identifiers is no name. */
const keyLimit = 10;

export class KeyReader {
  readonly #classes: ReadonlySet<string>;
  readonly #readers = new Map<string, readonly Reader[]>();
  /** By entity: walking all fields of a schema takes as long as a dozen hops. */
  readonly #subjects = new Map<string, boolean>();

  constructor(classes: readonly Sensitivity[]) {
    this.#classes = new Set(classes);
  }

  /** @param schema `event.dataschema`; nothing is read of a document that is no canonical entity */
  keysOf(schema: string | undefined, document: unknown): string[] {
    if (schema === undefined || typeof document !== 'object' || document === null) return [];
    const keys = new Set<string>();
    for (const reader of this.#readersOf(schema)) {
      for (const value of reader(document as Record<string, unknown>)) {
        if (typeof value === 'string' && value !== '' && keys.size < keyLimit) keys.add(foldKey(value));
      }
    }
    return [...keys];
  }

  /** True when the event's subject, which is made of the business key, may be kept. */
  allowsSubject(schema: string | undefined): boolean {
    const entity = schema === undefined ? undefined : entityOfSchema(schema);
    // Without a schema the subject is what the sender put into the event for everybody on the way to read.
    if (entity === undefined) return this.#classes.has('I');
    let allowed = this.#subjects.get(entity.name);
    if (allowed === undefined) {
      allowed = fieldsOf(entity).every(
        ({ path, sensitivity }) =>
          sensitivity === undefined ||
          this.#classes.has(sensitivity) ||
          !entity.businessKey.some((key) => path === key || path === `${key}.identifiers[].value`),
      );
      this.#subjects.set(entity.name, allowed);
    }
    return allowed;
  }

  #readersOf(schema: string): readonly Reader[] {
    let readers = this.#readers.get(schema);
    if (readers === undefined) {
      readers = this.#compile(schema);
      this.#readers.set(schema, readers);
      if (this.#readers.size > 200) this.#readers.clear();
    }
    return readers;
  }

  #compile(schema: string): Reader[] {
    const entity = entityOfSchema(schema);
    if (entity === undefined) return [];
    const readers: Reader[] = [];
    for (const { path, type, sensitivity } of fieldsOf(entity)) {
      if (type !== 'string' || sensitivity === undefined || !this.#classes.has(sensitivity)) continue;
      if (!path.includes('.')) {
        if (entity.businessKey.includes(path) || /number$/i.test(path)) readers.push((document) => [document[path]]);
      } else if (path === 'identifiers[].value') {
        readers.push(valuesOf);
      } else if (path.endsWith('.identifiers[].value')) {
        const owner = path.slice(0, path.indexOf('.'));
        if (entity.businessKey.includes(owner)) readers.push((document) => valuesOf(document[owner]));
      }
    }
    return readers;
  }
}

function valuesOf(named: unknown): unknown[] {
  const identifiers = (named as { identifiers?: unknown } | null | undefined)?.identifiers;
  return Array.isArray(identifiers)
    ? identifiers.slice(0, keyLimit).map((identifier) => (identifier as { value?: unknown } | null)?.value)
    : [];
}
