import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseCsv, writeCsv } from '../../nodes/canonical/formats/csv.ts';
import { byteLimit, readDocument, writeDocument } from '../../nodes/canonical/formats/index.ts';
import type { DocumentFormat } from '../../nodes/canonical/mapping/mapping.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { Failure } from '../../nodes/kernel/failure.ts';

const library = new MappingLibrary();
const sampleOf = (id: string): string => {
  const { sample } = library.source(id);
  return typeof sample === 'string' ? sample : JSON.stringify(sample);
};

/** The code of the data-quality failure that reading ends with. */
function refused(format: DocumentFormat, document: unknown, options?: Record<string, unknown>): string {
  try {
    readDocument(format, document, options);
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.class, 'data-quality');
    return error.code;
  }
  return 'read';
}

/** Maps a document and asserts that the result is valid. */
function canonical(id: string, text: string): Record<string, unknown> {
  const compiled = library.get(id);
  const { source, target } = compiled.mapping;
  assert.ok('format' in source && 'entity' in target);
  const { value, violations } = compiled.run(readDocument(source.format, text, source.options));
  assert.deepEqual(violations, [], id);
  assert.deepEqual(validatorOf(target.entity, 'strict')(value).violations, [], id);
  return value;
}

describe('XML', () => {
  test('becomes a tree without prefixes, with attributes, lists and exact text', () => {
    const text =
      '\uFEFF<?xml version="1.0"?><!-- c --><a:Order xmlns:a="u" id=\'1\'>\r\n<a:N> x &amp; &#233;&#x1F600; </a:N><N><![CDATA[<&>]]></N><P cur="EUR">4.20</P><E/><G><h>1</h></G></a:Order>\n';
    assert.deepEqual(readDocument('xml', text), {
      Order: { '@id': '1', N: ['x & é😀', '<&>'], P: { '@cur': 'EUR', '#text': '4.20' }, E: '', G: { h: '1' } },
    });
  });

  test('with a document type is refused: nothing expands and nothing is fetched', () => {
    const laughs = `<!DOCTYPE l [<!ENTITY a "ha">${'<!ENTITY b "&a;&a;">'.repeat(50)}]><l>&b;</l>`;
    assert.equal(refused('xml', laughs), 'XML_DOCTYPE');
    assert.equal(refused('xml', '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'), 'XML_DOCTYPE');
    assert.equal(refused('xml', '<x>&unknown;</x>'), 'XML_SYNTAX');
  });

  test('that is not well-formed, hides a prototype key, or is too deep is refused', () => {
    const broken = [
      '',
      'text',
      '<a>',
      '<a></b>',
      '<a/><b/>',
      '<a b></a>',
      '<a b=c/>',
      '<a b="1" b="2"/>',
      '<a><',
      '</a>',
      '<a b="<"/>',
      '<a>x</a>y',
      '<1a/>',
      '<!-- <a/>',
      '<a>&#0;</a>',
      '<a>& b</a>',
    ];
    for (const text of broken) assert.equal(refused('xml', text), 'XML_SYNTAX', text);
    assert.equal(refused('xml', '<a><__proto__>1</__proto__></a>'), 'XML_FORBIDDEN_NAME');
    assert.equal(refused('xml', '<a constructor="1"/>'), 'XML_FORBIDDEN_NAME');
    assert.deepEqual(readDocument('xml', '<a><toString>1</toString></a>'), { a: { toString: '1' } });
    assert.equal(refused('xml', `${'<a>'.repeat(100_000)}`), 'XML_TOO_DEEP');
  });

  test('written is read back as the same tree', () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9<>&"'é😀]{1,8}$/u);
    const options = {
      namespace: 'urn:x',
      leaf: { prefix: 'cbc', uri: 'urn:b' },
      group: { prefix: 'cac', uri: 'urn:c' },
    };
    fc.assert(
      fc.property(
        fc.array(fc.record({ '@u': word, '#text': word }, { noNullPrototype: true }), { minLength: 2, maxLength: 5 }),
        word,
        (lines, id) => {
          const tree = { Doc: { ID: id, Line: lines, Group: { A: id } } };
          assert.deepEqual(readDocument('xml', writeDocument('xml', tree, options)), tree);
        },
      ),
    );
    assert.throws(() => writeDocument('xml', { a: 'x\u0001' }), { code: 'XML_WRITE' });
    assert.throws(() => writeDocument('xml', { 'a b': 'x' }), { code: 'XML_WRITE' });
    assert.throws(() => writeDocument('xml', { a: { '@b="1" c': 'x' } }), { code: 'XML_WRITE' });
    assert.throws(() => writeDocument('xml', { a: '1', b: '2' }), { code: 'XML_WRITE' });
  });
});

describe('X12', () => {
  const sample = sampleOf('x12-850-to-order');
  const line = (segment: string) => sample.replace('CTT*2~', `${segment}~\nCTT*2~`).replace('SE*15*', 'SE*16*');

  test('is read with any separators and line ends', () => {
    const plain = readDocument('x12', sample);
    const { ISA: _, ...expected } = plain as Record<string, unknown>;
    const variants = [
      sample.replaceAll('\n', ''),
      sample.replaceAll('\n', '\r\n'),
      `\uFEFF${sample}`.replace('\uFEFF', '\n'),
      sample.replaceAll('*', '|'),
      sample.replaceAll('~\n', '\n'),
      sample.replaceAll('~\n', '\r\n'),
      sample.replaceAll('~\n', '\u001d'),
    ];
    for (const variant of variants) {
      const { ISA: __, ...read } = readDocument('x12', variant) as Record<string, unknown>;
      assert.deepEqual(read, expected);
    }
  });

  test('with parts missing or doubled is refused by its own counts', () => {
    assert.equal(refused('x12', sample.replace('PO4*10~\n', '')), 'X12_CONTROL');
    assert.equal(refused('x12', sample.replace('GE*1*123', 'GE*1*124')), 'X12_CONTROL');
    assert.equal(refused('x12', sample.replace('IEA*1*000000123', 'IEA*1*000000124')), 'X12_CONTROL');
    assert.equal(refused('x12', sample.replace(/IEA[^~]*~/, '')), 'X12_SYNTAX');
    assert.equal(refused('x12', sample.slice(0, 90)), 'X12_SYNTAX');
    assert.equal(refused('x12', 'hello'), 'X12_SYNTAX');
    assert.equal(refused('x12', sample + sample), 'X12_SEVERAL');
    assert.equal(refused('x12', sample, { transaction: '810' }), 'X12_TRANSACTION');
    assert.equal(refused('x12', line('lower*1')), 'X12_SYNTAX');
  });

  test('written is read back as the same tree, and counts itself', () => {
    for (const id of ['x12-850-to-order', 'x12-855-to-order-response', 'x12-810-to-invoice', 'x12-856-to-despatch']) {
      const text = sampleOf(id);
      const tree = readDocument('x12', text);
      assert.deepEqual(readDocument('x12', writeDocument('x12', tree)), tree, id);
    }
    assert.equal(writeDocument('x12', readDocument('x12', sample)).replaceAll('\r', ''), sample);
  });

  test('never writes a text that would break it', () => {
    const tree = readDocument('x12', sample) as Record<string, Record<string, unknown>>;
    tree.BEG!['03'] = 'PO*1';
    assert.throws(() => writeDocument('x12', tree), { code: 'X12_WRITE' });
  });

  test('amounts with implied decimals and without leading zeros are exact', () => {
    const invoice = canonical('x12-810-to-invoice', sampleOf('x12-810-to-invoice')) as {
      grossAmount: { amount: string };
    };
    assert.equal(invoice.grossAmount.amount, '50.82');
    const order = canonical('x12-850-to-order', sample) as { lines: { unitPrice: { amount: string } }[] };
    assert.deepEqual(
      order.lines.map(({ unitPrice }) => unitPrice.amount),
      ['4.2', '0.12'],
    );
  });

  test('HL segments nest by their parents; an orphan is refused', () => {
    const text = sampleOf('x12-856-to-despatch');
    const despatch = canonical('x12-856-to-despatch', text) as { lines: { lot?: string; order: unknown }[] };
    assert.equal(despatch.lines.length, 2);
    assert.equal(despatch.lines[0]!.lot, 'L-17');
    assert.equal(despatch.lines[1]!.lot, undefined);
    assert.equal(refused('x12', text.replace('HL*4*2*I', 'HL*4*9*I')), 'X12_CONTROL');
    assert.equal(refused('x12', text.replace('HL*4*2*I', 'HL*3*2*I')), 'X12_CONTROL');
  });
});

describe('HL7 v2', () => {
  const sample = sampleOf('hl7-oms-to-requisition');

  test('is read with every line end, in an MLLP frame, and with separators of its own', () => {
    const expected = readDocument('hl7v2', sample);
    for (const text of [
      sample.replaceAll('\r', '\n'),
      sample.replaceAll('\r', '\r\n'),
      `\u000b${sample}\u001c\r`,
      `\uFEFF${sample}`,
    ]) {
      assert.deepEqual(readDocument('hl7v2', text), expected);
    }
    const odd = readDocument('hl7v2', 'MSH$*#!%$A\rPID$1$$X*Y#Z') as { PID: Record<string, unknown> };
    assert.deepEqual(odd.PID['3'], [{ '1': 'X', '2': 'Y' }, { '1': 'Z' }]);
  });

  test('escapes are undone, and unknown ones kept', () => {
    const read = readDocument(
      'hl7v2',
      'MSH|^~\\&|A\rNTE|1||a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\X41\\g\\.br\\h\\H\\i\\Zx\\j \\ end',
    ) as { NTE: Record<string, Record<string, string>> };
    assert.equal(read.NTE['3']!['1'], 'a|b^c&d~e\\fAg\nhij \\ end');
  });

  test('written is read back as the same tree', () => {
    for (const id of ['hl7-oms-to-requisition', 'hl7-dft-to-charge']) {
      const tree = readDocument('hl7v2', sampleOf(id));
      assert.deepEqual(readDocument('hl7v2', writeDocument('hl7v2', tree)), tree, id);
    }
    const text = fc.string({
      minLength: 1,
      maxLength: 12,
      unit: fc.constantFrom('a', '|', '^', '~', '&', '\\', 'é', '.', 'F'),
    });
    fc.assert(
      fc.property(text, (value) => {
        const tree = {
          MSH: { '1': { '1': '|' }, '2': { '1': '^~\\&' }, '3': { '1': 'A' } },
          NTE: { '3': { '1': value } },
        };
        assert.deepEqual(readDocument('hl7v2', writeDocument('hl7v2', tree)), tree);
      }),
    );
  });

  test('that is none, or several, is refused', () => {
    assert.equal(refused('hl7v2', 'EVN|1'), 'HL7_SYNTAX');
    assert.equal(refused('hl7v2', `${sample}${sample}`), 'HL7_SEVERAL');
    assert.equal(refused('hl7v2', 'MSH|^~\\&|A\rjunk'), 'HL7_SYNTAX');
    assert.equal(refused('hl7v2', sample, { message: 'DFT_P03' }), 'HL7_MESSAGE_TYPE');
  });

  test('with several charges is refused rather than cut to the first', () => {
    const two = `${sampleOf('hl7-dft-to-charge')}FT1|2||T-101||20260101||CG|1^x||||\r`;
    const compiled = library.get('hl7-dft-to-charge');
    const { violations } = compiled.run(readDocument('hl7v2', two));
    assert.ok(violations.some(({ rule }) => rule === 'MAPPING_AMBIGUOUS'));
  });
});

describe('CSV', () => {
  test('is read with quotes, every line end and any separator', () => {
    assert.deepEqual(parseCsv('\uFEFFa,b\r\n"x, ""y""\n",2\r3,\n\n'), [
      ['a', 'b'],
      ['x, "y"\n', '2'],
      ['3', ''],
    ]);
    assert.deepEqual(readDocument('csv', 'a;b\n1,50;2'), { rows: [{ a: '1,50', b: '2' }] });
  });
  test('keeps every cell on the way out and in', () => {
    const cell = fc.string({ maxLength: 6, unit: fc.constantFrom('a', '"', ',', '\n', '\r', ' ', '1') });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 8 }), (rows) => {
        assert.deepEqual(parseCsv(writeCsv(rows)), rows);
      }),
    );
  });
  test('groups lines that repeat their header', () => {
    const read = readDocument('csv', 'po,sku\nP1,A\nP1,B\nP2,C\n', { groupBy: ['po'] }) as {
      rows: { po: string; lines: unknown[] }[];
    };
    assert.deepEqual(
      read.rows.map(({ po, lines }) => [po, lines.length]),
      [
        ['P1', 2],
        ['P2', 1],
      ],
    );
  });
  test('that is malformed is refused', () => {
    assert.equal(refused('csv', 'a,b\n"x'), 'CSV_SYNTAX');
    assert.equal(refused('csv', 'a,b\n"x"y,1'), 'CSV_SYNTAX');
    assert.equal(refused('csv', 'a,a\n1,2'), 'CSV_DUPLICATE_COLUMN');
    assert.equal(refused('csv', 'a,__proto__\n1,2'), 'CSV_FORBIDDEN_COLUMN');
    assert.equal(refused('csv', 'a\n1,2'), 'CSV_ROW_TOO_LONG');
  });
});

describe('hostile documents', () => {
  test('in bytes that are not of their character set are refused, not guessed', () => {
    const latin = Buffer.from('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>', 'latin1');
    assert.deepEqual(readDocument('xml', latin), { a: 'é' });
    assert.deepEqual(readDocument('xml', Buffer.from('\uFEFF<a>é</a>', 'utf16le')), { a: 'é' });
    for (const format of ['json', 'xml', 'csv', 'x12', 'hl7v2'] as const) {
      assert.equal(refused(format, Buffer.from([0x3c, 0xe9, 0x28])), 'TEXT_ENCODING', format);
    }
    assert.equal(refused('xml', Buffer.from('<?xml version="1.0" encoding="no-such-set"?><a/>')), 'TEXT_ENCODING');
  });

  test('that are too large are refused before they are read', () => {
    for (const format of ['json', 'xml', 'csv', 'x12', 'hl7v2'] as const) {
      assert.equal(refused(format, Buffer.alloc(byteLimit + 1, 0x20)), 'DOCUMENT_TOO_LARGE', format);
    }
  });

  test('of any text end in a tree or in a data-quality failure, never in a crash', () => {
    const pieces = fc.constantFrom(
      '<',
      '>',
      '/',
      '"',
      '=',
      'a',
      ' ',
      '&',
      ';',
      '!',
      '-',
      '[',
      ']',
      '?',
      'ISA*',
      '~',
      '\n',
      'MSH|^~\\&|',
      '|',
      '\\',
      ',',
      '{',
      '}',
      ':',
      '1',
      '\u0000',
    );
    fc.assert(
      fc.property(
        fc.constantFrom('json', 'xml', 'csv', 'x12', 'hl7v2' as DocumentFormat),
        fc.string({ unit: pieces, maxLength: 60 }),
        (format, text) => {
          refused(format, text);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('cut off at any place are refused by the formats that can know', () => {
    for (const [id, format] of [
      ['ubl-order-to-order', 'xml'],
      ['x12-850-to-order', 'x12'],
    ] as const) {
      const text = sampleOf(id).trimEnd();
      for (let end = 1; end < text.length - 1; end += 37)
        assert.notEqual(refused(format, text.slice(0, end)), 'read', `${id} ${end}`);
    }
  });
});

describe('shipped samples of every format', () => {
  test('map to valid entities with what matters in its place', () => {
    const order = canonical('ubl-order-to-order', sampleOf('ubl-order-to-order'));
    assert.deepEqual(order.supplier, {
      identifiers: [
        { type: 'GLN', value: '4000009000021' },
        { type: 'CODE', value: 'ACME' },
      ],
      name: 'Acme Medical',
    });
    const [line] = order.lines as Record<string, unknown>[];
    assert.deepEqual(line!.quantity, { value: '10', unit: '{box}', pack: { code: 'XBX' } });
    const credit = canonical('ubl-credit-note-to-invoice', sampleOf('ubl-credit-note-to-invoice'));
    assert.equal(credit.kind, 'credit');
    const requisition = canonical('hl7-oms-to-requisition', sampleOf('hl7-oms-to-requisition'));
    assert.equal((requisition.lines as unknown[]).length, 2);
    const charge = canonical('hl7-dft-to-charge', sampleOf('hl7-dft-to-charge'));
    assert.doesNotMatch(JSON.stringify(charge), /MRN9|DOE/, 'neither the record number nor the name of the patient');
    const fhir = canonical('fhir-supply-request-to-requisition', sampleOf('fhir-supply-request-to-requisition'));
    assert.equal(
      (fhir.lines as { quantity: { value: string } }[])[0]!.quantity.value,
      '10.50',
      'FHIR decimals keep their zeros',
    );
    const response = canonical('x12-855-to-order-response', sampleOf('x12-855-to-order-response'));
    assert.deepEqual(
      (response.lines as { response: string }[]).map((each) => each.response),
      ['changed', 'accepted'],
    );
  });

  test('a UBL order is the same order after it has been written and read again', () => {
    const order = canonical('ubl-order-to-order', sampleOf('ubl-order-to-order'));
    const out = library.get('order-to-ubl-order');
    const { value, violations } = out.run(order);
    assert.deepEqual(violations, []);
    assert.ok('format' in out.mapping.target);
    const text = writeDocument('xml', value, out.mapping.target.options);
    assert.match(
      text,
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Order xmlns="urn:oasis:names:specification:ubl:schema:xsd:Order-2"/,
    );
    assert.match(text, /<cbc:Quantity unitCode="XBX">10<\/cbc:Quantity>/);
    assert.deepEqual(canonical('ubl-order-to-order', text), order);
  });

  test('500 lines take no more than 500 lines should', () => {
    const text = sampleOf('ubl-order-to-order');
    const [line] = /<cac:OrderLine>.*<\/cac:OrderLine>/.exec(text)!;
    const lines = Array.from({ length: 500 }, (_, i) =>
      line!.replace('<cbc:ID>1</cbc:ID>', `<cbc:ID>${i + 1}</cbc:ID>`),
    );
    const order = canonical('ubl-order-to-order', text.replace(line!, lines.join('\n')));
    assert.equal((order.lines as unknown[]).length, 500);
  });
});
