/** From what the dialog holds to how a model is followed. */
import { Failure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import type { Start } from '../changes/follower.ts';
import { toOdooDatetime } from '../client/instants.ts';
import type { OdooChangesConfig } from './odoo-changes.def.ts';

export interface ChangesSettings {
  model: string;
  fields: string[];
  domain: unknown[];
  /** Names the checkpoint in the store. */
  source: string;
  start: Start;
  /** Seconds. */
  overlap: number;
  page: number;
  /** Milliseconds. */
  interval: number;
  sweepInterval: number;
  settleDeadline: number;
}

/** @throws Failure `configuration` (`ODOO_CHANGES_SETTING`) naming the setting that cannot be used */
export function settingsOf(config: OdooChangesConfig, nodeId: string, timeZone: string | undefined): ChangesSettings {
  const model = config.model.trim();
  if (!/^[a-z_][a-z0-9_.]{0,127}$/.test(model)) throw unusable('model', 'must be one of Odoo, such as res.partner');
  const fields = [...new Set(config.fields.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  if (fields.length === 0) throw unusable('list of fields', 'must name at least one');
  const checkpoint = config.checkpoint.trim();
  if (checkpoint.length > 100) throw unusable('name of the checkpoint', 'must have at most 100 characters');
  return {
    model,
    fields,
    domain: domainOf(config.domain),
    source: `${checkpoint === '' ? nodeId : checkpoint}/${model}`,
    start: startOf(config, timeZone),
    overlap: within('overlap', config.overlap, 1, 86_400),
    page: Math.floor(within('page', config.page, 1, 1_000)),
    interval: config.interval === 0 ? 0 : within('interval', config.interval, 1, 86_400) * 1_000,
    sweepInterval: within('interval for deleted records', config.sweep, 0, 20_000) * 60_000,
    settleDeadline: within('settle deadline', config.settleDeadline, 1, 1_440) * 60_000,
  };
}

function domainOf(text: string): unknown[] {
  let domain: unknown;
  try {
    domain = text.trim() === '' ? [] : parseJson(text);
  } catch (cause) {
    throw unusable('filter', 'is not well-formed JSON', cause);
  }
  if (Array.isArray(domain)) return domain;
  throw unusable('filter', 'must be a list such as [["customer_rank", ">", 0]]');
}

function startOf({ start, startFrom }: OdooChangesConfig, timeZone = 'UTC'): Start {
  if (start !== 'from') return { kind: start };
  const instant = toOdooDatetime(startFrom.trim(), timeZone);
  if (instant === undefined) throw unusable('start', 'must be a date such as 2026-01-31, or an instant with offset');
  return { kind: 'from', second: Date.parse(`${instant.replace(' ', 'T')}Z`) / 1_000 };
}

function within(what: string, value: number, least: number, most: number): number {
  if (value >= least && value <= most) return value;
  throw unusable(what, `must be between ${least} and ${most}`);
}

function unusable(what: string, why: string, cause?: unknown): Failure {
  return new Failure('configuration', 'ODOO_CHANGES_SETTING', `The ${what} of this odoo-changes ${why}.`, {
    outcome: 'none',
    cause,
  });
}
