/** The names in a node's settings that no message can change. */
import { parseJson } from '../../kernel/json.ts';
import type { StaticNames } from '../profile.ts';
import { listOf } from './lists.ts';
import type { OdooRpcConfig, Operation } from './odoo-rpc.def.ts';

/** Settings that name fields, by operation. */
const named: Partial<Record<Operation, readonly ('fields' | 'order' | 'groupBy' | 'aggregates')[]>> = {
  'search-read': ['fields', 'order'],
  read: ['fields'],
  aggregate: ['groupBy', 'aggregates'],
};
const withDomain: readonly Operation[] = ['search-read', 'count', 'aggregate'];
const withDocuments: readonly Operation[] = ['upsert', 'create', 'write'];

/** Undefined for a business step, whose names are ours. */
export function staticNames(config: OdooRpcConfig): StaticNames | undefined {
  const { operation, model } = config;
  if (operation === 'action' || model.trim() === '') return undefined;
  // `date_order:month`, `amount_total:sum`, `date_order desc`.
  const fields = Object.fromEntries(
    (named[operation] ?? []).map((setting) => [
      setting,
      listOf(config[setting]).map((part) => part.split(/[:\s]/)[0]!),
    ]),
  );
  return {
    model: model.trim(),
    fields,
    ...(withDomain.includes(operation) && config.domainType === 'json' ? { domain: written(config.domain) } : {}),
    ...(withDocuments.includes(operation) && config.valuesType === 'json' ? { values: written(config.values) } : {}),
  };
}

/** JSON that is not well-formed is told by the input itself. */
function written(text: string): unknown {
  try {
    return text.trim() === '' ? undefined : parseJson(text);
  } catch {
    return undefined;
  }
}
