/**
 * ANSI X12 interchanges (X12.5, X12.6) with one transaction set. Elements are named by their two digits (`BEG.03`);
 * loops are lists (`PO1Loop[].PO1.02`); product id pairs of PO1, IT1 and LIN are also a list `ids` of `{q, v}`
 * (`PO1Loop[].PO1.ids[q=VN].v`); HL segments become a tree by their parent numbers (`HLLoop[HL.03=S].HLLoop[]…`).
 */
import { Failure } from '../../kernel/failure.ts';
import type { Format, FormatOptions } from './index.ts';
import { flatten, group, type LoopSpec, type Segment } from './segments.ts';

const segmentLimit = 200_000;

const refuse = (message: string, code = 'X12_SYNTAX'): Failure => new Failure('data-quality', code, message);

const party = { holds: ['N2', 'N3', 'N4', 'REF', 'PER'] };
const item = ['CUR', 'CTP', 'MEA', 'PID', 'PO4', 'REF', 'SAC', 'DTM', 'TXI', 'SDQ', 'TD5', 'MSG', 'PKG', 'LDT'];

const loopsOf: Record<string, LoopSpec> = {
  '850': { N1: party, PO1: { holds: item, loops: { N1: party } } },
  '855': { N1: party, PO1: { holds: item, loops: { ACK: { holds: ['DTM'] }, N1: party } } },
  '810': { N1: party, IT1: { holds: item } },
  '856': {
    HL: {
      holds: ['LIN', 'SN1', 'SLN', 'PRF', 'PO4', 'PID', 'MEA', 'PKG', 'TD1', 'TD3', 'TD5', 'REF', 'MAN', 'DTM', 'CUR'],
      loops: { N1: party },
    },
  },
};

/** Where the pairs of qualifier and product id begin. */
const pairsFrom: Record<string, number> = { PO1: 6, IT1: 6, LIN: 2 };

const two = (n: number): string => String(n).padStart(2, '0');

function elementsOf(name: string, parts: readonly string[], component: string): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  parts.forEach((part, i) => {
    if (part === '') return;
    value[two(i + 1)] =
      name !== 'ISA' && part.includes(component)
        ? Object.fromEntries(part.split(component).map((text, c) => [two(c + 1), text]))
        : part;
  });
  const from = pairsFrom[name];
  if (from !== undefined) {
    const ids: { q: string; v: string }[] = [];
    for (let i = from - 1; i + 1 < parts.length; i += 2)
      if (parts[i] !== '' && parts[i + 1] !== '') ids.push({ q: parts[i]!, v: parts[i + 1]! });
    if (ids.length > 0) value.ids = ids;
  }
  return value;
}

function withoutLineEnds(text: string): string {
  let end = text.length;
  while (end > 0 && (text[end - 1] === '\r' || text[end - 1] === '\n')) end--;
  return text.slice(0, end);
}

function readX12(text: string, options: FormatOptions): unknown {
  const start = text.search(/\S/);
  const body = start < 0 ? '' : text.slice(start).replace(/^\uFEFF/, '');
  if (!body.startsWith('ISA') || body.length < 106)
    throw refuse('The document is no X12 interchange: it does not begin with an ISA segment of 106 characters.');
  const separator = body[3]!;
  const component = body[104]!;
  const terminator = body[105]!;
  if (body.slice(0, 105).split(separator).length !== 17)
    throw refuse('The ISA segment of the X12 interchange does not have 16 elements of fixed length.');
  const raw = body.split(terminator);
  if (raw.length > segmentLimit)
    throw refuse(`The X12 interchange has more than ${segmentLimit} segments.`, 'X12_TOO_LARGE');
  const segments: (Segment & { parts: string[] })[] = [];
  for (const line of raw) {
    const trimmed = withoutLineEnds(line.trimStart());
    if (trimmed === '') continue;
    const [name = '', ...parts] = trimmed.split(separator);
    if (!/^[A-Z][A-Z0-9]{1,2}$/.test(name))
      throw refuse('The X12 interchange has a segment whose name is not of two or three capitals and digits.');
    segments.push({ name, parts: name === 'ISA' ? parts.map((part) => part.trimEnd()) : parts, value: {} });
  }
  for (const segment of segments) segment.value = elementsOf(segment.name, segment.parts, component);
  const only = (name: string): Segment => {
    const found = segments.filter((segment) => segment.name === name);
    if (found.length !== 1) {
      throw refuse(
        found.length === 0
          ? `The X12 interchange has no ${name} segment; it is incomplete.`
          : `The X12 interchange has ${found.length} ${name} segments; split it into interchanges with one transaction set each.`,
        found.length === 0 ? 'X12_SYNTAX' : 'X12_SEVERAL',
      );
    }
    return found[0]!;
  };
  const isa = only('ISA');
  const gs = only('GS');
  const st = only('ST');
  const se = only('SE');
  const ge = only('GE');
  const iea = only('IEA');
  const from = segments.findIndex(({ name }) => name === 'ST');
  const to = segments.findIndex(({ name }) => name === 'SE');
  const counted = Number(se.value['01']);
  if (counted !== to - from + 1)
    throw refuse(
      `The transaction set says it has ${Number.isFinite(counted) ? counted : 'an unreadable number of'} segments and has ${to - from + 1}; part of it is missing or doubled.`,
      'X12_CONTROL',
    );
  for (const [a, b, what] of [
    [st.value['02'], se.value['02'], 'ST02 and SE02'],
    [gs.value['06'], ge.value['02'], 'GS06 and GE02'],
    [isa.value['13'], iea.value['02'], 'ISA13 and IEA02'],
  ] as const) {
    if (Number(a) !== Number(b))
      throw refuse(`The control numbers ${what} of the X12 interchange differ.`, 'X12_CONTROL');
  }
  const set = String(st.value['01']);
  if (typeof options.transaction === 'string' && set !== options.transaction) {
    throw refuse(
      `The X12 interchange holds the transaction set ${/^\d{3}$/.test(set) ? set : 'of another kind'}; ${options.transaction} was expected.`,
      'X12_TRANSACTION',
    );
  }
  const inner = segments.slice(from + 1, to);
  const tree = set === '856' ? hierarchy(inner) : group(inner, loopsOf[set] ?? {});
  return { ISA: isa.value, GS: gs.value, ST: st.value, ...tree };
}

/** HL loops nested by HL02 (the parent's HL01). */
function hierarchy(segments: readonly Segment[]): Record<string, unknown> {
  const { HLLoop: flat = [], ...rest } = group(segments, loopsOf['856']!) as { HLLoop?: Record<string, unknown>[] };
  const byNumber = new Map<unknown, Record<string, unknown>>();
  const roots: Record<string, unknown>[] = [];
  for (const loop of flat) {
    const { '01': number, '02': parent } = loop.HL as Record<string, unknown>;
    if (byNumber.has(number)) throw refuse('Two HL segments of the X12 document have the same number.', 'X12_CONTROL');
    byNumber.set(number, loop);
    if (parent === undefined) roots.push(loop);
    else {
      const holder = byNumber.get(parent);
      if (holder === undefined)
        throw refuse('An HL segment of the X12 document names a parent that does not come before it.', 'X12_CONTROL');
      holder.HLLoop ??= [];
      (holder.HLLoop as unknown[]).push(loop);
    }
  }
  return roots.length === 0 ? rest : { ...rest, HLLoop: roots };
}

const isaWidths = [2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1];

/**
 * Options for writing: `separator` (default `*`), `component` (`>`), `terminator` (`~`), `newline` (a line end after
 * each segment; default true). The tree has ISA, GS and ST as far as they are the sender's to say; SE, GE and IEA are
 * counted here.
 */
function writeX12(tree: unknown, options: FormatOptions): string {
  const separator = String(options.separator ?? '*');
  const component = String(options.component ?? '>');
  const terminator = String(options.terminator ?? '~');
  const end = options.newline === false ? terminator : `${terminator}\n`;
  const { ISA, GS, ST, ...rest } = (tree ?? {}) as Record<string, Record<string, unknown> | undefined>;
  if (ISA === undefined || GS === undefined || ST === undefined)
    throw refuse('An X12 interchange is written from a tree with ISA, GS and ST.', 'X12_WRITE');
  const plain = (value: unknown): string => {
    if (value === undefined || value === null) return '';
    if (typeof value === 'object')
      return Object.values(value)
        .map(plain)
        .join(component)
        .replace(new RegExp(`\\${component}+$`), '');
    const text = String(value);
    if ([separator, component, terminator].some((c) => text.includes(c)) || /[\r\n]/.test(text)) {
      throw refuse(
        'A text holds a character that separates X12 elements or segments; X12 has no way to express it. Choose other separators or clean the text.',
        'X12_WRITE',
      );
    }
    return text;
  };
  const line = (name: string, value: Record<string, unknown>): string => {
    const { ids, ...elements } = value;
    const parts: string[] = [];
    for (const [key, element] of Object.entries(elements)) {
      if (!/^\d{2}$/.test(key))
        throw refuse(`The segment ${name} has an element that is not named by two digits.`, 'X12_WRITE');
      parts[Number(key) - 1] = plain(element);
    }
    const from = pairsFrom[name];
    if (Array.isArray(ids) && from !== undefined) {
      (ids as { q: unknown; v: unknown }[]).forEach(({ q, v }, i) => {
        parts[from - 1 + 2 * i] = plain(q);
        parts[from + 2 * i] = plain(v);
      });
    }
    const filled = Array.from(parts, (part) => part ?? '');
    while (filled.length > 0 && filled[filled.length - 1] === '') filled.pop();
    return [name, ...filled].join(separator);
  };
  const isa = isaWidths.map((width, i) => {
    const given =
      i === 15 ? component : String(ISA[two(i + 1)] ?? (i === 1 || i === 3 ? '' : i === 0 || i === 2 ? '00' : ''));
    const text = i === 12 ? given.padStart(width, '0') : given.padEnd(width);
    if (text.length !== width) throw refuse(`ISA${two(i + 1)} is longer than its ${width} characters.`, 'X12_WRITE');
    return text;
  });
  const body = flatten(rest as Record<string, unknown>).map(({ name, value }) => line(name, value));
  const control = plain(ST['02']);
  const lines = [
    ['ISA', ...isa].join(separator),
    line('GS', GS),
    line('ST', ST),
    ...body,
    ['SE', String(body.length + 2), control].join(separator),
    ['GE', '1', plain(GS['06'])].join(separator),
    ['IEA', '1', isa[12]].join(separator),
  ];
  return lines.map((each) => each + end).join('');
}

export const x12: Format = { read: readX12, write: writeX12 };
