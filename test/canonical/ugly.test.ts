/**
 * The sample library in the forms in which partners send: every line end and segment terminator, byte order marks,
 * other character sets, prefixes, separators and quotes. Each form is the same document, so it maps to the same entity.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { read } from '../../nodes/canonical/mapper.ts';
import type { DocumentFormat } from '../../nodes/canonical/mapping/mapping.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';

process.env.HEALTHFLOWS_PSEUDONYM_KEY = 'k'.repeat(40);

const library = new MappingLibrary();
const mark = '\uFEFF';

type Form = [name: string, make: (text: string) => string | Uint8Array];

/** The X12 separators that the samples have, changed for others in elements and segments alike. */
const x12With = (separator: string, component: string, terminator: string) => (text: string) => {
  const [, element, sub, end] = [text[0], text[3]!, text[104]!, text[105]!];
  return text
    .split(end)
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => line.replaceAll(element, '\u0001').replaceAll(sub, '\u0002'))
    .map((line) => line.replaceAll('\u0001', separator).replaceAll('\u0002', component) + terminator)
    .join('');
};

const lines = (end: string) => (text: string) => text.split(/\r\n|\r|\n/).join(end);

const forms: Partial<Record<DocumentFormat, Form[]>> = {
  x12: [
    ['each segment on a line', x12With('*', '>', '~\n')],
    ['Windows line ends', x12With('*', '>', '~\r\n')],
    ['all on one line', x12With('*', '>', '~')],
    ['a line end as terminator', x12With('*', ':', '\n')],
    ['a carriage return and a line end', x12With('*', ':', '\r\n')],
    ['a NEL as terminator', x12With('|', '>', '\u0085')],
    ['a file separator as terminator', x12With('+', '>', '\u001C')],
    ['a byte order mark and empty lines around', (text) => `${mark}\n\n${x12With('*', '>', '~\n')(text)}\n\n`],
    ['bytes', (text) => Buffer.from(text, 'utf8')],
  ],
  hl7v2: [
    ['carriage returns', lines('\r')],
    ['line ends', lines('\n')],
    ['Windows line ends', lines('\r\n')],
    ['an MLLP frame', (text) => `\u000B${lines('\r')(text)}\r\u001C\r`],
    ['a byte order mark', (text) => mark + text],
    ['a last line end more', (text) => `${lines('\r')(text)}\r\r`],
    ['bytes', (text) => Buffer.from(text, 'utf8')],
  ],
  xml: [
    ['Windows line ends', lines('\r\n')],
    ['a byte order mark', (text) => mark + text],
    ['UTF-8 bytes with a byte order mark', (text) => Buffer.from(mark + text, 'utf8')],
    ['a comment and an instruction', (text) => text.replace(/(<[A-Z][A-Za-z]* )/, '<!-- a comment --><?hint x?>$1')],
    [
      'other prefixes',
      (text) => text.replaceAll(/(<\/?|xmlns:)cbc\b/g, '$1b').replaceAll(/(<\/?|xmlns:)cac\b/g, '$1a'),
    ],
    ['space between elements', (text) => text.replaceAll('><', '>\n\t  <')],
    ['text in CDATA', (text) => text.replaceAll(/>([A-Z]{3})</g, '><![CDATA[$1]]><')],
    [
      'Latin-1 bytes',
      (text) =>
        Buffer.from(`<?xml version="1.0" encoding="ISO-8859-1"?>${text.replace(/^<\?xml.*?\?>\s*/, '')}`, 'latin1'),
    ],
  ],
  fhir: [
    ['a byte order mark', (text) => mark + text],
    ['bytes', (text) => Buffer.from(text, 'utf8')],
    ['Windows line ends around', (text) => `\r\n${text.replaceAll(/([{,])(?=")/g, '$1\r\n')}\r\n`],
    ['escapes', (text) => text.replaceAll('/', '\\/')],
  ],
};

const cases = library.list().flatMap(({ id, source }) => {
  const { sample } = library.source(id);
  if (!('format' in source) || typeof sample !== 'string') return [];
  return (forms[source.format] ?? []).map(([name, make]) => ({ id, format: source.format, name, sample, make }));
});

describe('a document in the form in which a partner sends it', () => {
  test('is one of at least sixty, in each text format', () => {
    assert.ok(cases.length >= 60, `${cases.length} documents`);
    assert.deepEqual([...new Set(cases.map(({ format }) => format))].sort(), ['fhir', 'hl7v2', 'x12', 'xml']);
  });

  for (const { id, name, sample, make } of cases) {
    test(`${id} with ${name}`, () => {
      const mapping = library.get(id);
      const of = (document: string | Uint8Array) => mapping.run(read(mapping.mapping.source, document));
      const { value, violations } = of(sample);
      assert.deepEqual(violations, []);
      assert.deepEqual(of(make(sample)), { value, violations, count: 0 });
    });
  }
});

/** Leaves by path with positions. */
function leavesOf(tree: unknown): Map<string, unknown> {
  const found = new Map<string, unknown>();
  const visit = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) found.set(path, value);
    else
      for (const [key, inner] of Object.entries(value)) {
        const type = /identifiers$/.test(path) ? (inner as { type?: string }).type : undefined;
        visit(inner, `${path}/${type ?? key}`);
      }
  };
  visit(tree, '');
  return found;
}

test('no IEEE float is on any path: what the shipped mappings make holds whole numbers and texts only', () => {
  for (const { id } of library.list()) {
    const { mapping, run, expressions } = library.get(id);
    if (mapping.sample === undefined || expressions.length > 0) continue;
    for (const [path, value] of leavesOf(run(read(mapping.source, mapping.sample)).value))
      assert.ok(typeof value !== 'number' || Number.isSafeInteger(value), `${id} ${path}: ${value}`);
  }
});
