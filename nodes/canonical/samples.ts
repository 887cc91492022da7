/** Documents to begin with, where an analyst has none: one of each mapping, and the package's library of samples. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../kernel/failure.ts';
import { readableDocument } from './formats/index.ts';
import type { DocumentFormat, Side } from './mapping/mapping.ts';
import type { MappingLibrary } from './mappings/library.ts';

export interface Sample {
  id: string;
  /** What reads it: a format, or an entity of the canonical model. */
  side: { format: DocumentFormat } | { entity: string };
  origin: 'mapping' | 'library';
  title: string;
}

/** The build puts the documents here that the tests read, write and read again; from the sources there are none. */
const folder = join(import.meta.dirname, 'samples');

const formatOf: Readonly<Record<string, DocumentFormat>> = {
  csv: 'csv',
  fhir: 'fhir',
  hl7v2: 'hl7v2',
  json: 'json',
  ubl: 'xml',
  x12: 'x12',
};

const sideOf = (side: Side): Sample['side'] => ('entity' in side ? { entity: side.entity } : { format: side.format });

export function listSamples(library: MappingLibrary): Sample[] {
  const own = library
    .list()
    .flatMap(({ id, title, source, problems }): Sample[] =>
      problems.some(({ severity }) => severity === 'error') || library.source(id).sample === undefined
        ? []
        : [{ id: `mapping:${id}`, side: sideOf(source), origin: 'mapping', title }],
    );
  return [...own, ...shipped()];
}

/** Each document with what its folder's README says of it. */
function shipped(): Sample[] {
  return Object.entries(formatOf).flatMap(([name, format]) => {
    let readme: string;
    try {
      readme = readFileSync(join(folder, name, 'README.md'), 'utf8');
    } catch {
      return [];
    }
    return [...readme.matchAll(/^\| `([\w.-]+)` \| (.+) \|$/gm)].map(
      ([, file = '', shows = '']): Sample => ({
        id: `${name}:${file}`,
        side: { format },
        origin: 'library',
        title: `${file}: ${shows.replaceAll('`', '')}`,
      }),
    );
  });
}

/** A sample as text. @throws Failure `data-quality` `SAMPLE_UNKNOWN` */
export function sampleText(library: MappingLibrary, id: string): string {
  // Only what is listed is read, whatever a request names.
  const found = listSamples(library).find((each) => each.id === id);
  if (found === undefined) throw new Failure('data-quality', 'SAMPLE_UNKNOWN', 'The package has no such sample.');
  const [place, name] = [id.slice(0, id.indexOf(':')), id.slice(id.indexOf(':') + 1)];
  if (found.origin === 'mapping') {
    const { sample } = library.source(name);
    return typeof sample === 'string' ? sample : JSON.stringify(sample, null, 2);
  }
  return readableDocument(formatOf[place]!, readFileSync(join(folder, place, name)));
}
