/** Keeps a flow that is meant for trying things out away from a production system. */
import { Failure } from '../kernel/failure.ts';
import type { RuntimeApi, RuntimeNode } from './node-red.ts';

export type Stage = 'production' | 'test' | 'sandbox';

const stages: readonly string[] = ['production', 'test', 'sandbox'] satisfies Stage[];
/** Set for the whole Node-RED, or for one flow or group in its own environment, which then goes first. */
export const stageVariable = 'HEALTHFLOWS_ENVIRONMENT';

/** What a node's group, flow or Node-RED is marked as; empty for not marked. */
export function stageMark(RED: RuntimeApi, node: RuntimeNode): string {
  return String(RED.util.evaluateNodeProperty(stageVariable, 'env', node, {}) ?? '');
}

/** A system that has a stage, as its refusal names it. */
export interface Staged {
  stage: Stage;
  url: string;
  /** Type of its config node: `odoo-server`. */
  node: string;
  /** Code of the refusal: `ODOO_STAGE`. */
  code: string;
}

/**
 * @param mark what the flow is marked as; empty for not marked
 * @throws Failure `policy-rejection` for a production system where the mark is test or sandbox, `configuration` for a
 * mark that is none
 */
export function refuseStage(mark: string, { stage: system, url, node, code }: Staged): void {
  const stage = mark.trim().toLowerCase();
  if (stage === '' || (stage === 'production' && stages.includes(system))) return;
  if (!stages.includes(stage)) {
    throw new Failure(
      'configuration',
      code,
      `${stageVariable} must be production, test or sandbox for this flow; it is something else.`,
      { outcome: 'none' },
    );
  }
  if (system !== 'production') return;
  throw new Failure(
    'policy-rejection',
    code,
    `This flow is marked ${stage} (${stageVariable}) and ${url} is marked production, so nothing was sent. Choose another ${node}, or change the mark where it is set: in the group, the flow, or Node-RED's environment.`,
    { outcome: 'none' },
  );
}
