/** What the canonical-mapper node does with a message, without Node-RED. */
import { Failure } from '../kernel/failure.ts';
import { uuidv7 } from '../kernel/id.ts';
import type { EventAttributes, FlowMessage } from '../kernel/message.ts';
import { isTextFormat, readDocument, seriesOf, writeDocument } from './formats/index.ts';
import { evaluateExpressions } from './jsonata/evaluator.ts';
import type { CompiledMapping, MappingResult } from './mapping/compile.ts';
import type { Side } from './mapping/mapping.ts';
import { upConverted } from './model/converters.ts';
import { entityNamed } from './model/fields.ts';
import { isInstant } from './model/formats.ts';
import { partitionKeyOf, subjectOf } from './model/keys.ts';
import { classificationOf, type Projection, projectorOf } from './model/project.ts';
import { type Reading, schemaFailure, validatorOf } from './model/validate.ts';
import type { EntitySchema } from './schemas/index.ts';

export type MapperTask =
  | { mode: 'to-canonical' | 'from-canonical'; mapping: CompiledMapping }
  | { mode: 'validate'; entity: string; reading: Reading }
  | { mode: 'project'; entity: string; projection: Projection };

/**
 * Changes a message in place; a promise only where the mapping has JSONata rows.
 * @throws Failure `data-quality` with every violation, bounded, in `detail`
 */
export type Mapper = (message: FlowMessage) => void | Promise<void>;

type Tree = Record<string, unknown>;

/** Numbers a document of a series; always the same number for the same document. */
export type Numbering = (series: string, document: string) => Promise<number>;

/**
 * Prepares a task; compiling validators happens here, so that the first message does not wait for it.
 * @param nodeId names the source of events for messages that come without one
 * @param numbering numbers outbound interchanges in their series; without it the number follows from the event's id
 * @throws Failure `configuration` when the mapping does not fit the mode, or the entity is unknown
 */
export function createMapper(task: MapperTask, nodeId: string, numbering?: Numbering): Mapper {
  switch (task.mode) {
    case 'to-canonical':
      return toCanonical(task.mapping, nodeId);
    case 'from-canonical':
      return fromCanonical(task.mapping, nodeId, numbering);
    case 'validate': {
      const entity = schemaOf(task.entity);
      const check = checker(entity, task.reading);
      return (message) => {
        const document = canonicalOf(entity, message.payload);
        check(document);
        message.payload = document;
        describe(message, entity, document, nodeId);
      };
    }
    case 'project': {
      const entity = schemaOf(task.entity);
      const project = projectorOf(task.entity, task.projection);
      return (message) => {
        const document = canonicalOf(entity, message.payload);
        const projected = project(document) as Tree;
        message.payload = projected;
        // The business key stays that of the whole document; the sensitivity is that of what is left.
        describe(message, entity, document, nodeId);
        message.event!.sensitivity = classificationOf(entity, projected);
      };
    }
  }
}

function schemaOf(name: string): EntitySchema {
  const entity = entityNamed(name);
  if (entity === undefined) {
    throw new Failure(
      'configuration',
      'UNKNOWN_ENTITY',
      `The canonical model has no entity "${name}". Open the node and pick one.`,
    );
  }
  return entity;
}

/** A canonical document as the present major of its entity. */
const canonicalOf = (entity: EntitySchema, payload: unknown): Tree =>
  upConverted(entity, readDocument('json', payload) as Tree);

function checker(entity: EntitySchema, reading: Reading): (document: unknown) => void {
  const validate = validatorOf(entity.name, reading);
  return (document) => {
    const { valid, violations, count } = validate(document);
    if (!valid) throw schemaFailure(entity, violations, count);
  };
}

function entityOf(side: Side, mapping: CompiledMapping, mode: string): EntitySchema {
  if ('entity' in side) return schemaOf(side.entity);
  throw new Failure(
    'configuration',
    'MAPPING_DIRECTION',
    `The mapping "${mapping.mapping.id}" does not map ${mode}. Open the node and pick another mapping or mode.`,
  );
}

function toCanonical(mapping: CompiledMapping, nodeId: string): Mapper {
  const { source, target, id, version } = mapping.mapping;
  const entity = entityOf(target, mapping, 'to the canonical model');
  const check = checker(entity, 'strict');
  const finish = (message: FlowMessage, result: MappingResult): void => {
    const value = mapped(mapping, result);
    value.meta = metaOf(message, entity, { id, version });
    const sensitivity = classificationOf(entity, value);
    (value.meta as Tree).classification = sensitivity;
    check(value);
    message.payload = value;
    describe(message, entity, value, nodeId, sensitivity);
  };
  return (message) => run(mapping, read(source, message.payload), message, finish);
}

/** Runs a mapping on a document, its JSONata rows first where it has any. */
function run(
  mapping: CompiledMapping,
  document: unknown,
  message: FlowMessage,
  finish: (message: FlowMessage, result: MappingResult) => void | Promise<void>,
): void | Promise<void> {
  if (mapping.expressions.length === 0) {
    return finish(message, mapping.run(document, asOf(message)));
  }
  return evaluateExpressions(mapping, document).then((expressions) =>
    finish(message, mapping.run(document, { ...asOf(message), expressions })),
  );
}

function fromCanonical(mapping: CompiledMapping, nodeId: string, numbering: Numbering | undefined): Mapper {
  const { source, target } = mapping.mapping;
  const entity = entityOf(source, mapping, 'from the canonical model');
  const check = checker(entity, 'tolerant');
  return (message) => {
    const document = canonicalOf(entity, message.payload);
    check(document);
    const written = (payload: unknown): void => {
      message.payload = payload;
      describe(message, entity, document, nodeId);
      // What travels now is the other system's document.
      delete message.event!.dataschema;
      if ('format' in target && target.schema !== undefined) message.event!.dataschema = target.schema;
    };
    return run(mapping, document, message, (_message, result) => {
      const value = mapped(mapping, result);
      const series =
        numbering === undefined || 'entity' in target ? undefined : seriesOf(target.format, value, target.options);
      if (series === undefined) return written(write(target, value, message));
      // Written once before, so that a document that cannot be written takes no number.
      write(target, value, message);
      return numbering!(series, `${mapping.mapping.id}|${contextOf(message).id}`).then((number) =>
        written(write(target, value, message, number)),
      );
    });
  };
}

/** Reads a document as the side of a mapping says. */
export function read(side: Side, document: unknown): unknown {
  return 'entity' in side ? readDocument('json', document) : readDocument(side.format, document, side.options);
}

function write(side: Side, value: Tree, message: FlowMessage, number?: number): unknown {
  if ('entity' in side || !isTextFormat(side.format)) return value;
  return writeDocument(side.format, value, side.options, {
    ...contextOf(message),
    ...(number === undefined ? {} : { number }),
  });
}

function contextOf(message: FlowMessage): { at: string; id: string } {
  const { id, time } = message.event ?? {};
  return {
    at: typeof time === 'string' && isInstant(time) ? time : new Date().toISOString(),
    id: id ?? message._msgid ?? uuidv7(),
  };
}

/** Lookups without a day of their own are read for the day of the event. */
function asOf(message: FlowMessage): { asOf?: string } {
  const time = message.event?.time;
  return typeof time === 'string' && isInstant(time) ? { asOf: time.slice(0, 10) } : {};
}

function mapped(mapping: CompiledMapping, result: MappingResult): Tree {
  if (result.count === 0) return result.value;
  throw mappingFailure(mapping, result);
}

/** `data-quality` with the first violation's code and all of them, bounded, in `detail`. */
export function mappingFailure({ mapping }: CompiledMapping, { violations, count }: MappingResult): Failure {
  const first = violations[0]!;
  const more = count > 1 ? `, and ${count - 1} more` : '';
  return new Failure(
    'data-quality',
    first.rule,
    `The document could not be mapped with ${mapping.id} ${mapping.version}: row ${first.row}, ${first.path === '' ? first.target : first.path}: ${first.expected}${more}. ` +
      'Correct the document at its source, or the mapping or table.',
    {
      detail: {
        mapping: { id: mapping.id, version: mapping.version },
        violations: violations.map((violation) => ({ ...violation, path: pointerOf(violation.path) })),
        count,
      },
    },
  );
}

/** `lines[3].qty` as JSON Pointer (RFC 6901). */
const pointerOf = (path: string): string =>
  path === ''
    ? ''
    : `/${path
        .replaceAll('/', '~1')
        .replace(/\[(\d+)\]/g, '/$1')
        .replaceAll('.', '/')}`;

/** A function of the message alone, so that a replay makes the same document. */
function metaOf(message: FlowMessage, entity: EntitySchema, mapping: { id: string; version: string }): Tree {
  const { source, time } = message.event ?? {};
  return {
    schema: entity.id,
    schemaVersion: entity.version,
    ...(typeof source === 'string' && source !== '' && source.length <= 256 ? { source } : {}),
    ...(typeof time === 'string' && isInstant(time) ? { recordedAt: time } : {}),
    mapping,
  };
}

/** Sets the event attributes that follow from the entity. */
function describe(
  message: FlowMessage,
  entity: EntitySchema,
  document: Tree,
  nodeId: string,
  sensitivity = classificationOf(entity, document),
): void {
  const event: EventAttributes = { ...(message.event ?? newEvent(message, entity, nodeId)) };
  event.dataschema = entity.id;
  const subject = subjectOf(entity, document);
  const partitionkey = partitionKeyOf(entity, document);
  if (subject !== undefined) event.subject = subject;
  if (partitionkey !== undefined) event.partitionkey = partitionkey;
  event.sensitivity = sensitivity;
  message.event = event;
}

function newEvent(message: FlowMessage, entity: EntitySchema, nodeId: string): EventAttributes {
  return {
    specversion: '1.0',
    id: message._msgid ?? uuidv7(),
    source: `urn:healthflows:node:${nodeId}`,
    type: `healthflows.canonical.${entity.name}.v${entity.version.split('.')[0]}`,
  };
}
