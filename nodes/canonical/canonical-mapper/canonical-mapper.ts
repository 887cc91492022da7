import { toFailure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { type Keeper, keeperOf } from '../../evidence/index.ts';
import { integrationStore } from '../../idempotency/index.ts';
import { uuidv7 } from '../../kernel/id.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { defineNode, type NodeContext } from '../../node/index.ts';
import { createMapper, type MapperTask, type Numbering } from '../mapper.ts';
import type { MappingLibrary } from '../mappings/library.ts';
import { takeControlNumber } from '../numbering.ts';
import { isInstant } from '../model/formats.ts';
import { forgetRecent, type RecentDocuments, recentOf } from '../recent.ts';
import { type Sensitivity, sensitivities } from '../schemas/index.ts';
import { admin, libraryOf } from './admin.ts';
import { type CanonicalMapperConfig, canonicalMapperDefinition } from './canonical-mapper.def.ts';

type Resolve = NodeContext<CanonicalMapperConfig>['resolve'];

function taskOf(config: CanonicalMapperConfig, library: MappingLibrary, hashKey: string | undefined): MapperTask {
  const { mode, entity } = config;
  if (mode === 'validate') return { mode, entity, reading: config.reading };
  if (mode === 'project') {
    const allow = [...config.allow].filter((c): c is Sensitivity => (sensitivities as readonly string[]).includes(c));
    return {
      mode,
      entity,
      projection: { allow, mode: config.hide, ...(hashKey === undefined ? {} : { key: hashKey }) },
    };
  }
  const mapping = config.edited.trim() === '' ? library.get(config.mapping) : library.compile(parseJson(config.edited));
  return { mode, mapping };
}

export default defineNode(
  canonicalMapperDefinition,
  (context) => {
    const { RED, id, config, credentials, status, resolve } = context;
    const task = taskOf(config, libraryOf(RED), credentials.hashKey);
    const map = createMapper(task, id, numberingOf(config, resolve));
    status('idle', 'mapping' in task ? `v${task.mapping.mapping.version}` : config.entity);
    const recent = recentOf(RED, id);
    recent.limit('mapping' in task ? config.keep : 0);
    const original = task.mode === 'to-canonical' && config.originals ? originalKeeper(context) : undefined;
    let mapped = 0;
    return {
      input(message, { send }) {
        const keep = recent.keeps ? keeper(message, recent) : undefined;
        const passed = (): void => {
          keep?.('mapped');
          status('working', String(++mapped));
          send(message);
        };
        const refused = (error: unknown): never => {
          const { code } = toFailure(error);
          keep?.(code);
          telemetry.count('mapper_rejected_total', { code });
          status('degraded', code.slice(0, 20).toLowerCase());
          throw error;
        };
        const work = (): void | Promise<void> => {
          let mapping: void | Promise<void>;
          try {
            mapping = map(message);
          } catch (error) {
            return refused(error);
          }
          if (mapping === undefined) return passed();
          return mapping.then(passed, refused);
        };
        // Before it is mapped: what is refused is evidence, too.
        const durable = original?.(message);
        return durable === undefined ? work() : durable.then(work);
      },
      close(removed) {
        if (removed) forgetRecent(RED, id);
      },
    };
  },
  { admin },
);

/** Notes the document as it comes; what became of it is told later. */
function keeper(message: FlowMessage, recent: RecentDocuments): ((outcome: string) => void) | undefined {
  const document = recent.copyOf(message.payload);
  if (document === undefined) return undefined;
  const { id: event, time } = message.event ?? {};
  const at = new Date().toISOString();
  return (outcome) =>
    recent.add({
      at,
      outcome,
      document,
      ...(typeof event === 'string' ? { event } : {}),
      ...(typeof time === 'string' && isInstant(time) ? { asOf: time.slice(0, 10) } : {}),
    });
}

/** Keeps the document as it comes; undefined for a tree, whose bytes are not known here. */
function originalKeeper({
  RED,
  id,
  config,
  log,
  resolve,
}: NodeContext<CanonicalMapperConfig>): (message: FlowMessage) => Promise<void> | undefined {
  const store = config.store === '' ? undefined : resolve(integrationStore, config.store).store;
  const keep: Keeper = keeperOf({ RED, store, node: id, log });
  return (message) => {
    const { payload } = message;
    if (typeof payload !== 'string' && !(payload instanceof Uint8Array)) return undefined;
    // The id under which the journal will know it.
    message._msgid ??= uuidv7();
    return keep(message, payload);
  };
}

function numberingOf(config: CanonicalMapperConfig, resolve: Resolve): Numbering | undefined {
  if (config.store === '') return undefined;
  const { store } = resolve(integrationStore, config.store);
  return (series, document) => store.run(takeControlNumber, { series, document });
}
