/** Checks a node's names once it runs, and again when Odoo is back where it was down. */
import { toFailure } from '../../kernel/failure.ts';
import type { Log } from '../../node/index.ts';
import { onFlowsStarted } from '../../node/index.ts';
import type { OdooClient } from '../client/client.ts';
import { checkNames, type Finding, type StaticNames } from '../profile.ts';

/** @returns what was found so far, and a function that ends it */
export function watchNames(
  client: OdooClient,
  names: StaticNames | undefined,
  log: Log,
  onFindings: () => void,
): { readonly findings: readonly Finding[]; stop(): void } {
  let findings: readonly Finding[] = [];
  let state: 'to check' | 'checking' | 'checked' = names === undefined ? 'checked' : 'to check';
  const check = async (of: StaticNames) => {
    state = 'checking';
    try {
      findings = await checkNames(client, of);
      state = 'checked';
    } catch (error) {
      state = 'to check';
      log.debug('odoo.names', { unchecked: toFailure(error).code });
      return;
    }
    if (findings.length === 0) return;
    log.warn('odoo.names', { model: of.model, fix: findings.map(({ where, problem }) => `${where}: ${problem}`) });
    onFindings();
  };
  const look = () => {
    if (state === 'to check' && names !== undefined) void check(names);
  };
  const offs = [
    onFlowsStarted(look),
    client.onBreaker(({ kind }) => {
      if (kind === 'closed') look();
    }),
  ];
  return {
    get findings() {
      return findings;
    },
    stop() {
      state = 'checked';
      for (const off of offs) off();
    },
  };
}
