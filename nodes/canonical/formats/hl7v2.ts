/**
 * HL7 v2 messages (chapter 2, ER7 encoding). Fields and components are named by their number from 1 and are always
 * objects: `PID.3.1`; repetitions are lists; subcomponents go one level deeper (`RQD.3.1.2`) where there are any.
 * Groups that repeat are lists: `FT1Loop[].FT1.11.1.1`.
 */
import { createHash } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import type { Format, FormatOptions, WriteContext } from './index.ts';
import { flatten, group, type LoopSpec, type Segment } from './segments.ts';
import { partsOf, valueLimit } from './text.ts';

const segmentLimit = 100_000;
/** Fields of a segment, components of a field and subcomponents: they are named by three digits. */
const partLimit = 999;
const repetitionLimit = 10_000;
const fileSeparator = String.fromCharCode(0x1c);

const refuse = (message: string, code = 'HL7_SYNTAX'): Failure => new Failure('data-quality', code, message);

const loopsOf: Record<string, LoopSpec> = {
  DFT_P03: { FT1: { holds: ['NTE', 'PR1', 'ROL'] }, IN1: { holds: ['IN2', 'IN3'] } },
  OMS_O05: { ORC: { holds: ['RQD', 'RQ1', 'TQ1', 'NTE', 'OBX', 'BLG'] } },
  OMN_O07: { ORC: { holds: ['RQD', 'RQ1', 'TQ1', 'NTE', 'OBX', 'BLG'] } },
  MFN_M15: { MFE: { holds: ['IIM'] } },
  MFN_M16: {
    MFE: {
      holds: ['ITM', 'NTE'],
      loops: {
        STZ: { holds: ['NTE'] },
        VND: { holds: [], loops: { PKG: { holds: ['PCE'] } } },
        IVT: { holds: ['ILT', 'NTE'] },
      },
    },
  },
};

interface Separators {
  field: string;
  component: string;
  repetition: string;
  escape: string;
  subcomponent: string;
}

function unescaped(text: string, s: Separators): string {
  if (!text.includes(s.escape)) return text;
  const known: Record<string, string> = {
    F: s.field,
    S: s.component,
    R: s.repetition,
    E: s.escape,
    T: s.subcomponent,
    '.br': '\n',
  };
  const parts = text.split(s.escape);
  // Escapes come in pairs: text, code, text, code, text. A lone escape character is kept as it is.
  let out = parts[0]!;
  for (let i = 1; i < parts.length; i += 2) {
    const code = parts[i]!;
    if (i + 1 >= parts.length) out += s.escape + code;
    else {
      const hex = /^X((?:[0-9A-Fa-f]{2})+)$/.exec(code);
      if (Object.hasOwn(known, code)) out += known[code];
      else if (hex) out += Buffer.from(hex[1]!, 'hex').toString('latin1');
      // Highlighting and local sequences carry no data.
      else if (!/^([HNZ].*|\.\w+.*|C.*|M.*)?$/.test(code)) out += s.escape + code + s.escape;
      out += parts[i + 1];
    }
  }
  return out;
}

function numbered(parts: readonly string[], make: (part: string) => unknown): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  parts.forEach((part, i) => {
    if (part !== '') value[String(i + 1)] = make(part);
  });
  return value;
}

const tooLarge = (most: number, what: string): Failure =>
  refuse(`The HL7 message has more than ${most} ${what}.`, 'HL7_TOO_LARGE');

/** Takes fields apart; the values of all of them are counted. */
function fieldReader(s: Separators): (text: string) => unknown {
  let values = 0;
  const parts = (text: string, separator: string, make: (part: string) => unknown): Record<string, unknown> => {
    const found = partsOf(text, separator, partLimit, () => tooLarge(partLimit, 'components in a field'));
    values += found.length;
    if (values > valueLimit) throw tooLarge(valueLimit, 'values');
    return numbered(found, make);
  };
  const component = (part: string): unknown =>
    part.includes(s.subcomponent) ? parts(part, s.subcomponent, (sub) => unescaped(sub, s)) : unescaped(part, s);
  return (text) => {
    const repetitions = partsOf(text, s.repetition, repetitionLimit, () =>
      tooLarge(repetitionLimit, 'repetitions of a field'),
    )
      .filter((each) => each !== '')
      .map((each) => parts(each, s.component, component));
    return repetitions.length === 1 ? repetitions[0] : repetitions;
  };
}

function readHl7(text: string, options: FormatOptions): unknown {
  // MLLP frames a message with VT (white space to trim) … FS CR.
  const unframed = text.replace(/^\uFEFF/, '').trim();
  const body = unframed.endsWith(fileSeparator) ? unframed.slice(0, -1).trimEnd() : unframed;
  if (!body.startsWith('MSH') || body.length < 8)
    throw refuse('The document is no HL7 v2 message: it does not begin with MSH and its separators.');
  const field = body[3]!;
  const encoding = body.slice(4, body.indexOf(field, 4));
  const [component = '^', repetition = '~', escaping = '\\', subcomponent = '&'] = encoding;
  const s: Separators = { field, component, repetition, escape: escaping, subcomponent };
  const lines = partsOf(body, /\r\n|\r|\n/, 2 * segmentLimit, () => tooLarge(segmentLimit, 'segments')).filter(
    (line) => line.trim() !== '',
  );
  if (lines.length > segmentLimit) throw tooLarge(segmentLimit, 'segments');
  const fieldOf = fieldReader(s);
  const segments: Segment[] = lines.map((line, i) => {
    const [name = '', ...fields] = partsOf(line, field, partLimit, () => tooLarge(partLimit, 'fields in a segment'));
    if (!/^[A-Z][A-Z0-9]{2}$/.test(name))
      throw refuse(`Line ${i + 1} of the HL7 message does not begin with a segment name.`);
    if (name === 'MSH' && i > 0)
      throw refuse('The document holds several HL7 messages; split it first.', 'HL7_SEVERAL');
    const values: Record<string, unknown> = {};
    // MSH-1 is the separator itself, so its fields count from 2 and the encoding characters are not taken apart.
    const offset = name === 'MSH' ? 2 : 1;
    if (name === 'MSH') values['1'] = { '1': field };
    fields.forEach((value, n) => {
      if (value === '' || value === '""') return;
      values[String(n + offset)] = name === 'MSH' && n === 0 ? { '1': value } : fieldOf(value);
    });
    return { name, value: values };
  });
  const [msh, ...rest] = segments;
  const type = msh!.value['9'] as Record<string, unknown> | undefined;
  const kind = `${String(type?.['1'] ?? '')}_${String(type?.['2'] ?? '')}`;
  if (typeof options.message === 'string' && kind !== options.message) {
    throw refuse(
      `The HL7 message is of another type; ${options.message.replace('_', '^')} was expected.`,
      'HL7_MESSAGE_TYPE',
    );
  }
  return { MSH: msh!.value, ...group(rest, Object.hasOwn(loopsOf, kind) ? loopsOf[kind]! : {}) };
}

/** MSH as far as the tree leaves it to the options and the message. */
function headerOf(given: Record<string, unknown> | undefined, o: FormatOptions, c: WriteContext) {
  const named = (name: string): { 1: string } | undefined =>
    typeof o[name] === 'string' && o[name] !== '' ? { 1: o[name] } : undefined;
  // Without options the tree is the whole message, as it was read.
  if (typeof o.message !== 'string') {
    if (given !== undefined) return given;
    throw refuse(
      'An HL7 message is written from a tree with MSH, or by a mapping whose target says which message it is.',
      'HL7_WRITE',
    );
  }
  const [type = '', event = ''] = o.message.split('_');
  return {
    3: named('sendingApplication'),
    4: named('sendingFacility'),
    5: named('receivingApplication'),
    6: named('receivingFacility'),
    7: {
      1: c.at
        .replace(/\.\d+/, '')
        .replace(/[-:T]/g, '')
        .replace('Z', '+0000')
        .replace(/^(\d{14})(\d{4})$/, '$1-$2'),
    },
    9: { 1: type, 2: event, 3: `${type}_${event}` },
    // MSH-10 has 20 characters (HL7 2.5); the same event has the same one at every replay.
    10: { 1: createHash('sha256').update(c.id).digest('hex').slice(0, 20) },
    11: named('processing') ?? { 1: 'P' },
    12: named('version') ?? { 1: '2.5' },
    ...given,
  };
}

/**
 * Options for writing: `message` (e.g. `DFT_P03`), `sendingApplication`, `sendingFacility`, `receivingApplication`,
 * `receivingFacility`, `processing` (P, T or D) and `version` (2.5). What the tree says in MSH goes first.
 */
function writeHl7(tree: unknown, options: FormatOptions, context: WriteContext): string {
  const { MSH: given, ...rest } = (tree ?? {}) as Record<string, Record<string, unknown> | undefined>;
  const MSH: Record<string, unknown> = headerOf(given, options, context);
  const escaped = (text: string): string =>
    text
      .replace(/\r\n|\r|\n/g, '\u0000')
      .replace(/[\\|^~&]/g, (c) => ({ '\\': '\\E\\', '|': '\\F\\', '^': '\\S\\', '~': '\\R\\', '&': '\\T\\' })[c]!)
      .replaceAll('\u0000', '\\.br\\');
  const list = (value: unknown, separator: string, make: (inner: unknown) => string): string => {
    if (typeof value !== 'object' || value === null) return make(value);
    const parts: string[] = [];
    for (const [key, inner] of Object.entries(value)) {
      if (!/^[1-9]\d{0,2}$/.test(key))
        throw refuse('A field or component of an HL7 message is named by its number.', 'HL7_WRITE');
      parts[Number(key) - 1] = make(inner);
    }
    return Array.from(parts, (part) => part ?? '').join(separator);
  };
  const scalar = (value: unknown): string => (value === undefined || value === null ? '' : escaped(String(value)));
  const component = (value: unknown): string => list(value, '&', scalar);
  const repetition = (value: unknown): string => list(value, '^', component);
  const fieldText = (value: unknown): string =>
    Array.isArray(value) ? value.map(repetition).join('~') : repetition(value);
  const line = (name: string, value: Record<string, unknown>): string => `${name}|${list(value, '|', fieldText)}`;
  const { 1: _, 2: __, ...header } = MSH;
  const shifted = Object.fromEntries(Object.entries(header).map(([key, value]) => [String(Number(key) - 2), value]));
  const lines = [
    `MSH|^~\\&|${list(shifted, '|', fieldText)}`,
    ...flatten(rest as Record<string, unknown>).map(({ name, value }) => line(name, value)),
  ];
  return `${lines.join('\r')}\r`;
}

export const hl7v2: Format = { read: readHl7, write: writeHl7 };
