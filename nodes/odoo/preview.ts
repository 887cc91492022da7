/** For the dialog of a node that is being edited: what is wrong with its names, and how many records it would find. */
import { toFailure } from '../kernel/failure.ts';
import type { OdooClient } from './client/client.ts';
import { count } from './client/read.ts';
import { type ExampleOutput, exampleOutput } from './odoo-rpc/example-output.ts';
import { type OdooRpcConfig, odooRpcDefinition } from './odoo-rpc/odoo-rpc.def.ts';
import { staticNames } from './odoo-rpc/static-names.ts';
import { checkNames, type Finding } from './profile.ts';

export interface Preview {
  findings: Finding[];
  /** Records that match now; absent where the domain is not written out or not complete. */
  count?: number;
  /** What leaves the node, made up; absent where nothing can be said. */
  example?: ExampleOutput;
}

/**
 * @param form what the dialog holds, as far as it is text
 * @throws Failure when the server does not answer
 */
export async function preview(client: OdooClient, form: unknown): Promise<Preview> {
  const config: Record<string, unknown> = { ...odooRpcDefinition.defaults };
  const given = (typeof form === 'object' && form !== null ? form : {}) as Record<string, unknown>;
  for (const [key, value] of Object.entries(given))
    if (typeof config[key] === 'string' && typeof value === 'string') config[key] = value;
  const names = staticNames(config as unknown as OdooRpcConfig);
  const findings = names === undefined ? [] : await checkNames(client, names);
  if (findings.some(({ where }) => where === 'model')) return { findings };
  const output = await exampleOutput(client, config as unknown as OdooRpcConfig);
  const example = output === undefined ? {} : { example: output };
  const broken = findings.some(({ kind, where }) => kind === 'unknown' && where !== 'fields');
  if (names === undefined || !Array.isArray(names.domain) || broken) return { findings, ...example };
  try {
    return { findings, count: await count(client, names.model, names.domain), ...example };
  } catch (error) {
    const failure = toFailure(error);
    if (failure.class === 'dependency-outage' || failure.class === 'saturation') throw failure;
    return {
      ...example,
      findings: [...findings, { kind: 'unknown', where: 'domain', model: names.model, problem: failure.message }],
    };
  }
}
