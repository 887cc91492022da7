/**
 * Reads the hostile documents of one format, in a process of its own with little memory: `hostile-reader.ts <format>`.
 * A line for each says how it ended; a process that dies says by its last line which document it was.
 */
import { byteLimit, readDocument } from '../../nodes/canonical/formats/index.ts';
import type { DocumentFormat } from '../../nodes/canonical/mapping/mapping.ts';
import { Failure } from '../../nodes/kernel/failure.ts';

/** What, how it must end (a failure's code, or `read`), and the document. */
type Case = [name: string, end: string, document: () => string | Uint8Array];

const most = byteLimit - 4_000;
/** A document as large as is read. */
const full = (part: string, before = '', after = ''): string =>
  before + part.repeat(Math.floor(most / part.length)) + after;
const tooLarge = (): Case => ['100 MB', 'DOCUMENT_TOO_LARGE', () => 'a'.repeat(100 * 1024 * 1024)];
const tooLargeBytes = (): Case => [
  '100 MB of bytes',
  'DOCUMENT_TOO_LARGE',
  () => Buffer.alloc(100 * 1024 * 1024, 0x41),
];
const invalid = (): Case => ['bytes that are no UTF-8', 'TEXT_ENCODING', () => Buffer.alloc(most, 0xff)];
const listOf = (item: string, count: number): string => `[${Array(count).fill(item).join()}]`;

const json: Case[] = [
  tooLarge(),
  tooLargeBytes(),
  invalid(),
  ['arrays in arrays', 'JSON_TOO_DEEP', () => full('[')],
  ['objects in objects under escaped keys', 'JSON_TOO_DEEP', () => full('{"\\u0061":')],
  ['millions of members', 'JSON_TOO_MANY_MEMBERS', () => full('[],', '[', '[]]')],
  ['half a million keys', 'JSON_TOO_MANY_MEMBERS', () => `{${Array.from({ length: 500_000 }, (_, i) => `"k${i}":1`)}}`],
  ['the same key a million times', 'JSON_TOO_MANY_MEMBERS', () => full('"a":1,', '{', '"a":1}')],
  ['lists of lists up to the limit', 'read', () => listOf(listOf('[]', 10_000), 340)],
  ['lists of decimals up to the limit', 'read', () => listOf(listOf('1.5', 10_000), 250)],
  ['a text that never ends', 'JSON_SYNTAX', () => full('a', '"')],
  ['backslashes', 'JSON_SYNTAX', () => full('\\', '"')],
  ['1e999999999', 'read', () => '{"a":1e999999999}'],
  ['a million digits', 'read', () => `{"a":${'9'.repeat(1_000_000)}}`],
  ['__proto__', 'JSON_FORBIDDEN_KEY', () => '{"a":[{"__proto__":{"admin":true}}]}'],
  ['__proto__ in escapes', 'JSON_FORBIDDEN_KEY', () => '{"\\u005f_proto__":{"admin":true}}'],
  ['constructor', 'JSON_FORBIDDEN_KEY', () => '{"constructor":{"prototype":{"admin":true}}}'],
  ['a NUL', 'JSON_SYNTAX', () => '{"a":"\u0000"}'],
];

const laughs = `<!DOCTYPE l [<!ENTITY a0 "ha">${Array.from({ length: 30 }, (_, i) => `<!ENTITY a${i + 1} "&a${i};&a${i};&a${i};">`).join('')}]><l>&a30;</l>`;

const hl7 = (rest: string): string => `MSH|^~\\&|a|b|c|d|20261129||DFT^P03|1|P|2.5\r${rest}`;
const isa =
  'ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *261129*1200*U*00401*000000123*0*P*>~';
const despatch = (segments: readonly string[]): string =>
  `${isa}GS*SH*a*b*20261129*1200*1*X*004010~ST*856*0001~${segments.join('')}SE*${segments.length + 2}*0001~GE*1*1~IEA*1*000000123~`;

const cases: Record<string, Case[]> = {
  json,
  fhir: json,
  xml: [
    tooLarge(),
    tooLargeBytes(),
    invalid(),
    ['billion laughs', 'XML_DOCTYPE', () => laughs],
    ['an outer document type', 'XML_DOCTYPE', () => '<!DOCTYPE l SYSTEM "http://127.0.0.1:1/x.dtd"><l/>'],
    ['an entity of a file', 'XML_DOCTYPE', () => '<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]><l>&f;</l>'],
    ['an entity nobody declared', 'XML_SYNTAX', () => '<l>&a;</l>'],
    ['elements in elements', 'XML_TOO_DEEP', () => full('<a>')],
    ['millions of elements', 'XML_TOO_LARGE', () => full('<a/>', '<r>', '</r>')],
    ['millions of elements and texts', 'XML_TOO_LARGE', () => full('a<b/>', '<r>', '</r>')],
    [
      'a million attributes',
      'XML_TOO_LARGE',
      () => `<r ${Array.from({ length: 500_000 }, (_, i) => `a${i}="1"`).join(' ')}/>`,
    ],
    ['a million namespaces', 'XML_TOO_LARGE', () => full('xmlns:a="1" ', '<r ', '/>')],
    ['comments that never end', 'XML_SYNTAX', () => full('<!--')],
    ['sections that never end', 'XML_SYNTAX', () => full('<![CDATA[', '<r>')],
    ['white space in a tag', 'XML_SYNTAX', () => full(' ', '<r')],
    ['a name of ten million letters', 'read', () => full('a', '<', '/>')],
    ['two million entities', 'read', () => full('&amp;', '<r>', '</r>')],
    ['two million references', 'read', () => full('&#38;', '<r>', '</r>')],
    ['ampersands', 'XML_SYNTAX', () => full('&', '<r>', '</r>')],
    ['a reference to a character beyond Unicode', 'XML_SYNTAX', () => '<r>&#x110000;</r>'],
    ['__proto__', 'XML_FORBIDDEN_NAME', () => '<r><x:__proto__><admin>1</admin></x:__proto__></r>'],
    ['constructor as an attribute', 'XML_FORBIDDEN_NAME', () => '<r constructor="1"/>'],
    [
      'a character set that does not exist',
      'TEXT_ENCODING',
      () => Buffer.from('<?xml version="1.0" encoding="x-none"?><r/>'),
    ],
    [
      'Latin-1 bytes said to be UTF-8',
      'TEXT_ENCODING',
      () => Buffer.from('<?xml version="1.0" encoding="UTF-8"?><r>é</r>', 'latin1'),
    ],
    [
      'UTF-8 bytes said to be UTF-16',
      'XML_SYNTAX',
      () => Buffer.from('<?xml version="1.0" encoding="UTF-16"?><r>é</r>'),
    ],
    ['a NUL', 'XML_SYNTAX', () => '<r>\u0000</r>'],
  ],
  csv: [
    tooLarge(),
    tooLargeBytes(),
    invalid(),
    ['a quotation mark that is never closed', 'CSV_SYNTAX', () => full('x', 'a\n"')],
    ['quotation marks, one too many', 'CSV_SYNTAX', () => full('""', 'a\n"')],
    ['quotation marks', 'read', () => full('""', 'a\n"', '"')],
    ['a million columns', 'CSV_TOO_MANY_COLUMNS', () => full('a,')],
    ['nothing but separators', 'CSV_TOO_MANY_COLUMNS', () => full(';')],
    ['millions of rows', 'CSV_TOO_MANY_ROWS', () => full('b\n', 'a\n')],
    ['millions of empty lines', 'read', () => full('\n')],
    ['one name of ten million letters', 'read', () => full('a')],
    [
      '500 columns in each row',
      'read',
      () => full(`${','.repeat(499)}\n`, `${Array.from({ length: 500 }, (_, i) => `c${i}`)}\n`),
    ],
    ['the column __proto__', 'CSV_FORBIDDEN_COLUMN', () => 'a,__proto__\n1,2\n'],
    ['the column constructor', 'CSV_FORBIDDEN_COLUMN', () => '"constructor"\n1\n'],
    ['a NUL', 'TEXT_NUL', () => 'a\n\u0000\n'],
    ['UTF-16 without a mark', 'TEXT_NUL', () => Buffer.from('a,b\n1,2\n', 'utf16le')],
  ],
  hl7v2: [
    tooLarge(),
    tooLargeBytes(),
    invalid(),
    ['a million segments', 'HL7_TOO_LARGE', () => hl7(full('ZZZ\r'))],
    ['a million empty lines', 'HL7_TOO_LARGE', () => hl7(full('\r\n', '', 'ZZZ|1'))],
    ['lines of white space', 'HL7_TOO_LARGE', () => hl7(full('\n ', '', 'x'))],
    ['100,000 groups', 'read', () => hl7('FT1|1\r'.repeat(99_990))],
    ['a million fields', 'HL7_TOO_LARGE', () => hl7(full('|a', 'ZZZ'))],
    ['a million repetitions', 'HL7_TOO_LARGE', () => hl7(full('a~', 'ZZZ|'))],
    ['a million components', 'HL7_TOO_LARGE', () => hl7(full('a^', 'ZZZ|'))],
    ['a million subcomponents', 'HL7_TOO_LARGE', () => hl7(full('a&', 'ZZZ|'))],
    ['many of each', 'HL7_TOO_LARGE', () => hl7(full(`ZZZ${'|a&b^c&d~e'.repeat(20)}\r`))],
    ['many short fields', 'HL7_TOO_LARGE', () => hl7(full(`ZZZ${'|1'.repeat(50)}\r`))],
    ['two million escapes', 'read', () => hl7(full('\\.br\\', 'ZZZ|'))],
    ['escape characters', 'read', () => hl7(full('\\', 'ZZZ|'))],
    ['one separator for everything', 'HL7_TOO_LARGE', () => full('|', 'MSH||||||')],
    ['a segment __proto__', 'HL7_SYNTAX', () => hl7('__proto__|1\r')],
    ['a message type __proto__', 'read', () => 'MSH|^~\\&|||||||_^_proto__\rZZZ|1\r'],
    ['a NUL', 'TEXT_NUL', () => hl7('ZZZ|\u0000\r')],
  ],
  x12: [
    tooLarge(),
    tooLargeBytes(),
    invalid(),
    ['a million segments', 'X12_TOO_LARGE', () => full('N1~', isa)],
    ['a million elements', 'X12_TOO_LARGE', () => full('*a', `${isa}GS`)],
    ['a million components', 'X12_TOO_LARGE', () => full('a>', `${isa}GS*`)],
    ['a million product ids', 'X12_TOO_LARGE', () => full('*VN*1', `${isa}PO1`)],
    ['many elements in many segments', 'X12_TOO_LARGE', () => full(`N1${'*a'.repeat(25)}~`, isa)],
    ['white space in front', 'X12_SYNTAX', () => full(' ', '', 'ISA')],
    ['line ends', 'X12_SYNTAX', () => full('\n', isa)],
    [
      'levels in levels',
      'X12_TOO_DEEP',
      () => despatch(Array.from({ length: 100_000 }, (_, i) => `HL*${i + 1}*${i === 0 ? '' : i}*S~`)),
    ],
    [
      '100,000 levels side by side',
      'read',
      () => despatch(Array.from({ length: 100_000 }, (_, i) => `HL*${i + 1}**S~`)),
    ],
    ['a count of segments that is none', 'X12_CONTROL', () => despatch([]).replace('SE*2', 'SE*1e999999999')],
    ['a segment __proto__', 'X12_SYNTAX', () => `${isa}__proto__*1~`],
    ['a NUL', 'TEXT_NUL', () => `${isa}GS*\u0000~`],
  ],
};

const format = process.argv[2] as DocumentFormat;
for (const [name, expected, make] of cases[format]!) {
  const document = make();
  process.stdout.write(`${JSON.stringify({ name, expected, kind: 'started' })}\n`);
  let end = 'read';
  let message = '';
  try {
    readDocument(format, document);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    ({ code: end, message } = error);
  }
  process.stdout.write(`${JSON.stringify({ name, expected, kind: 'ended', end, message })}\n`);
}
const clean = ({} as { admin?: unknown }).admin === undefined;
process.stdout.write(`${JSON.stringify({ kind: 'finished', clean })}\n`);
