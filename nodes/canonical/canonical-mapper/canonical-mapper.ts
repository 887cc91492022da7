import { toFailure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { defineNode } from '../../node/index.ts';
import { createMapper, type MapperTask } from '../mapper.ts';
import type { MappingLibrary } from '../mappings/library.ts';
import { type Sensitivity, sensitivities } from '../schemas/index.ts';
import { admin, libraryOf } from './admin.ts';
import { type CanonicalMapperConfig, canonicalMapperDefinition } from './canonical-mapper.def.ts';

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
  ({ RED, id, config, credentials, status }) => {
    const task = taskOf(config, libraryOf(RED), credentials.hashKey);
    const map = createMapper(task, id);
    status('idle', 'mapping' in task ? `v${task.mapping.mapping.version}` : config.entity);
    let mapped = 0;
    return {
      input(message, { send }) {
        const passed = (): void => {
          status('working', String(++mapped));
          send(message);
        };
        const refused = (error: unknown): never => {
          const { code } = toFailure(error);
          telemetry.count('mapper_rejected_total', { code });
          status('degraded', code.slice(0, 20).toLowerCase());
          throw error;
        };
        let mapping: void | Promise<void>;
        try {
          mapping = map(message);
        } catch (error) {
          return refused(error);
        }
        if (mapping === undefined) return passed();
        return mapping.then(passed, refused);
      },
    };
  },
  { admin },
);
