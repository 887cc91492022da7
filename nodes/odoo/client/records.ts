/** Documents, checked against the fields of their model before anything is sent. */
import { Failure } from '../../kernel/failure.ts';
import type { OdooClient } from './client.ts';
import type { FieldInfo, ModelFields } from './fields.ts';
import { checkValue, type Command, type Reference, resolved, toJson, type Value } from './values.ts';

export interface CheckedRecord {
  fields: ModelFields;
  values: CheckedValue[];
}

export interface CheckedValue {
  field: FieldInfo;
  /** Names the value in messages, e.g. `order_line[2].product_qty`. */
  path: string;
  value: Exclude<Value, { kind: 'lines' | 'commands' }> | { kind: 'records'; commands: CheckedCommand[] };
}

export type CheckedCommand =
  | { kind: 'create'; record: CheckedRecord; path: string; externalId?: string }
  | { kind: 'update'; id: number; record: CheckedRecord }
  | Exclude<Command, { kind: 'create' | 'update' }>;

/** Odoo sets these itself; a value for them would be ignored or refused. */
const reserved = new Set(['id', 'create_uid', 'create_date', 'write_uid', 'write_date', '__last_update']);

/**
 * Checks names and values at every level.
 * @throws Failure `configuration` for an unknown field, `data-quality` for a value of the wrong type
 */
export async function checkRecord(
  client: OdooClient,
  model: string,
  values: Readonly<Record<string, unknown>>,
  prefix = '',
): Promise<CheckedRecord> {
  const fields = await client.fields(model);
  const checked: CheckedValue[] = [];
  for (const [name, given] of Object.entries(values)) {
    if (given === undefined || fields.leavesOut(name)) continue;
    const path = prefix + name;
    if (reserved.has(name)) {
      throw new Failure(
        'data-quality',
        'ODOO_READONLY_FIELD',
        `${path} is kept by Odoo itself and cannot be written. Leave it out.`,
        { outcome: 'none' },
      );
    }
    const field = fields.get(name);
    const value = checkValue(field, given, path, client.limits);
    if (value.kind !== 'lines' && value.kind !== 'commands') {
      checked.push({ field, path, value });
      continue;
    }
    const commands: CheckedCommand[] = [];
    const relation = field.relation ?? '';
    if (value.kind === 'lines') {
      for (const [index, line] of value.lines.entries()) {
        const at = `${path}[${index + 1}]`;
        const record = await checkRecord(client, relation, line.values, `${at}.`);
        commands.push({
          kind: 'create',
          record,
          path: at,
          ...(line.externalId === undefined ? {} : { externalId: line.externalId }),
        });
      }
    } else {
      for (const command of value.commands) {
        if (command.kind === 'create')
          commands.push({
            kind: 'create',
            record: await checkRecord(client, relation, command.values, `${path}.`),
            path,
          });
        else if (command.kind === 'update')
          commands.push({
            kind: 'update',
            id: command.id,
            record: await checkRecord(client, relation, command.values, `${path}.`),
          });
        else commands.push(command);
      }
    }
    checked.push({ field, path, value: { kind: 'records', commands } });
  }
  return { fields, values: checked };
}

/** Where a record refers to others, with a way to put in the id that was found. */
export interface ReferenceSlot {
  ref: Reference;
  path: string;
  field: FieldInfo;
  set(ref: Reference): void;
}

export function* referenceSlots(record: CheckedRecord): Generator<ReferenceSlot> {
  for (const { field, path, value } of record.values) {
    switch (value.kind) {
      case 'reference':
        yield {
          ref: value.ref,
          path,
          field,
          set: (ref) => {
            value.ref = ref;
          },
        };
        break;
      case 'references':
        yield* slotsOf(value.refs, path, field);
        break;
      case 'records':
        for (const command of value.commands) {
          if (command.kind === 'create' || command.kind === 'update') yield* referenceSlots(command.record);
          else if (command.kind === 'set') yield* slotsOf(command.refs, path, field);
          else if (command.kind !== 'clear')
            yield {
              ref: command.ref,
              path,
              field,
              set: (ref) => {
                command.ref = ref;
              },
            };
        }
        break;
    }
  }
}

function* slotsOf(refs: Reference[], path: string, field: FieldInfo): Generator<ReferenceSlot> {
  for (const [index, ref] of refs.entries()) {
    yield {
      ref,
      path,
      field,
      set: (found) => {
        refs[index] = found;
      },
    };
  }
}

/** A checked record with resolved references, as `create` and `write` take it. */
export function toVals(record: CheckedRecord): Record<string, unknown> {
  const vals: Record<string, unknown> = {};
  for (const { field, value } of record.values) {
    vals[field.name] = value.kind === 'records' ? value.commands.map(toTriple) : toJson(value);
  }
  return vals;
}

/** Odoo's command triples (`odoo.fields.Command`). */
function toTriple(command: CheckedCommand): unknown[] {
  switch (command.kind) {
    case 'create':
      return [0, 0, toVals(command.record)];
    case 'update':
      return [1, command.id, toVals(command.record)];
    case 'delete':
      return [2, resolved(command.ref), 0];
    case 'unlink':
      return [3, resolved(command.ref), 0];
    case 'link':
      return [4, resolved(command.ref), 0];
    case 'clear':
      return [5, 0, 0];
    case 'set':
      return [6, 0, command.refs.map(resolved)];
  }
}
