/**
 * ANSI X12 interchanges (X12.5, X12.6) with one transaction set. Elements are named by their two digits (`BEG.03`);
 * loops are lists (`PO1Loop[].PO1.02`); product id pairs of PO1, IT1 and LIN are also a list `ids` of `{q, v}`
 * (`PO1Loop[].PO1.ids[q=VN].v`); HL segments become a tree by their parent numbers (`HLLoop[HL.03=S].HLLoop[]…`).
 */
import { createHash } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import type { Format, FormatOptions, WriteContext } from './index.ts';
import { flatten, group, type LoopSpec, type Segment } from './segments.ts';
import { partsOf, valueLimit } from './text.ts';

const segmentLimit = 200_000;
/** Elements of a segment and components of an element: they are named by two digits. */
const partLimit = 99;
const hierarchyLimit = 64;

const refuse = (message: string, code = 'X12_SYNTAX'): Failure => new Failure('data-quality', code, message);

const tooLarge = (most: number, what: string): Failure =>
  refuse(`The X12 interchange has more than ${most} ${what}.`, 'X12_TOO_LARGE');

const party = { holds: ['N2', 'N3', 'N4', 'REF', 'PER'] };
const item = ['CUR', 'CTP', 'MEA', 'PID', 'PO4', 'REF', 'SAC', 'DTM', 'TXI', 'SDQ', 'TD5', 'MSG', 'PKG', 'LDT'];

const loopsOf: Record<string, LoopSpec> = {
  '850': { N1: party, PO1: { holds: item, loops: { N1: party } } },
  '855': { N1: party, PO1: { holds: item, loops: { ACK: { holds: ['DTM'] }, N1: party } } },
  '810': { N1: party, IT1: { holds: item } },
  '820': { N1: party, ENT: { holds: ['NM1', 'REF'], loops: { N1: party, RMR: { holds: ['NTE', 'REF', 'DTM'] } } } },
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
        ? Object.fromEntries(
            partsOf(part, component, partLimit, () => tooLarge(partLimit, 'components in an element')).map(
              (text, c) => [two(c + 1), text],
            ),
          )
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
  const raw = partsOf(body, terminator, segmentLimit, () => tooLarge(segmentLimit, 'segments'));
  let values = 0;
  const segments: (Segment & { parts: string[] })[] = [];
  for (const line of raw) {
    const trimmed = withoutLineEnds(line.trimStart());
    if (trimmed === '') continue;
    const [name = '', ...parts] = partsOf(trimmed, separator, partLimit + 1, () =>
      tooLarge(partLimit, 'elements in a segment'),
    );
    values += parts.length;
    if (values > valueLimit) throw tooLarge(valueLimit, 'elements');
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
  if (Number(ge.value['01']) !== 1 || Number(iea.value['01']) !== 1)
    throw refuse(
      'GE01 and IEA01 of the X12 interchange do not count one transaction set in one group; part of it is missing or doubled.',
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
  const tree = set === '856' ? hierarchy(inner) : group(inner, Object.hasOwn(loopsOf, set) ? loopsOf[set]! : {});
  return { ISA: isa.value, GS: gs.value, ST: st.value, ...tree };
}

/** HL loops nested by HL02 (the parent's HL01). */
function hierarchy(segments: readonly Segment[]): Record<string, unknown> {
  const { HLLoop: flat = [], ...rest } = group(segments, loopsOf['856']!) as { HLLoop?: Record<string, unknown>[] };
  const byNumber = new Map<unknown, { loop: Record<string, unknown>; depth: number }>();
  const roots: Record<string, unknown>[] = [];
  for (const loop of flat) {
    const { '01': number, '02': parent } = loop.HL as Record<string, unknown>;
    if (byNumber.has(number)) throw refuse('Two HL segments of the X12 document have the same number.', 'X12_CONTROL');
    const holder = parent === undefined ? undefined : byNumber.get(parent);
    const depth = holder === undefined ? 1 : holder.depth + 1;
    if (depth > hierarchyLimit)
      throw refuse(
        `The HL segments of the X12 document are nested deeper than ${hierarchyLimit} levels.`,
        'X12_TOO_DEEP',
      );
    byNumber.set(number, { loop, depth });
    if (parent === undefined) roots.push(loop);
    else {
      if (holder === undefined)
        throw refuse('An HL segment of the X12 document names a parent that does not come before it.', 'X12_CONTROL');
      holder.loop.HLLoop ??= [];
      (holder.loop.HLLoop as unknown[]).push(loop);
    }
  }
  return roots.length === 0 ? rest : { ...rest, HLLoop: roots };
}

const isaWidths = [2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1];

/** GS01, the functional identifier code, by transaction set. */
const functionalCodes: Record<string, string> = {
  '810': 'IN',
  '820': 'RA',
  '850': 'PO',
  '855': 'PR',
  '856': 'SH',
  '997': 'FA',
};

/** ISA, GS and ST as far as the tree leaves them to the options and the message. */
function envelopeOf(tree: Record<string, Record<string, unknown> | undefined>, o: FormatOptions, c: WriteContext) {
  const given = (name: string, otherwise: string): string => {
    const value = o[name];
    return typeof value === 'string' && value !== '' ? value : otherwise;
  };
  const set = given('transaction', String(tree.ST?.['01'] ?? ''));
  const version = given('version', '004010');
  const moment = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2})/.exec(c.at);
  const [, year = '', month = '', day = '', hour = '', minute = ''] = moment ?? [];
  const number = c.number === undefined ? controlNumber(c.id) : String(c.number).padStart(9, '0');
  const sender = given('sender', '');
  const receiver = given('receiver', '');
  if ((tree.ISA === undefined || tree.GS === undefined) && (sender === '' || receiver === '')) {
    throw new Failure(
      'configuration',
      'X12_ENVELOPE',
      'Nobody says who sends and who receives the X12 interchange. Set "sender" and "receiver" in the options of the mapping\'s target.',
    );
  }
  return {
    ISA: {
      '05': given('senderQualifier', 'ZZ'),
      '06': sender,
      '07': given('receiverQualifier', 'ZZ'),
      '08': receiver,
      '09': `${year.slice(2)}${month}${day}`,
      '10': `${hour}${minute}`,
      // Before 00402 the element names a standards body, since then it is the repetition separator.
      '11': version < '00402' ? 'U' : '^',
      '12': version.slice(0, 5),
      '13': number,
      '14': '0',
      '15': given('usage', 'P'),
      ...tree.ISA,
    },
    GS: {
      '01': functionalCodes[set] ?? '',
      '02': given('groupSender', sender),
      '03': given('groupReceiver', receiver),
      '04': `${year}${month}${day}`,
      '05': `${hour}${minute}`,
      '06': String(Number(number)),
      '07': 'X',
      '08': version,
      ...tree.GS,
    },
    ST: { '01': set, '02': '0001', ...tree.ST },
  };
}

/**
 * The series of an interchange: who sends to whom, as the envelope says. Undefined where rows fill the control numbers.
 */
function seriesOfX12(tree: unknown, options: FormatOptions): string | undefined {
  const { ISA, GS } = (tree ?? {}) as Record<string, Record<string, unknown> | undefined>;
  if (ISA?.['13'] !== undefined && GS?.['06'] !== undefined) return undefined;
  const told = (element: string, option: string, otherwise = ''): string =>
    String(ISA?.[element] ?? options[option] ?? otherwise).trim();
  return [
    'x12',
    told('05', 'senderQualifier', 'ZZ'),
    told('06', 'sender'),
    told('07', 'receiverQualifier', 'ZZ'),
    told('08', 'receiver'),
  ].join('|');
}

/**
 * Where no store numbers interchanges: nine digits that are always the same for one event, so that a replayed document
 * is the same interchange to the partner. It does not count upwards, and among 10,000 documents two have one number in
 * 5 % of cases; so it serves previews and tests.
 */
function controlNumber(id: string): string {
  const hash = createHash('sha256').update(id).digest();
  return String(1 + (hash.readUIntBE(0, 6) % 999_999_999)).padStart(9, '0');
}

/** Numbers HL segments in their order and names each one's parent (HL01, HL02). */
function numbered(tree: Record<string, unknown>): Record<string, unknown> {
  let count = 0;
  const visit = (loops: unknown, parent: string | undefined): unknown =>
    (Array.isArray(loops) ? loops : [loops]).map((loop: Record<string, unknown>) => {
      const number = String(++count);
      const { HL, HLLoop, ...rest } = loop as { HL?: Record<string, unknown>; HLLoop?: unknown };
      return {
        HL: { ...HL, '01': number, ...(parent === undefined ? {} : { '02': parent }) },
        ...rest,
        ...(HLLoop === undefined ? {} : { HLLoop: visit(HLLoop, number) }),
      };
    });
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, key === 'HLLoop' ? visit(value, undefined) : value]),
  );
}

/**
 * Options for writing: `separator` (default `*`), `component` (`>`), `terminator` (`~`), `newline` (a line end after
 * each segment; default true); for the envelope `sender`, `receiver`, `senderQualifier`, `receiverQualifier` (ZZ),
 * `groupSender`, `groupReceiver`, `version` (004010) and `usage` (P or T). What the tree says in ISA, GS and ST goes
 * first; SE, GE, IEA and the numbers of HL segments are counted here.
 */
function writeX12(tree: unknown, options: FormatOptions, context: WriteContext): string {
  const separator = String(options.separator ?? '*');
  const component = String(options.component ?? '>');
  const terminator = String(options.terminator ?? '~');
  const end = options.newline === false ? terminator : `${terminator}\n`;
  const { ISA: _isa, GS: _gs, ST: _st, ...unnumbered } = (tree ?? {}) as Record<string, Record<string, unknown>>;
  const { ISA, GS, ST } = envelopeOf((tree ?? {}) as Record<string, Record<string, unknown>>, options, context);
  const rest = numbered(unnumbered);
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
      i === 15
        ? component
        : String(
            (ISA as Record<string, unknown>)[two(i + 1)] ?? (i === 1 || i === 3 ? '' : i === 0 || i === 2 ? '00' : ''),
          );
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

export const x12: Format = { read: readX12, write: writeX12, series: seriesOfX12 };
