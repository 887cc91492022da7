/** Search domains (Odoo's prefix notation), checked before Odoo sees them: it answers a mistake with a 500. */
import { Failure } from '../../kernel/failure.ts';
import type { OdooClient } from './client.ts';
import type { FieldInfo } from './fields.ts';
import { checkValue, toJson } from './values.ts';

const operators = new Set([
  '=',
  '!=',
  '>',
  '>=',
  '<',
  '<=',
  '=?',
  'like',
  'not like',
  'ilike',
  'not ilike',
  '=like',
  '=ilike',
  'in',
  'not in',
  'child_of',
  'parent_of',
  'any',
  'not any',
]);

const listOperators = new Set(['in', 'not in']);
const hierarchyOperators = new Set(['child_of', 'parent_of']);

/** Terms and connectives in one domain. */
export const domainLimit = 1_000;

/**
 * The domain as Odoo takes it: fields by the names of this server, instants in UTC, decimals as number literals, null
 * as false.
 * @throws Failure `data-quality` (`ODOO_DOMAIN`) or `configuration` (`ODOO_UNKNOWN_FIELD`), naming the term by position
 */
export async function checkDomain(client: OdooClient, model: string, domain: unknown): Promise<unknown[]> {
  if (domain === undefined || domain === null) return [];
  if (!Array.isArray(domain)) throw malformed('The domain', 'a list such as [["state", "=", "draft"]]');
  if (domain.length > domainLimit) throw malformed('The domain', `at most ${domainLimit} terms long`);
  const checked: unknown[] = [];
  /** Terms that the connectives so far still want. */
  let wanted = 0;
  for (const [index, term] of domain.entries()) {
    const where = `Term ${index + 1} of the domain`;
    if (term === '&' || term === '|') {
      wanted += wanted === 0 ? 2 : 1;
      checked.push(term);
    } else if (term === '!') {
      wanted = Math.max(wanted, 1);
      checked.push(term);
    } else if (Array.isArray(term) && term.length === 3) {
      wanted = Math.max(0, wanted - 1);
      checked.push(await checkTerm(client, model, term, where));
    } else {
      throw malformed(where, 'a connective ("&", "|", "!") or a term [field, operator, value]');
    }
  }
  if (wanted > 0) throw malformed('The domain', 'complete: a connective at its end has no terms to connect');
  return checked;
}

async function checkTerm(client: OdooClient, model: string, term: unknown[], where: string): Promise<unknown[]> {
  const [left, operator, right] = term;
  // [1, "=", 1] and [0, "=", 1] are Odoo's true and false.
  if ((left === 0 || left === 1) && operator === '=' && right === 1) return term;
  if (typeof left !== 'string') throw malformed(where, 'begun by the name of a field');
  if (typeof operator !== 'string' || !operators.has(operator))
    throw malformed(where, `one with an operator of ${[...operators].join(' ')}`);
  const { path, field } = await pathOf(client, model, left);
  return [path, operator, await operand(client, field, operator, right, where)];
}

async function pathOf(
  client: OdooClient,
  model: string,
  dotted: string,
): Promise<{ path: string; field: FieldInfo | undefined }> {
  const names: string[] = [];
  let at: string | undefined = model;
  let field: FieldInfo | undefined;
  for (const name of dotted.split('.')) {
    // Behind a date, 19 takes parts of it (`date_order.year_number`); behind properties, their own names.
    if (at === undefined)
      return { path: [...names, ...dotted.split('.').slice(names.length)].join('.'), field: undefined };
    field = (await client.fields(at)).get(name);
    names.push(field.name);
    at = field.relation;
  }
  return { path: names.join('.'), field };
}

async function operand(
  client: OdooClient,
  field: FieldInfo | undefined,
  operator: string,
  value: unknown,
  where: string,
): Promise<unknown> {
  if (operator === 'any' || operator === 'not any') return await checkDomain(client, field?.relation ?? '', value);
  if (listOperators.has(operator)) {
    if (!Array.isArray(value)) throw malformed(where, `one with a list, as its operator is "${operator}"`);
    return value.map((item) => single(client, field, item, where));
  }
  if (hierarchyOperators.has(operator) || operator.includes('like')) return value;
  return single(client, field, value, where);
}

function single(client: OdooClient, field: FieldInfo | undefined, value: unknown, where: string): unknown {
  if (value === null || value === undefined || value === false) return false;
  switch (field?.type) {
    case 'float':
    case 'monetary':
    case 'boolean':
      return toJson(checkValue(field, value, where, client.limits));
    case 'date':
    case 'datetime':
      // 19 also takes relative dates such as "-7d" and "today".
      if (typeof value === 'string' && /^(?:[-+=]|today|now)/.test(value)) return value;
      return toJson(checkValue(field, value, where, client.limits));
    default:
      return value;
  }
}

function malformed(what: string, must: string): Failure {
  return new Failure('data-quality', 'ODOO_DOMAIN', `${what} must be ${must}.`, { outcome: 'none' });
}
