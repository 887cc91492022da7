/** Policies in the user directory: one JSON file each, in a folder that belongs under version control. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../kernel/failure.ts';
import { type ApprovalPolicy, policyOf } from './policy.ts';

export const policyFolder = 'healthflows-approvals';
const byteLimit = 1024 * 1024;
const listLimit = 200;

export function listPolicies(userDir: string): string[] {
  try {
    return readdirSync(join(userDir, policyFolder))
      .filter((file) => /^[\w.-]+\.json$/.test(file))
      .map((file) => file.slice(0, -'.json'.length))
      .sort()
      .slice(0, listLimit);
  } catch {
    return [];
  }
}

/** @throws Failure `configuration` `APPROVAL_POLICY` or `APPROVAL_POLICY_FILE` */
export function readPolicy(userDir: string, name: string): ApprovalPolicy {
  if (!/^[\w-][\w.-]{0,99}$/.test(name)) {
    throw new Failure(
      'configuration',
      'APPROVAL_POLICY_FILE',
      'A policy file is named by letters, digits, dots, dashes and underscores, without its folder.',
    );
  }
  const file = join(userDir, policyFolder, `${name}.json`);
  let content: unknown;
  try {
    if (statSync(file).size > byteLimit) throw new Error('too large');
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new Failure(
      'configuration',
      'APPROVAL_POLICY_FILE',
      `The policy file ${policyFolder}/${name}.json of the user directory is missing, larger than 1 MiB or no JSON.`,
      { cause },
    );
  }
  return policyOf(content, name);
}
