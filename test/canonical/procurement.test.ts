/** The shipped mappings of the procurement flow, and the way from a message to a message. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createMapper } from '../../nodes/canonical/mapper.ts';
import { reverseMapping } from '../../nodes/canonical/mapping/reverse.ts';
import { externalId } from '../../nodes/canonical/mapping/transforms.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { validatorOf } from '../../nodes/canonical/model/validate.ts';
import { preview } from '../../nodes/canonical/preview.ts';
import type { Failure } from '../../nodes/kernel/failure.ts';
import { parseJson } from '../../nodes/kernel/json.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { supplierOrder, withLine } from './order.ts';

const library = new MappingLibrary();
const toCanonical = createMapper({ mode: 'to-canonical', mapping: library.get('supplier-order-json-to-order') }, 'n1');
const toOdoo = createMapper({ mode: 'from-canonical', mapping: library.get('order-to-odoo-purchase-order') }, 'n2');

function message(payload: unknown): FlowMessage {
  return {
    payload,
    event: { id: 'e1', source: 'urn:acme', type: 'order.received', time: '2026-11-23T09:15:02Z', correlationid: 'c1' },
  };
}

function failureOf(work: () => void): Failure {
  try {
    work();
  } catch (error) {
    return error as Failure;
  }
  throw new assert.AssertionError({ message: 'it did not fail' });
}

test('every shipped mapping can be deployed', () => {
  assert.deepEqual(
    library.list().filter(({ problems }) => problems.length > 0),
    [],
  );
  assert.deepEqual(library.problems(), []);
});

test('every lookup table says its owner and version, and one of a user that does not is told', () => {
  for (const [name, { owner, version, title }] of library.tables()) {
    assert.ok(
      [owner, version, title].every((words) => words !== undefined && words !== ''),
      name,
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'mappings-'));
  try {
    mkdirSync(join(folder, 'lookups'));
    writeFileSync(join(folder, 'lookups', 'ours.json'), JSON.stringify({ version: '1.0.0', entries: [] }));
    const own = new MappingLibrary(folder);
    assert.deepEqual(own.problems(), [
      { message: 'The lookup table ours.json does not say its owner', severity: 'warning' },
    ]);
    assert.ok(own.tables().has('ours'), 'it is used all the same');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('every shipped sample maps to a valid document, and no field of it is forgotten unseen', () => {
  process.env.HEALTHFLOWS_PSEUDONYM_KEY = 'only for the samples of this test';
  for (const { id } of library.list()) {
    const { sample } = library.source(id);
    if (sample === undefined) continue;
    const shown = preview(library.get(id), typeof sample === 'string' ? sample : JSON.stringify(sample));
    assert.deepEqual(shown.violations, [], id);
  }
});

describe("a supplier's order", () => {
  test('becomes a canonical order', () => {
    const msg = message(structuredClone(supplierOrder));
    void toCanonical(msg);
    const { meta, ...order } = msg.payload as Record<string, unknown>;
    assert.deepEqual(order, {
      number: 'PO-1001',
      issueDate: '2026-11-23',
      issuedAt: '2026-11-23T10:15:00+01:00',
      currency: 'EUR',
      buyer: { identifiers: [{ type: 'GLN', value: '4000009000014' }] },
      supplier: { identifiers: [{ type: 'CODE', value: 'ACME' }] },
      shipTo: { identifiers: [{ type: 'SITE', value: 'WH' }] },
      note: 'Dock 4',
      lines: [
        {
          number: '1',
          product: { identifiers: [{ type: 'SKU', value: 'GLOVE-M' }] },
          description: 'Gloves',
          quantity: { value: '10', unit: '{box}', pack: { code: 'BX', perBase: '10' } },
          unitPrice: { amount: '235.40', currency: 'EUR' },
          neededBy: '2026-12-01',
        },
        {
          number: '2',
          product: { identifiers: [{ type: 'SKU', value: 'SYR-10' }] },
          quantity: { value: '200', unit: '{each}', pack: { code: 'EA' } },
          unitPrice: { amount: '0.1', currency: 'EUR' },
        },
      ],
    });
    assert.deepEqual(meta, {
      schema: 'urn:healthflows:canonical:order:1.0.0',
      schemaVersion: '1.0.0',
      source: 'urn:acme',
      recordedAt: '2026-11-23T09:15:02Z',
      mapping: { id: 'supplier-order-json-to-order', version: '1.1.0' },
      classification: 'C',
    });
  });

  test('describes itself in the event, and keeps what the event already says', () => {
    const msg = message(structuredClone(supplierOrder));
    void toCanonical(msg);
    assert.deepEqual(msg.event, {
      id: 'e1',
      source: 'urn:acme',
      type: 'order.received',
      time: '2026-11-23T09:15:02Z',
      correlationid: 'c1',
      dataschema: 'urn:healthflows:canonical:order:1.0.0',
      subject: 'ACME/PO-1001',
      partitionkey: 'ACME/PO-1001',
      sensitivity: 'C',
    });
  });

  test('is the same document at every replay, from text, bytes or a tree', () => {
    const text = JSON.stringify(supplierOrder);
    const results = [text, Buffer.from(text), Buffer.from(`\uFEFF${text}`), parseJson(text)].map((payload) => {
      const msg = message(payload);
      void toCanonical(msg);
      return msg.payload;
    });
    for (const result of results) assert.deepEqual(result, results[0]);
  });

  test('may send numbers as JSON numbers: no digit is lost', () => {
    const msg = message(
      '{"orderNumber":77,"orderDate":"2026-11-23","currency":"EUR","supplier":{"code":"ACME"},"lines":[{"lineNo":1,"sku":"A","qty":2.50,"unit":"KGM","unitPrice":235.40}]}',
    );
    void toCanonical(msg);
    const { number, lines } = msg.payload as {
      number: string;
      lines: { quantity: { value: string }; unitPrice: { amount: string } }[];
    };
    assert.equal(number, '77');
    assert.equal(lines[0]!.quantity.value, '2.50');
    assert.equal(lines[0]!.unitPrice.amount, '235.40');
  });

  test('with faults is refused with all of them, by pointer, without a value of it', () => {
    const failure = failureOf(() => toCanonical(message(withLine({ qty: 'ten', unit: 'HANDFUL', sku: undefined }))));
    assert.equal(failure.class, 'data-quality');
    const { violations, count } = failure.detail as { violations: { path: string; rule: string }[]; count: number };
    assert.equal(count, 3);
    assert.deepEqual(violations.map(({ path, rule }) => `${path} ${rule}`).sort(), [
      '/lines/0/qty MAPPING_INVALID_VALUE',
      '/lines/0/sku MAPPING_REQUIRED_MISSING',
      '/lines/0/unit MAPPING_UNMAPPED_VALUE',
    ]);
    assert.doesNotMatch(JSON.stringify(failure.toRecord()), /HANDFUL|ten"/);
  });

  test('that maps but is not valid is a schema violation', () => {
    const twice = { ...supplierOrder, lines: [supplierOrder.lines[0], { ...supplierOrder.lines[1], lineNo: 1 }] };
    const failure = failureOf(() => toCanonical(message(twice)));
    assert.equal(failure.code, 'SCHEMA_VIOLATION');
    assert.deepEqual(
      (failure.detail as { violations: { path: string }[] }).violations.map(({ path }) => path),
      ['/lines'],
    );
  });

  test('that is no document at all is data-quality, too', () => {
    for (const payload of [
      undefined,
      null,
      42,
      '',
      'not json',
      '[1',
      new Uint8Array([0xff, 0xfe, 0xfd]),
      '{"__proto__":{"x":1}}',
    ]) {
      assert.equal(failureOf(() => toCanonical(message(payload))).class, 'data-quality', String(payload));
    }
  });
});

describe('the Odoo document of an order', () => {
  const documentOf = (source: unknown): Record<string, unknown> => {
    const msg = message(structuredClone(source));
    void toCanonical(msg);
    void toOdoo(msg);
    assert.equal(msg.event?.subject, 'ACME/PO-1001');
    assert.equal(msg.event?.dataschema, undefined);
    return msg.payload as Record<string, unknown>;
  };

  test('is what odoo-rpc upserts', () => {
    assert.deepEqual(documentOf(supplierOrder), {
      externalId: 'hf_orders.po_ACME_PO__2d1001',
      values: {
        partner_id: { match: { ref: 'ACME' } },
        partner_ref: 'PO-1001',
        currency_id: { match: { name: 'EUR' } },
        date_order: '2026-11-23T09:15:00Z',
        note: 'Dock 4',
        order_line: [
          {
            externalId: 'hf_orders.po_ACME_PO__2d1001_1',
            values: {
              sequence: 1,
              product_id: { match: { default_code: 'GLOVE-M' } },
              name: 'Gloves',
              product_qty: '10',
              product_uom_id: { match: { name: 'Box of 10' } },
              price_unit: '235.40',
              date_planned: '2026-12-01T12:00:00Z',
            },
          },
          {
            externalId: 'hf_orders.po_ACME_PO__2d1001_2',
            values: {
              sequence: 2,
              product_id: { match: { default_code: 'SYR-10' } },
              name: 'SYR-10',
              product_qty: '200',
              product_uom_id: { match: { name: 'Units' } },
              price_unit: '0.1',
            },
          },
        ],
      },
    });
  });

  test('never takes a box for a piece: a package that the table does not have is an error', () => {
    const msg = message(withLine({ packSize: '7' }));
    void toCanonical(msg);
    const failure = failureOf(() => toOdoo(msg));
    assert.equal(failure.code, 'MAPPING_UNMAPPED_VALUE');
  });

  test('lets additions of a newer sender pass', () => {
    const msg = message(structuredClone(supplierOrder));
    void toCanonical(msg);
    (msg.payload as Record<string, unknown>).addedInVersion1_1 = 'x';
    void toOdoo(msg);
    assert.equal((msg.payload as { externalId: string }).externalId, 'hf_orders.po_ACME_PO__2d1001');
  });

  test('comes back as the same order, on every mapped field', () => {
    const reversed = reverseMapping(library.source('order-to-odoo-purchase-order'), library.tables());
    assert.ok(reversed.coverage > 0.8, `coverage ${reversed.coverage}`);
    assert.ok(reversed.left.length > 0, 'the rows without a way back are listed');
    const there = library.get('order-to-odoo-purchase-order');
    const back = library.compile(reversed.mapping);
    const validate = validatorOf('order', 'strict');
    fc.assert(
      fc.property(canonicalOrder(), (order) => {
        assert.deepEqual(validate(order).violations, []);
        const odoo = there.run(order);
        assert.deepEqual(odoo.violations, []);
        const again = back.run(odoo.value);
        assert.deepEqual(again.violations, []);
        assert.deepEqual(again.value, order);
      }),
      { numRuns: 200 },
    );
  });
});

/** Orders of the fields that have a home in Odoo. */
function canonicalOrder(): fc.Arbitrary<Record<string, unknown>> {
  const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9 ./_-]{0,18}[A-Za-z0-9]$/);
  const decimal = fc.tuple(fc.nat(999_999), fc.stringMatching(/^\d{1,4}$/)).map(([whole, part]) => `${whole}.${part}`);
  const day = fc
    .date({ min: new Date('2020-01-01'), max: new Date('2035-12-31'), noInvalidDate: true })
    .map((d) => d.toISOString().slice(0, 10));
  const packs = [
    ['{each}', 'EA', '1'],
    ['{box}', 'BX', '10'],
    ['{box}', 'BX', '100'],
    ['{pack}', 'PK', '6'],
    ['{dozen}', 'DZN', '12'],
    ['{carton}', 'CT', '1000'],
  ] as const;
  const pointer = (type: string, value: string) => ({ identifiers: [{ type, value }] });
  return fc
    .record({
      number: word,
      code: word,
      currency: fc.constantFrom('EUR', 'USD', 'JPY', 'KWD'),
      issueDate: day,
      note: fc.option(word, { nil: undefined }),
    })
    .chain(({ number, code, currency, issueDate, note }) => {
      const line = fc.record({
        sku: word,
        description: word,
        value: decimal,
        pack: fc.constantFrom(...packs),
        price: fc.option(decimal, { nil: undefined }),
        discount: fc.option(decimal, { nil: undefined }),
        neededBy: fc.option(day, { nil: undefined }),
      });
      return fc.array(line, { minLength: 1, maxLength: 20 }).map((lines) => ({
        supplier: pointer('CODE', code),
        number,
        currency,
        issueDate,
        ...(note === undefined ? {} : { note }),
        lines: lines.map(
          ({ sku, description, value, pack: [unit, packCode, perBase], price, discount, neededBy }, i) => ({
            number: String(i + 1),
            product: pointer('SKU', sku),
            description,
            quantity: { value, unit, pack: { code: packCode, perBase } },
            ...(price === undefined ? {} : { unitPrice: { amount: price, currency } }),
            ...(discount === undefined ? {} : { discountPercent: discount }),
            ...(neededBy === undefined ? {} : { neededBy }),
          }),
        ),
      }));
    });
}

describe('external ids', () => {
  test('are made of letters, digits and underscores, and differ whenever their keys do', () => {
    const part = fc.string({
      minLength: 1,
      maxLength: 8,
      unit: fc.constantFrom('a', 'B', '1', '_', '-', '2', 'd', '.', 'é', ' '),
    });
    fc.assert(
      fc.property(fc.tuple(part, part), fc.tuple(part, part), (a, b) => {
        const [x, y] = [externalId('hf_orders', 'po', a), externalId('hf_orders', 'po', b)];
        assert.match(x, /^hf_orders\.[A-Za-z0-9_]+$/);
        return (x === y) === (a[0] === b[0] && a[1] === b[1]);
      }),
      { numRuns: 2_000 },
    );
  });
  test('of an order and of its lines never meet', () => {
    assert.notEqual(externalId('m', 'po', ['A', 'B_1']), externalId('m', 'po', ['A', 'B', '1']));
  });
});

describe('validating and projecting', () => {
  const canonical = () => {
    const msg = message(structuredClone(supplierOrder));
    void toCanonical(msg);
    return msg.payload;
  };

  test('a valid document passes and is described', () => {
    const msg: FlowMessage = { _msgid: 'm1', payload: canonical() };
    void createMapper({ mode: 'validate', entity: 'order', reading: 'strict' }, 'n3')(msg);
    assert.equal(msg.event?.id, 'm1');
    assert.equal(msg.event?.type, 'healthflows.canonical.order.v1');
    assert.equal(msg.event?.subject, 'ACME/PO-1001');
  });

  test('a minimised document carries no price, and its event says so', () => {
    const msg = message(canonical());
    void createMapper({ mode: 'project', entity: 'order', projection: { allow: ['P', 'I'], mode: 'drop' } }, 'n4')(msg);
    assert.doesNotMatch(JSON.stringify(msg.payload), /235\.40/);
    assert.equal(msg.event?.sensitivity, 'I');
    assert.equal(msg.event?.subject, 'ACME/PO-1001');
  });

  test('a mapping in the wrong direction is a setting to correct, found when the node starts', () => {
    const mapping = library.get('order-to-odoo-purchase-order');
    assert.throws(() => createMapper({ mode: 'to-canonical', mapping }, 'n5'), {
      class: 'configuration',
      code: 'MAPPING_DIRECTION',
    });
  });
});

describe('the user directory', () => {
  test("has mappings and tables that take a shipped one's place, and says what is wrong with a broken one", () => {
    const folder = mkdtempSync(join(tmpdir(), 'hf-mappings-'));
    try {
      mkdirSync(join(folder, 'lookups'));
      const own = { ...library.source('supplier-order-json-to-order'), version: '2.0.0', title: 'Ours' };
      writeFileSync(join(folder, 'ours.json'), JSON.stringify(own));
      writeFileSync(join(folder, 'broken.json'), '{"id":');
      writeFileSync(
        join(folder, 'wrong.json'),
        JSON.stringify({ ...own, id: 'wrong', rows: [{ from: 'a', to: 'colour' }] }),
      );
      writeFileSync(
        join(folder, 'lookups', 'pack-to-odoo-uom.json'),
        JSON.stringify({ entries: [{ from: 'BX/10', to: 'Our box' }] }),
      );
      const both = new MappingLibrary(folder);
      const byId = new Map(both.list().map((summary) => [summary.id, summary]));
      assert.equal(byId.get('supplier-order-json-to-order')?.version, '2.0.0');
      assert.equal(byId.get('supplier-order-json-to-order')?.origin, 'user');
      assert.equal(byId.get('broken')?.problems.length, 1);
      assert.throws(() => both.get('wrong'), { class: 'configuration', code: 'MAPPING_INVALID' });
      assert.throws(() => both.get('nowhere'), { class: 'configuration', code: 'MAPPING_UNKNOWN' });
      assert.equal(both.tables().get('pack-to-odoo-uom')?.entries[0]?.to, 'Our box');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('the preview', () => {
  test('shows each row’s value and error, what no row reads, and what is missing', () => {
    const sample = JSON.stringify({ ...withLine({ qty: 'ten' }), colour: 'red', orderNumber: undefined });
    const shown = preview(library.get('supplier-order-json-to-order'), sample);
    assert.deepEqual(shown.unmapped, ['colour']);
    const { mapping } = library.get('supplier-order-json-to-order');
    const rows = mapping.rows.filter(({ from }) => from !== 'note' && from !== 'lines[].description');
    const wordy = library.compile({
      ...mapping,
      rows: [
        ...rows,
        { jsonata: '$uppercase(note) & supplier.code', to: 'note' },
        { jsonata: 'description & " (" & $document.buyer.gln & ")"', to: 'lines[].description', each: 'lines[]' },
      ],
    });
    const text = JSON.stringify({ ...supplierOrder, colour: 'red' });
    assert.deepEqual(preview(wordy, text, { expressions: new Map() }).unmapped, ['colour'], 'JSONata rows read fields');
    assert.ok(shown.missing.includes('/number'));
    const quantity = shown.rows.find(({ target }) => target === 'lines[0].quantity.value')!;
    assert.equal(quantity.outcome, 'error');
    assert.equal(quantity.value, 'ten');
    assert.equal(quantity.runs, 2);
    assert.match(quantity.error!, /decimal/);
    const supplier = shown.rows.find(({ target }) => target === 'supplier.identifiers[type=CODE].value')!;
    assert.equal(supplier.result, 'ACME');
  });
});
