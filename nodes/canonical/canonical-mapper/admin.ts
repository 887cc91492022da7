/** What the dialog asks of the running instance: mappings, entities, transforms, and a preview of a sample. */
import { join } from 'node:path';
import { Failure, toFailure } from '../../kernel/failure.ts';
import { parseJson } from '../../kernel/json.ts';
import { type IntegrationStoreService, integrationStore } from '../../idempotency/index.ts';
import {
  actorOf,
  type AdminRequest,
  type AdminRoutes,
  holds,
  onFlowsStopping,
  requirePerson,
  type RuntimeApi,
  serviceOf,
} from '../../node/index.ts';
import { dryRun, resultOf, type TrialDocument } from '../dry-run.ts';
import { readableDocument } from '../formats/index.ts';
import { checkDraft, checkMapping } from '../mapping/check.ts';
import { differenceOf, valuesBetween } from '../mapping/difference.ts';
import { mappingFromCsv, mappingToCsv } from '../mapping/csv.ts';
import type { Mapping } from '../mapping/mapping.ts';
import { reverseMapping } from '../mapping/reverse.ts';
import { suggest } from '../mapping/suggest.ts';
import { transforms } from '../mapping/transforms.ts';
import { MappingLibrary } from '../mappings/library.ts';
import { entityNamed, fieldsOf } from '../model/fields.ts';
import { previewed, requiredTargets, sourceOf, unreadFields } from '../preview.ts';
import { recordOpening, recordTrial } from '../opening.ts';
import { documentLimit, recentOf } from '../recent.ts';
import { schemaFields } from '../schema-source.ts';
import { entities } from '../schemas/index.ts';
import { type DocumentSource, documentSources } from '../stored.ts';
import { listSamples, sampleText } from '../samples.ts';

const configure = 'healthflows.configure';
const reveal = 'healthflows.reveal';
/** Documents of one dry run. */
const trialLimit = 50;
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
  /** Id of the mapper in the flow. */
  node?: string;
  /** One of the documents of a dry run, where it is from, its event, and why a person opens it. */
  key?: string;
  origin?: string;
  event?: string;
  reason?: string;
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

  get('samples', configure, (_request, response) => {
    response.json({ samples: listSamples(freshLibrary(RED)) });
  });

  get('samples/:id', configure, (request, response) => {
    response.json({ sample: sampleText(freshLibrary(RED), request.params.id!) });
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
    const fields = sample.trim() === '' ? undefined : schemaFields(draft?.source, sample);
    if (sample.trim() === '') response.json(answer);
    else if (fields !== undefined) response.json({ ...answer, source: fields, unmapped: unreadFields(draft, fields) });
    else if (compiled === undefined) response.json({ ...answer, source: sourceOf(draft?.source, sample) });
    else
      response.json(
        await previewed(compiled, sample).then(
          (preview) => ({ ...answer, preview }),
          (error: unknown) => {
            // Something that this Node-RED lacks (the key of pseudonyms): told beside the rows, which can still be edited.
            if (!(error instanceof Failure && error.class === 'configuration')) throw error;
            const lacks = { message: error.message, severity: 'warning' as const };
            return { ...answer, problems: [...problems, lacks], source: sourceOf(draft?.source, sample) };
          },
        ),
      );
  });

  post('difference', configure, async (request, response) => {
    const { node = '', mapping = '', sample = '' } = bodyOf(request);
    const draft = mappingOf(mapping) as Mapping;
    const deployed = deployedMapping(RED, node);
    if (deployed === undefined) {
      response.json({ deployed: null });
      return;
    }
    const { id, version } = deployed;
    response.json({
      deployed: { id, version },
      ...differenceOf(deployed, draft),
      values: await valuesOf(freshLibrary(RED), deployed, draft, sample),
    });
  });

  post('dry-run', configure, async (request, response) => {
    const { node = '', mapping = '' } = bodyOf(request);
    const library = freshLibrary(RED);
    // One that is not finished runs on nothing; what came is there to be opened as its sample.
    const file = mappingOf(mapping);
    const { compiled: draft } = checkMapping(file, library.tables());
    const before = deployedMapping(RED, node);
    const values = holds(request, reveal, RED);
    const mayOpen = values && isPerson(request, RED);
    const kept: TrialDocument[] = recentOf(RED, node)
      .list()
      .map((each) => ({ ...each, origin: 'node' }));
    const sources = documentSources();
    const open = mayOpen ? sources.filter((source) => source.readable(RED, request)) : [];
    const stored = await storedDocuments(RED, request, open, { node, mapping: nameOf(file), kept });
    const documents = [...kept, ...stored.documents].toSorted((a, b) => b.at.localeCompare(a.at)).slice(0, trialLimit);
    const deployed = before === undefined ? undefined : library.compile(before);
    response.json({
      kept: documents.length,
      // Told, so that nobody takes it for all there is.
      locked: !mayOpen || open.length < sources.length,
      away: stored.away,
      values,
      runs: await dryRun(draft, deployed, documents, values),
    });
  });

  post('open', reveal, async (request, response) => {
    requirePerson(request, RED);
    const { node = '', key = '', origin = 'node', event = '', reason: given = '' } = bodyOf(request);
    const reason = given.trim().slice(0, 500);
    if (reason.length < 3) {
      throw new Failure('data-quality', 'REASON_NEEDED', 'Opening a document is recorded with its reason: say why.');
    }
    const source = documentSources().find(({ kind }) => kind === origin);
    const document =
      source === undefined
        ? await openKept(RED, { node, key, actor: actorOf(request), reason })
        : await source.open(RED, { key, event, request, reason });
    if (document === undefined)
      throw new Failure('data-quality', 'DOCUMENT_UNKNOWN', 'This document is not kept any more.');
    response.json({ sample: typeof document === 'string' ? document : textOf(document) });
  });

  post('reverse', configure, (request, response) => {
    const { mapping = '' } = bodyOf(request);
    const library = freshLibrary(RED);
    const file = mappingOf(mapping) as Mapping;
    const { compiled, problems } = checkDraft(file, library.tables());
    const wrong = problems.find(({ severity, row }) => severity === 'error' && row !== undefined);
    if (compiled === undefined || wrong !== undefined) {
      const { row, message = '' } = wrong ?? problems[0] ?? {};
      throw new Failure(
        'data-quality',
        'MAPPING_UNFINISHED',
        `There is no way back yet: ${row === undefined ? '' : `row ${row}: `}${message}.`,
      );
    }
    response.json(reverseMapping(file, library.tables()));
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

/** Bytes as text for a person: by byte order mark or XML declaration, else UTF-8, else one character a byte. */
function textOf(bytes: Uint8Array): string {
  try {
    return readableDocument('xml', bytes);
  } catch {
    return Buffer.from(bytes).toString('latin1');
  }
}

/** Of a mapping that may be none yet. */
const nameOf = (file: unknown): string => String((file as Partial<Mapping> | null)?.id ?? '').slice(0, 200);

/** Opens one that the node keeps in memory. */
async function openKept(
  RED: RuntimeApi,
  { node, key, actor, reason }: { node: string; key: string; actor: string; reason: string },
): Promise<string | Uint8Array | undefined> {
  const found = recentOf(RED, node)
    .list()
    .find((each) => each.key === key);
  if (found === undefined) return undefined;
  const { event, document } = found;
  await auditStore(RED).run(recordOpening, { actor, reason, node, ...(event === undefined ? {} : { event }) });
  return document;
}

function isPerson(request: AdminRequest, RED: RuntimeApi): boolean {
  try {
    requirePerson(request, RED);
    return true;
  } catch {
    return false;
  }
}

/**
 * What the store holds beside what the node keeps, each message once; the reading is in the audit trail. `away` names
 * what cannot be read now: the rest is tried without it.
 */
async function storedDocuments(
  RED: RuntimeApi,
  request: AdminRequest,
  sources: readonly DocumentSource[],
  { node, mapping, kept }: { node: string; mapping: string; kept: readonly TrialDocument[] },
): Promise<{ documents: TrialDocument[]; away: DocumentSource['kind'][] }> {
  const documents: TrialDocument[] = [];
  const store = storeIn(RED);
  // Without a store there is nothing to read, and nowhere to say so.
  if (sources.length === 0 || store === undefined) return { documents, away: [] };
  if (!(await reached(store.run(recordTrial, { actor: actorOf(request), node, mapping }))))
    return { documents, away: sources.map(({ kind }) => kind) };
  const away: DocumentSource['kind'][] = [];
  const known = new Set(kept.map(({ event }) => event));
  for (const source of sources) {
    const latest = await reached(source.latest(RED, { node, request, limit: trialLimit, size: documentLimit }));
    if (latest === undefined) away.push(source.kind);
    for (const each of latest ?? []) {
      if (known.has(each.event)) continue;
      known.add(each.event);
      documents.push({ ...each, origin: source.kind, asOf: each.at.slice(0, 10) });
    }
  }
  return { documents, away };
}

/** Undefined where the store does not answer. */
async function reached<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (toFailure(error).class === 'defect') throw error;
    return undefined;
  }
}

/** What the node runs now; undefined where it is not deployed, or its mapping is not there. */
function deployedMapping(RED: RuntimeApi, node: string): Mapping | undefined {
  let config: Record<string, unknown> | undefined;
  RED.nodes.eachNode((each) => {
    if (each.id === node && each.type === 'canonical-mapper') config = each;
  });
  if (config === undefined) return undefined;
  try {
    const edited = typeof config.edited === 'string' ? config.edited.trim() : '';
    return edited === ''
      ? (libraryOf(RED).source(String(config.mapping ?? '')) as Mapping)
      : (mappingOf(edited) as Mapping);
  } catch {
    return undefined;
  }
}

/** Where the two make something else of the sample; undefined without one. */
async function valuesOf(library: MappingLibrary, before: Mapping, after: Mapping, sample: string) {
  if (sample.trim() === '' || schemaFields(after.source, sample) !== undefined) return undefined;
  const [was, is] = await Promise.all(
    [before, after].map((file) => resultOf(library.compile(file), sample, undefined)),
  );
  return valuesBetween(was!.value, is!.value);
}

function storeIn(RED: RuntimeApi): IntegrationStoreService['store'] | undefined {
  let found: IntegrationStoreService | undefined;
  RED.nodes.eachNode(({ id, type }) => {
    if (type === integrationStore.type) found ??= serviceOf<IntegrationStoreService>(RED, integrationStore, id);
  });
  return found?.store;
}

/** Any store of this runtime: its audit trail is where people look. */
function auditStore(RED: RuntimeApi): IntegrationStoreService['store'] {
  const store = storeIn(RED);
  if (store !== undefined) return store;
  throw new Failure(
    'configuration',
    'NO_STORE',
    'Opening a document is recorded in the audit trail, which needs an integration store. Add one to a flow and deploy.',
  );
}
