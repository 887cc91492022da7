/** From the node's configuration to what the endpoint needs. */
import { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { Store } from '../../kernel/store/index.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { keeperOf } from '../../evidence/index.ts';
import { integrationStore } from '../../idempotency/index.ts';
import type { NodeContext } from '../../node/index.ts';
import { RejectionAudit } from '../audit.ts';
import type { EndpointHost, EndpointOptions } from '../endpoint.ts';
import { corsPolicy } from '../ingress/cors.ts';
import { ReplayGuard } from '../replay.ts';
import { schemeForms } from '../schemes/catalog.ts';
import { within } from '../schemes/networks.ts';
import { schemeOf } from '../schemes/index.ts';
import type { KeyEntry, Scheme, SchemeHost } from '../schemes/scheme.ts';
import { keyEntries } from '../verification/configured-keys.ts';
import { watchKeys } from '../verification/key-watch.ts';
import { Health } from './health.ts';
import type { KeyConfig, WebhookVerifierConfig } from './webhook-verifier.def.ts';

type Context = NodeContext<WebhookVerifierConfig>;

const kibibyte = 1024;
const second = 1000;
const hour = 3_600_000;

/** Within what the dialog allows, whatever a hand-written flow says. */
export function bounded(value: number, least: number, most: number): number {
  const whole = Math.round(value);
  // Nothing is larger than what is no number, so that as a limit it would be none.
  return Number.isNaN(whole) ? least : Math.min(Math.max(whole, least), most);
}

export function secretOf(
  { credentials, RED, node }: Pick<Context, 'credentials' | 'RED' | 'node'>,
  key: KeyConfig,
): string {
  if (key.env !== undefined && key.env !== '') {
    const value = RED.util.evaluateNodeProperty(key.env, 'env', node, {});
    if (typeof value !== 'string' || value === '') {
      throw new Failure(
        'configuration',
        'KEY_NOT_SET',
        `The environment variable ${key.env} that holds the key "${key.id}" is not set. Set it and restart, or give the secret in the node.`,
      );
    }
    return value;
  }
  return credentials[`secret${key.slot}`] ?? '';
}

export function configuredKeys(context: Context): KeyEntry[] {
  return keyEntries(context.config.keys, (key) => secretOf(context, key));
}

export function healthOf({ config, status }: Context): Health {
  return new Health(status, config.url.trim() === '' ? '' : `${config.method.toUpperCase()} ${config.url.trim()}`);
}

export function endpointOptions(
  context: Context,
  scheme: Scheme,
  entries: readonly KeyEntry[],
  health: Health,
): EndpointOptions {
  const { config } = context;
  const store = storeOf(context);
  return {
    nodeId: context.id,
    flowId: context.flowId,
    route: config.url.trim(),
    limits: {
      bodySize: bounded(config.bodyLimit, 1, 64 * kibibyte) * kibibyte,
      bodyTime: bounded(config.bodyTimeout, 1, 300) * second,
      replyTime: bounded(config.replyTimeout, 1, 300) * second,
      headerCount: 100,
      headerSize: 16 * kibibyte,
    },
    contentTypes: config.contentTypes,
    cors: corsPolicy(config.corsOrigins),
    maxPending: bounded(config.maxPending, 1, 10_000),
    json: { depth: bounded(config.maxDepth, 1, 256), members: bounded(config.maxMembers, 1, 1_000_000) },
    publicUrl: config.publicUrl.trim(),
    answer: config.answer,
    failureLimit: bounded(config.failureLimit, 1, 100_000),
    scheme,
    verify: within(
      String(config.options.networks ?? ''),
      scheme.prepare(entries, config.options, schemeHost(context, health)),
    ),
    secretPlaces: scheme.secretPlaces?.(config.options) ?? {},
    replay: config.replay ? replayGuard(context, store) : undefined,
    keep: config.originals ? keeperOf({ RED: context.RED, store, node: context.id, log: context.log }) : undefined,
  };
}

function storeOf({ config, resolve }: Pick<Context, 'config' | 'resolve'>): Store | undefined {
  return config.store === '' ? undefined : resolve(integrationStore, config.store).store;
}

/**
 * Milliseconds: as configured, but at least twice the time for which a proof is good, since a clock may be off to both
 * sides. Beyond that time its age alone refuses it.
 */
export function replayTime({ scheme, options, replayHours }: WebhookVerifierConfig): number {
  const fields = schemeForms.find(({ id }) => id === scheme)?.fields ?? [];
  const good = fields
    .filter(({ name }) => ['tolerance', 'maxAge', 'clockTolerance'].includes(name))
    .reduce((seconds, { name, value }) => seconds + (Number(options[name] ?? value) || 0), 0);
  return Math.max(bounded(replayHours, 1, 24 * 90) * hour, 2 * good * second);
}

function replayGuard({ config, id }: Context, store: Store | undefined): ReplayGuard {
  if (store === undefined) {
    throw new Failure(
      'configuration',
      'NO_STORE',
      'Replay protection needs an integration store to remember requests in. Open the node and pick one.',
    );
  }
  return new ReplayGuard({
    store,
    endpoint: id,
    hold: bounded(config.replyTimeout, 1, 300) * second * 2,
    keep: replayTime(config),
  });
}

/** Tells of keys that end, in status and log. @returns a function that stops it */
export function watchEndingKeys(
  { config, log, name, id }: Context,
  health: Health,
  entries: readonly KeyEntry[],
): () => void {
  const url = config.url.trim();
  return watchKeys(entries, schemeOf(config.scheme).keyPerSender === true, {
    warn: ({ id, days }) => log.warn(days < 0 ? 'key has ended' : 'key ends', { key: id, days }),
    next(key) {
      if (key !== undefined) telemetry.gauge('webhook_key_days', { endpoint: name || url || id }, key.days);
      if (key === undefined) health.set('keys', undefined);
      else if (key.days < 0) health.set('keys', { kind: 'failed', text: `key ${key.id} has ended` });
      else health.set('keys', { kind: 'degraded', text: `key ${key.id} ends in ${key.days} d` });
    },
  });
}

export function schemeHost({ log }: Context, health: Health): SchemeHost {
  let failing = false;
  return {
    keySet(event) {
      if (event.kind === 'fetched') {
        if (failing) log.info('key set fetched', { keys: event.keys });
        failing = false;
        health.set('key-set', undefined);
        return;
      }
      failing = true;
      log.warn('key set not fetched', { problem: event.problem, usable: event.usable });
      const text = event.usable ? 'key set cannot be fetched: using the last one' : 'key set cannot be fetched';
      health.set('key-set', { kind: event.usable ? 'degraded' : 'down', text });
    },
  };
}

/**
 * An `http in` with "Do not parse body" on the same route makes Node-RED read every body whole, of any size and before
 * authentication, ahead of our limit. We still answer, but somebody has to know.
 */
export function warnOfRival({ config, RED, log }: Pick<Context, 'config' | 'RED' | 'log'>, health: Health): void {
  const plain = (path: unknown) => `/${String(path)}`.replace(/\/{2,}/g, '/').replace(/\/$/, '');
  let rival: string | undefined;
  RED.nodes.eachNode((other) => {
    const { type, id, skipBodyParsing, method, url } = other;
    if (type !== 'http in' || skipBodyParsing !== true || method !== config.method) return;
    if (plain(url) === plain(config.url.trim())) rival = id;
  });
  if (rival === undefined) {
    health.set('rival', undefined);
    return;
  }
  health.set('rival', { kind: 'degraded', text: 'an http in has the same route' });
  log.warn('raw http in on the same route', {
    rival,
    hint: 'Delete it or give it another path: it reads bodies of any size.',
  });
}

const printable = /^[\x21-\x7e]{1,256}$/;

export function endpointHost(context: Context, health: Health): EndpointHost {
  const { config, RED, id, log } = context;
  const store = storeOf(context);
  const route = `${config.method.toUpperCase()} ${config.url}`;
  let warned = 0;
  const lost = (count: number) => {
    if (Date.now() - warned < 60_000) return;
    warned = Date.now();
    log.warn('rejection not audited', { count });
  };
  const audit = store === undefined ? undefined : new RejectionAudit(store, id, route, lost);
  const name = (message: FlowMessage, value: string, type: string, fallback: string): string => {
    const found = type === 'msg' ? propertyOf(RED, message, value) : value;
    return typeof found === 'string' && printable.test(found) ? found : fallback;
  };
  return {
    emit: (message, output) => context.emit(message, output),
    audit(rejection) {
      log.info('rejected', { ...rejection });
      return audit?.record(rejection);
    },
    audited: async () => audit?.settled(),
    misconfigured() {
      health.set('body', { kind: 'down', text: 'body-consumed-upstream' });
      log.error('body-consumed-upstream', {
        hint: 'Something in front of this node (httpNodeMiddleware, or an Express application around Node-RED) parses the body. Mount Node-RED before it, or let it keep the raw bytes in req.rawBody.',
      });
    },
    names: (message) => ({
      source: name(message, config.source, config.sourceType, config.url || 'webhook-verifier'),
      type: name(message, config.eventType, config.eventTypeType, 'webhook.received'),
    }),
  };
}

function propertyOf(RED: Context['RED'], message: FlowMessage, expression: string): unknown {
  try {
    return RED.util.getMessageProperty(message, expression);
  } catch {
    return undefined;
  }
}
