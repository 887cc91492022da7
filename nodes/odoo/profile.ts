/** Whether the names that a node's settings hold exist on the connected Odoo: found at deploy, not by the first order. */
import { type Failure, toFailure } from '../kernel/failure.ts';
import type { OdooClient } from './client/client.ts';
import { checkDomain } from './client/domain.ts';
import { newerName } from './client/renames.ts';

/** Names that are known before any message comes. */
export interface StaticNames {
  model: string;
  /** By the setting they stand in. */
  fields: Readonly<Record<string, readonly string[]>>;
  /** A domain as written in the dialog. */
  domain?: unknown;
  /** Documents or values as written in the dialog. */
  values?: unknown;
}

export interface Finding {
  /** `unknown`: the node cannot work on this Odoo. `renamed`: it works here and no longer on a newer Odoo. */
  kind: 'unknown' | 'renamed';
  /** The setting. */
  where: string;
  model: string;
  field?: string;
  /** What to write instead, where that is known. */
  suggestion?: string;
  /** What is wrong and what to do, for people. */
  problem: string;
}

/** Findings at most in one list. */
const limit = 100;

/**
 * @throws Failure of class `dependency-outage`, `saturation` or `policy-rejection` when the server could not be asked
 */
export async function checkNames(client: OdooClient, names: StaticNames): Promise<Finding[]> {
  const findings: Finding[] = [];
  const { model } = names;
  const fields = async (where: string, of: string, used: Iterable<string>): Promise<void> => {
    const known = await client.fields(of);
    for (const field of new Set(known.asked([...used]))) {
      if (field === 'id' || (where === 'values' && known.leavesOut(field))) continue;
      try {
        known.get(field);
      } catch (error) {
        findings.push(unknown(where, of, toFailure(error)));
        continue;
      }
      const newer = newerName(of, field);
      if (newer !== undefined && known.all.has(field)) {
        findings.push({
          kind: 'renamed',
          where,
          model: of,
          field,
          suggestion: newer,
          problem: `${of}.${field} is called ${newer} from Odoo 19 on. Write ${newer}: it works on older versions too.`,
        });
      }
    }
  };

  try {
    await client.fields(model);
  } catch (error) {
    const failure = asked(error);
    return [unknown('model', model, failure)];
  }
  for (const [where, used] of Object.entries(names.fields)) await fields(where, model, used);
  await fieldsOfDomain(client, model, names.domain, findings, fields);
  for (const document of Array.isArray(names.values) ? names.values.slice(0, limit) : [names.values])
    await fieldsOfDocument(client, model, document, fields, 0);
  return distinct(findings).slice(0, limit);
}

type CheckFields = (where: string, model: string, used: Iterable<string>) => Promise<void>;

async function fieldsOfDomain(
  client: OdooClient,
  model: string,
  domain: unknown,
  findings: Finding[],
  check: CheckFields,
): Promise<void> {
  if (!Array.isArray(domain)) return;
  let named = true;
  for (const term of domain) {
    if (!Array.isArray(term) || typeof term[0] !== 'string') continue;
    const before = findings.length;
    let at: string | undefined = model;
    for (const part of term[0].split('.')) {
      if (at === undefined) break;
      await check('domain', at, [part]);
      const known = await client.fields(at);
      at = known.has(part) ? known.get(part).relation : undefined;
    }
    named &&= findings.length === before || findings.slice(before).every(({ kind }) => kind === 'renamed');
  }
  // Names are told one by one; what else is wrong with it is told once, by the rules that a message meets.
  if (!named) return;
  try {
    await checkDomain(client, model, domain);
  } catch (error) {
    findings.push(unknown('domain', model, asked(error)));
  }
}

async function fieldsOfDocument(
  client: OdooClient,
  model: string,
  document: unknown,
  check: CheckFields,
  depth: number,
): Promise<void> {
  if (!isObject(document) || depth > 2) return;
  const values = isObject(document.values) ? document.values : document;
  if (isObject(document.match)) await check('values', model, Object.keys(document.match));
  await check('values', model, Object.keys(values));
  const known = await client.fields(model);
  for (const [name, value] of Object.entries(values)) {
    const relation = known.has(name) ? known.get(name).relation : undefined;
    if (relation === undefined) continue;
    if (isObject(value) && isObject(value.match)) await check('values', relation, Object.keys(value.match));
    for (const line of Array.isArray(value) ? value.slice(0, limit) : [])
      if (isObject(line)) await fieldsOfDocument(client, relation, line, check, depth + 1);
  }
}

function unknown(where: string, model: string, failure: Failure): Finding {
  const { field, suggestion } = (failure.detail ?? {}) as { field?: string; suggestion?: string };
  return {
    kind: 'unknown',
    where,
    model,
    ...(field === undefined ? {} : { field }),
    ...(suggestion === undefined ? {} : { suggestion }),
    problem: failure.message,
  };
}

/** @throws Failure when the server could not be asked: then nothing is known about the names */
function asked(error: unknown): Failure {
  const failure = toFailure(error);
  if (failure.class === 'configuration' || failure.class === 'data-quality') return failure;
  throw failure;
}

function distinct(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [`${finding.where} ${finding.problem}`, finding])).values()];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
