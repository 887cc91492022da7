/**
 * Changes of configuration and credentials in the audit trail: which of our nodes were added, changed or removed, the
 * names of the settings that changed, whether credentials did, and who deployed. Never a value.
 *
 * What runs is compared with what the store last saw, so a change made while Node-RED was stopped is found at its next
 * start. Who deployed comes from Node-RED's own audit events; a start has nobody.
 */
import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { AuditEntry } from '../../kernel/audit/index.ts';
import { toFailure } from '../../kernel/failure.ts';
import { canonicalJson } from '../../kernel/json.ts';
import type { Store } from '../../kernel/store/store.ts';
import { logLine } from '../../kernel/telemetry/log.ts';
import { definedTypes, onFlowsStarted, type RuntimeApi } from '../../node/index.ts';
import { runningStores } from '../stores.ts';
import { type NodeState, readConfiguration, saveConfiguration } from './state.ts';

/** Names this Node-RED among several with one store; without it the user directory does. */
export const instanceVariable = 'HEALTHFLOWS_INSTANCE';

/** Where a node is drawn, and what Node-RED adds to a running one, is no configuration. */
const passedOver = new Set(['id', 'type', 'x', 'y', 'w', 'h', 'g', 'l', 'credentials', '_alias', '_flow', '_users']);

/** Acts that deploy a single flow, as Node-RED's audit events name them; `flows.set` deploys all. */
const ofOneFlow = new Set(['flow.add', 'flow.update', 'flow.remove']);

/** Milliseconds after the start in which Node-RED tells who deployed a single flow; of all flows it does so before. */
const patience = 300;

const scryptAsync = promisify(scrypt) as (secret: string, salt: Buffer, length: number) => Promise<Buffer>;

interface Found {
  id: string;
  type: string;
  name: string;
  settings: Record<string, string>;
  /** Canonical text of the credentials; empty without any. */
  secrets: string;
}

/** Our nodes as Node-RED has them now, disabled ones too. */
export function configuredNodes(RED: RuntimeApi, types: ReadonlySet<string>): Found[] {
  const found: Found[] = [];
  RED.nodes.eachNode((config) => {
    const { id, type } = config;
    if (!types.has(type)) return;
    const settings: Record<string, string> = {};
    for (const [name, value] of Object.entries(config)) {
      if (passedOver.has(name) || value === undefined) continue;
      settings[name] = createHash('sha256').update(canonicalJson(value)).digest('base64url').slice(0, 16);
    }
    const credentials = Object.entries(RED.nodes.getCredentials(id) ?? {}).filter(([, value]) => value !== '');
    const secrets = credentials.length === 0 ? '' : canonicalJson(Object.fromEntries(credentials));
    found.push({ id, type, name: typeof config.name === 'string' ? config.name : '', settings, secrets });
  });
  return found;
}

/** Slow on purpose: a dump of the store must not serve to try passwords. */
async function sealedSecrets(secrets: string, before: string): Promise<string> {
  if (secrets === '') return '';
  const [salt, hash] = before.split('.');
  if (salt !== undefined && hash !== undefined) {
    const known = Buffer.from(hash, 'base64url');
    const now = await scryptAsync(secrets, Buffer.from(salt, 'base64url'), known.length);
    if (timingSafeEqual(now, known)) return before;
  }
  const fresh = randomBytes(16);
  return `${fresh.toString('base64url')}.${(await scryptAsync(secrets, fresh, 32)).toString('base64url')}`;
}

const nameLimit = 100;
const called = ({ type, name, id }: Pick<NodeState, 'type' | 'name' | 'id'>): string =>
  `${type} ${name === '' ? id : name.slice(0, nameLimit)}`;

/** Compares what is with what was, and keeps it. */
export async function recordConfiguration(
  store: Store,
  instance: string,
  found: readonly Found[],
  who: { actor: string; whileStopped: boolean },
): Promise<void> {
  const before = new Map((await store.run(readConfiguration, { instance })).map((node) => [node.id, node]));
  const first = before.size === 0;
  const entries: AuditEntry[] = [];
  const nodes: NodeState[] = [];
  const tell = (
    verb: string,
    node: Pick<NodeState, 'type' | 'name' | 'id'>,
    detail: AuditEntry['detail'] = {},
  ): void => {
    entries.push({
      action: `configuration.${verb}`,
      outcome: 'success',
      actor: who.actor,
      subject: called(node),
      node: node.id,
      detail: { ...detail, ...(who.whileStopped ? { whileStopped: true } : {}) },
    });
  };
  for (const { secrets, ...node } of found) {
    const was = before.get(node.id);
    before.delete(node.id);
    const state: NodeState = { ...node, credentials: await sealedSecrets(secrets, was?.credentials ?? '') };
    if (was === undefined) {
      tell('added', node, { credentials: secrets !== '' });
      nodes.push(state);
      continue;
    }
    const names = [...new Set([...Object.keys(was.settings), ...Object.keys(node.settings)])]
      .filter((name) => was.settings[name] !== node.settings[name])
      .toSorted();
    const credentials = state.credentials !== was.credentials;
    if (names.length === 0 && !credentials && was.type === node.type) continue;
    tell('changed', node, { settings: names.join(', '), credentials });
    nodes.push(state);
  }
  const removed = [...before.values()];
  for (const node of removed) tell('removed', node);
  if (entries.length === 0) return;
  if (first) {
    // The first look at what may have been there for long.
    const entry = { action: 'configuration.first-seen', outcome: 'success', actor: who.actor } as const;
    entries.splice(0, entries.length, { ...entry, detail: { nodes: nodes.length } });
  }
  await store.run(saveConfiguration, { instance, nodes, removed: removed.map(({ id }) => id), entries });
}

/** Watches from now on, once a process. */
export function watchConfiguration(RED: RuntimeApi): void {
  const instance = process.env[instanceVariable] ?? RED.settings.userDir ?? '';
  let deployer: string | undefined;
  let deployerOfOne: string | undefined;
  let started = false;
  RED.log.addHandler?.({
    emit: (_event, { event, user, error }) => {
      if (event === undefined || error !== undefined) return;
      if (event === 'flows.set') deployer = user?.username ?? 'anonymous';
      else if (ofOneFlow.has(event)) deployerOfOne = user?.username ?? 'anonymous';
    },
  });
  let turn: Promise<void> = Promise.resolve();
  const look = async (
    deployed: string | undefined,
    store: Store | undefined,
    found: readonly Found[],
  ): Promise<void> => {
    const who = deployed ?? deployerOfOne;
    deployerOfOne = undefined;
    const whileStopped = !started && who === undefined;
    started = true;
    if (store === undefined) return;
    try {
      await recordConfiguration(store, instance, found, {
        actor: who ?? 'unknown',
        whileStopped,
      });
    } catch (error) {
      // The state kept is the one before, so the next look finds the change.
      RED.log.warn(logLine('configuration.not_recorded', { code: toFailure(error).code }));
    }
  };
  onFlowsStarted(() => {
    const deployed = deployer;
    deployer = undefined;
    // As they are now: the next deploy may come before Node-RED has told who made this one.
    const store = runningStores(RED)[0]?.store;
    const found = store === undefined ? [] : configuredNodes(RED, definedTypes());
    setTimeout(() => {
      turn = turn.then(() => look(deployed, store, found));
    }, patience).unref();
  });
}
