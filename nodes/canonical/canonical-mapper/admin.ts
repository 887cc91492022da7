/** What the dialog asks of the running instance: mappings, entities, transforms, and a preview of a sample. */
import { join } from 'node:path';
import { Failure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import { type AdminRequest, type AdminRoutes, onFlowsStopping, type RuntimeApi } from '../../node/index.ts';
import { checkDraft } from '../mapping/check.ts';
import { mappingFromCsv, mappingToCsv } from '../mapping/csv.ts';
import type { Mapping } from '../mapping/mapping.ts';
import { suggest } from '../mapping/suggest.ts';
import { transforms } from '../mapping/transforms.ts';
import { MappingLibrary } from '../mappings/library.ts';
import { entityNamed, fieldsOf } from '../model/fields.ts';
import { previewed, requiredTargets, sourceOf } from '../preview.ts';
import { entities } from '../schemas/index.ts';

const configure = 'healthflows.configure';
const sampleLimit = 2 * 1024 * 1024;

const libraries = new WeakMap<RuntimeApi['settings'], MappingLibrary>();

/** The mappings of this runtime; read again after every deploy, so that a changed file takes effect with one. */
export function libraryOf(RED: RuntimeApi): MappingLibrary {
  let library = libraries.get(RED.settings);
  if (library === undefined) {
    library = freshLibrary(RED);
    libraries.set(RED.settings, library);
    const forget = onFlowsStopping(() => {
      libraries.delete(RED.settings);
      forget();
    });
  }
  return library;
}

function freshLibrary(RED: RuntimeApi): MappingLibrary {
  const { userDir } = RED.settings;
  return new MappingLibrary(userDir === undefined ? undefined : join(userDir, 'healthflows', 'mappings'));
}

interface PreviewRequest {
  /** Id of a mapping of the library. */
  id?: string;
  /** A mapping as JSON text, in place of the id. */
  mapping?: string;
  sample?: string;
}

function bodyOf(request: AdminRequest): PreviewRequest & { csv?: string } {
  const body = request.body;
  if (typeof body !== 'object' || body === null) {
    throw new Failure('data-quality', 'BAD_REQUEST', 'The request has no JSON body.');
  }
  const texts = Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  if (texts.some(([, text]) => text.length > sampleLimit)) {
    throw new Failure(
      'data-quality',
      'SAMPLE_TOO_LARGE',
      `The sample or mapping is larger than ${sampleLimit} characters.`,
    );
  }
  return Object.fromEntries(texts);
}

const mappingOf = (text: string): unknown => parseJson(text, { members: 100_000 });

/** Admin endpoints under `healthflows/canonical-mapper/`, all for people who may edit flows. */
export function admin({ get, post, RED }: AdminRoutes): void {
  get('mappings', configure, (_request, response) => {
    const library = freshLibrary(RED);
    response.json({
      mappings: library.list(),
      problems: library.problems(),
      tables: [...library.tables().keys()].sort(),
    });
  });

  get('mappings/:id', configure, (request, response) => {
    response.json(freshLibrary(RED).source(request.params.id!));
  });

  get('model', configure, (_request, response) => {
    response.json({
      entities: entities.map(({ name, title, version }) => ({ name, title, version })),
      transforms: Object.entries(transforms).map(([name, t]) => ({
        name,
        takes: t.takes,
        gives: t.gives,
        description: t.description,
        arguments: t.arguments ?? {},
        invertible: t.inverse !== undefined,
      })),
    });
  });

  get('entities/:name', configure, (request, response) => {
    const entity = entityNamed(request.params.name!);
    if (entity === undefined)
      throw new Failure('data-quality', 'UNKNOWN_ENTITY', 'The canonical model has no such entity.');
    response.json({ name: entity.name, title: entity.title, version: entity.version, fields: fieldsOf(entity) });
  });

  post('preview', configure, async (request, response) => {
    const { id = '', mapping, sample = '' } = bodyOf(request);
    const library = freshLibrary(RED);
    const file = mapping === undefined ? library.source(id) : mappingOf(mapping);
    const { problems, compiled } = checkDraft(file, library.tables());
    const draft = file as Mapping | null;
    const uncovered = Array.isArray(draft?.rows) ? safeRequired(draft) : [];
    const answer = { problems, uncovered };
    if (sample.trim() === '') response.json(answer);
    else if (compiled !== undefined) response.json({ ...answer, preview: await previewed(compiled, sample) });
    else response.json({ ...answer, source: sourceOf(draft?.source, sample) });
  });

  post('suggest', configure, (request, response) => {
    const { mapping = '{}', sample = '' } = bodyOf(request);
    response.json({ suggestions: suggest(mappingOf(mapping) as Mapping, sample) });
  });

  post('csv', configure, (request, response) => {
    const { mapping, csv } = bodyOf(request);
    const file = mappingOf(mapping ?? '{}') as Mapping;
    if (csv === undefined) response.json({ csv: mappingToCsv(file) });
    else response.json({ rows: mappingFromCsv(csv) });
  });
}

/** An unfinished mapping may not be readable as one; then nothing is said about coverage. */
function safeRequired(mapping: Mapping): { path: string; description: string }[] {
  try {
    return requiredTargets(mapping);
  } catch {
    return [];
  }
}
