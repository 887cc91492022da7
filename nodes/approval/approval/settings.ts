/** The node's settings as the library wants them, checked when the node starts. */
import { Failure } from '../../kernel/failure.ts';
import type { RuntimeApi } from '../../node/index.ts';
import { checkLinkKey, linkKeyVariable } from '../link.ts';
import { type ApprovalPolicy, checkPolicy, policyOf } from '../policy.ts';
import { readPolicy } from '../policy-file.ts';
import { type DeadlineAct, deadlineActs } from '../request.ts';
import type { ApprovalConfig } from './approval.def.ts';

const hour = 3_600_000;

export interface ApprovalSettings {
  process: string;
  policy: ApprovalPolicy;
  /** Milliseconds. */
  remindEvery: number;
  escalateAfter: number;
  deadline: number;
  reviewWithin: number;
  settleDeadline: number;
  retention: number;
  onDeadline: DeadlineAct;
  limit: number;
  /** Bytes. */
  maxSize: number;
  address: string;
  linkKey: string;
}

/** @throws Failure `configuration` */
export function settingsOf(
  config: ApprovalConfig,
  credentials: Readonly<Record<string, string>>,
  RED: Pick<RuntimeApi, 'settings'>,
): ApprovalSettings {
  const process_ = config.process.trim();
  if (!/^[\w][\w .-]{0,99}$/.test(process_)) {
    throw new Failure(
      'configuration',
      'APPROVAL_PROCESS',
      'This approval node has no process, or one with signs other than letters, digits, blanks, dots, dashes and underscores. Name what is approved here, e.g. "purchase orders".',
    );
  }
  const onDeadline = deadlineActs.find((act) => act === config.onDeadline);
  if (onDeadline === undefined) {
    throw new Failure(
      'configuration',
      'APPROVAL_DEADLINE',
      'Choose what the deadline does: expire, reject or approve.',
    );
  }
  const within = (name: string, value: number, least: number, most: number): number => {
    if (Number.isFinite(value) && value >= least && value <= most) return value;
    throw new Failure('configuration', 'APPROVAL_SETTING', `${name} must be from ${least} to ${most}.`);
  };
  return {
    process: process_,
    policy: policyOfNode(config, RED),
    remindEvery: within('The time between reminders', config.remind, 0, 8_760) * hour,
    escalateAfter: within('The time to the escalation', config.escalate, 0, 8_760) * hour,
    deadline: Math.round(within('The deadline', config.deadline, 0.0001, 8_760) * hour),
    reviewWithin: within('The time for the review of an emergency', config.reviewWithin, 0.0001, 8_760) * hour,
    settleDeadline: within('The time to settle', config.settleDeadline, 0.01, 1_440) * 60_000,
    retention: within('The days that requests are kept', config.retention, 1, 36_500) * 24 * hour,
    onDeadline,
    limit: within('The number of open requests', config.limit, 1, 1_000_000),
    maxSize: within('The size of a message', config.maxSize, 1, 16_384) * 1024,
    address: config.address.trim().replace(/\/+$/, ''),
    linkKey: checkLinkKey(credentials.linkKey || process.env[linkKeyVariable] || ''),
  };
}

function policyOfNode(config: ApprovalConfig, RED: Pick<RuntimeApi, 'settings'>): ApprovalPolicy {
  if (config.policySource === 'file')
    return readPolicy(RED.settings.userDir ?? process.cwd(), config.policyFile.trim());
  const groups: Record<string, string> = {};
  for (const { name, people } of config.groups) groups[name.trim()] = people;
  return checkPolicy(
    policyOf(
      {
        name: config.name.trim() === '' ? config.process.trim() : config.name.trim(),
        rules: config.rules,
        groups: Object.fromEntries(Object.entries(groups).map(([name, people]) => [name, lines(people, /[,\n]/)])),
        escalateTo: config.escalateTo,
        emergency: { people: config.emergencyPeople, upTo: config.emergencyUpTo },
        editable: lines(config.editable, /\n/),
        show: lines(config.show, /\n/),
      },
      config.process,
    ),
  );
}

function lines(text: string, separator: RegExp): string[] {
  return text
    .split(separator)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
