/** Key, scope and fingerprint of a message, as the gate's dialog says. */
import { Failure } from '../../kernel/failure.ts';
import { canonicalJson, isForbiddenKey } from '../../kernel/json.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { IdempotencyGateConfig } from '../idempotency-gate/idempotency-gate.def.ts';
import { fingerprintOf } from './fingerprint.ts';
import { keyFromHeader } from './header.ts';

/** What Node-RED does for us. */
export interface Evaluator {
  /** Value of a property of the message, e.g. `payload.order.id`. */
  property(message: FlowMessage, path: string): unknown;
  /** Compiles a JSONata expression; throws when it is not valid. */
  jsonata(expression: string): (message: FlowMessage) => Promise<unknown>;
}

export interface Inputs {
  key(message: FlowMessage): Promise<string>;
  scope(message: FlowMessage): string;
  fingerprint(message: FlowMessage): string;
}

/**
 * @param fallbackScope when the dialog names none
 * @throws Failure `configuration` when the dialog's values make no sense
 */
export function inputsOf(config: IdempotencyGateConfig, fallbackScope: string, evaluator: Evaluator): Inputs {
  return {
    key: keyReader(config, evaluator),
    scope: scopeReader(config, fallbackScope, evaluator),
    fingerprint: fingerprintReader(config, evaluator),
  };
}

function keyReader(config: IdempotencyGateConfig, evaluator: Evaluator): Inputs['key'] {
  switch (config.keySource) {
    case 'header': {
      const name = required(config.keyHeader, 'a header').trim();
      return async (message) => {
        const request = message.req as { headers?: Record<string, unknown> } | undefined;
        return keyFromHeader(request?.headers?.[name.toLowerCase()], name);
      };
    }
    case 'event':
      // An event's id is unique together with its source (CloudEvents 1.0 section 3.1.1), which holds no space.
      return async ({ event }) => `${text(event?.source, 'msg.event.source')} ${text(event?.id, 'msg.event.id')}`;
    case 'msg': {
      const path = checkedPath(config.keyProperty);
      return async (message) => text(evaluator.property(message, path), `msg.${path}`);
    }
    case 'jsonata': {
      const evaluate = evaluator.jsonata(required(config.keyExpression, 'an expression'));
      return async (message) => text(await evaluate(message), 'the result of the expression');
    }
    case 'hash': {
      const paths = pathsOf(config.keyFields);
      return async (message) =>
        fingerprintOf(paths.map((path) => [path, present(evaluator.property(message, path), `msg.${path}`)]));
    }
    default:
      throw misconfigured(`does not know the key source "${String(config.keySource)}"`);
  }
}

function scopeReader(config: IdempotencyGateConfig, fallback: string, evaluator: Evaluator): Inputs['scope'] {
  const scope = config.scope.trim();
  if (scope === '') return () => fallback;
  if (config.scopeType === 'str') return () => scope;
  const path = checkedPath(scope);
  return (message) => text(evaluator.property(message, path), `msg.${path}`);
}

function fingerprintReader(config: IdempotencyGateConfig, evaluator: Evaluator): Inputs['fingerprint'] {
  switch (config.fingerprint) {
    case 'payload':
      return ({ payload }) => fingerprintOf(payload);
    case 'fields': {
      const paths = pathsOf(config.fingerprintFields);
      return (message) => fingerprintOf(paths.map((path) => [path, evaluator.property(message, path)]));
    }
    case 'none':
      return () => '';
    default:
      throw misconfigured(`does not know the fingerprint "${String(config.fingerprint)}"`);
  }
}

function pathsOf(fields: string): string[] {
  const paths = fields
    .split(/[\n,]/)
    .map((field) => field.trim())
    .filter((field) => field !== '')
    .map(checkedPath);
  if (paths.length === 0) throw misconfigured('has no fields named');
  return paths;
}

function checkedPath(path: string): string {
  const trimmed = required(path, 'a property')
    .trim()
    .replace(/^msg\./, '');
  if (trimmed.split(/[.[\]'"]+/).some(isForbiddenKey)) {
    throw misconfigured('names a property that is not allowed');
  }
  return trimmed;
}

function required(value: string, what: string): string {
  if (value.trim() === '') throw misconfigured(`needs ${what} to take the key from`);
  return value;
}

function misconfigured(problem: string): Failure {
  return new Failure('configuration', 'IDEMPOTENCY_GATE', `The idempotency-gate ${problem}. Open it and correct it.`);
}

function present(value: unknown, where: string): unknown {
  if (value === undefined || value === null || value === '') {
    throw new Failure(
      'data-quality',
      'IDEMPOTENCY_KEY_MISSING',
      `The message has no idempotency key: ${where} is empty.`,
    );
  }
  return value;
}

/** A key or scope out of a message: text or a whole number; an object is taken as what it says. */
function text(value: unknown, where: string): string {
  const found = present(value, where);
  if (typeof found === 'string') return found;
  if (typeof found === 'object' || Number.isSafeInteger(found)) return canonicalJson(found);
  throw new Failure(
    'data-quality',
    'IDEMPOTENCY_KEY_INVALID',
    `The idempotency key in ${where} is neither text nor a whole number.`,
  );
}
