/** What leaves the node, made up from the types of the fields: an analyst sees its shape, and nobody's data. */
import type { OdooClient } from '../client/client.ts';
import type { FieldInfo } from '../client/fields.ts';
import { actions, isActionName } from '../client/actions.ts';
import { listOf } from './lists.ts';
import type { OdooRpcConfig, Operation } from './odoo-rpc.def.ts';
import { operations } from './operations.ts';

export interface ExampleOutput {
  /** Absent where the payload stays as it came. */
  payload?: unknown;
  odoo: Record<string, unknown>;
}

const samples: Readonly<Record<string, unknown>> = {
  char: 'text',
  text: 'text',
  html: '<p>text</p>',
  integer: 3,
  float: '12.5',
  monetary: '12.5',
  boolean: true,
  date: '2026-01-31',
  datetime: '2026-01-31T08:30:00Z',
  many2one: { id: 7, name: 'its name' },
  one2many: [11, 12],
  many2many: [11, 12],
  binary: 'base64',
};

function sampleOf(field: FieldInfo): unknown {
  return field.type === 'selection' ? (field.selection?.[0]?.[0] ?? 'key') : (samples[field.type] ?? null);
}

/**
 * @throws Failure when the server does not answer, or has no such model
 * @returns undefined where nothing can be said yet, e.g. without a model
 */
export async function exampleOutput(client: OdooClient, config: OdooRpcConfig): Promise<ExampleOutput | undefined> {
  const { operation, action } = config;
  const model = operation === 'action' ? (isActionName(action) ? actions[action].model : '') : config.model.trim();
  if (model === '') return undefined;
  const known = await client.fields(model);
  const record = (): Record<string, unknown> => ({
    id: 42,
    ...Object.fromEntries(
      known
        .asked(listOf(config.fields))
        .flatMap((name) => (known.has(name) ? [[name, sampleOf(known.get(name))]] : [])),
    ),
  });
  const written = { model, ids: [42] };
  const examples: Record<Operation, { result: unknown; odoo: Record<string, unknown> }> = {
    upsert: {
      result: { id: 42, effect: 'created', externalId: 'module.name' },
      odoo: { ...written, effect: 'created', externalId: 'module.name' },
    },
    create: { result: 42, odoo: { ...written, effect: 'created' } },
    write: { result: [42], odoo: { ...written, effect: 'updated' } },
    unlink: { result: [42], odoo: { ...written, effect: 'deleted', missing: [] } },
    action: {
      result: [{ id: 42, verdict: 'done', state: 'its state' }],
      odoo: { ...written, effect: 'updated', verdict: 'done', state: 'its state' },
    },
    'search-read': { result: [record()], odoo: { ...written, effect: 'read' } },
    read: { result: [record()], odoo: { ...written, effect: 'read', missing: [] } },
    count: { result: 3, odoo: { model, ids: [], effect: 'read' } },
    aggregate: {
      result: [
        {
          ...Object.fromEntries(listOf(config.groupBy).map((name) => [name, groupSample(known, name)])),
          ...Object.fromEntries(listOf(config.aggregates).map((name) => [name, '12.5'])),
          __count: 3,
        },
      ],
      odoo: { model, ids: [], effect: 'read' },
    },
    attach: { result: { id: 91, effect: 'created' }, odoo: { ...written, effect: 'created', attachment: 91 } },
    'post-message': { result: [91], odoo: { ...written, effect: 'called', messages: [91] } },
    call: { result: 'what the method returns', odoo: { ...written, effect: 'called' } },
  };
  const { result, odoo } = examples[operation];
  const replaces = config.output === 'result' || (config.output === 'auto' && operations[operation].reads);
  return replaces ? { payload: result, odoo } : { odoo };
}

function groupSample(known: { has(name: string): boolean; get(name: string): FieldInfo }, spec: string): unknown {
  const [name = '', unit] = spec.split(':', 2);
  if (unit !== undefined) return 'January 2026';
  return known.has(name) ? sampleOf(known.get(name)) : null;
}
