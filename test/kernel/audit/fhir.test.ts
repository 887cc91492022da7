/**
 * The export as FHIR, held against the structure of AuditEvent as R4 (4.0.1) defines it: elements, cardinalities, types,
 * codes and the invariant sev-1. An element that R4 does not know is a fault.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditEventOf } from '../../../nodes/kernel/audit/fhir.ts';
import { type AuditEntry, exportAudit } from '../../../nodes/kernel/audit/index.ts';
import { storesUnderTest } from '../../support/store.ts';
import { record } from './operations.ts';

/** Type of an element: a primitive, or the elements of a complex one. `1..1`, `0..*` and so on. */
type Elements = Record<string, [cardinality: string, type: string | Elements]>;

const primitives: Record<string, (value: unknown) => boolean> = {
  id: (value) => typeof value === 'string' && /^[A-Za-z0-9\-.]{1,64}$/.test(value),
  // No leading or trailing white space, no empty text.
  code: (value) => typeof value === 'string' && /^[^\s]+(\s[^\s]+)*$/.test(value),
  uri: (value) => typeof value === 'string' && /^\S+$/.test(value),
  string: (value) => typeof value === 'string' && /^[ \r\n\t\S]+$/.test(value) && value.trim() !== '',
  boolean: (value) => typeof value === 'boolean',
  instant: (value) =>
    typeof value === 'string' &&
    /^([1-9]\d{3}|0\d{3})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(
      value,
    ),
  base64Binary: (value) => typeof value === 'string' && /^[A-Za-z0-9+/]+=*$/.test(value),
};

const coding: Elements = {
  system: ['0..1', 'uri'],
  version: ['0..1', 'string'],
  code: ['0..1', 'code'],
  display: ['0..1', 'string'],
  userSelected: ['0..1', 'boolean'],
};
const concept: Elements = { coding: ['0..*', coding], text: ['0..1', 'string'] };
const period: Elements = { start: ['0..1', 'instant'], end: ['0..1', 'instant'] };
const identifier: Elements = {
  use: ['0..1', 'code'],
  type: ['0..1', concept],
  system: ['0..1', 'uri'],
  value: ['0..1', 'string'],
  period: ['0..1', period],
};
const reference: Elements = {
  reference: ['0..1', 'string'],
  type: ['0..1', 'uri'],
  identifier: ['0..1', identifier],
  display: ['0..1', 'string'],
};
const auditEvent: Elements = {
  resourceType: ['1..1', 'code'],
  id: ['0..1', 'id'],
  type: ['1..1', coding],
  subtype: ['0..*', coding],
  action: ['0..1', 'code'],
  period: ['0..1', period],
  recorded: ['1..1', 'instant'],
  outcome: ['0..1', 'code'],
  outcomeDesc: ['0..1', 'string'],
  purposeOfEvent: ['0..*', concept],
  agent: [
    '1..*',
    {
      type: ['0..1', concept],
      role: ['0..*', concept],
      who: ['0..1', reference],
      altId: ['0..1', 'string'],
      name: ['0..1', 'string'],
      requestor: ['1..1', 'boolean'],
      location: ['0..1', reference],
      policy: ['0..*', 'uri'],
      media: ['0..1', coding],
      network: ['0..1', { address: ['0..1', 'string'], type: ['0..1', 'code'] }],
      purposeOfUse: ['0..*', concept],
    },
  ],
  source: ['1..1', { site: ['0..1', 'string'], observer: ['1..1', reference], type: ['0..*', coding] }],
  entity: [
    '0..*',
    {
      what: ['0..1', reference],
      type: ['0..1', coding],
      role: ['0..1', coding],
      lifecycle: ['0..1', coding],
      securityLabel: ['0..*', coding],
      name: ['0..1', 'string'],
      description: ['0..1', 'string'],
      query: ['0..1', 'base64Binary'],
      detail: [
        '0..*',
        { type: ['1..1', 'string'], valueString: ['0..1', 'string'], valueBase64Binary: ['0..1', 'base64Binary'] },
      ],
    },
  ],
};

/** Required bindings of R4. */
const actions = ['C', 'R', 'U', 'D', 'E'];
const outcomes = ['0', '4', '8', '12'];

type Json = Record<string, unknown>;

function faultsOf(value: unknown, elements: Elements, path: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path} is no object`];
  const faults: string[] = [];
  // FHIR: an object is never empty.
  if (Object.keys(value).length === 0) faults.push(`${path} is empty`);
  for (const name of Object.keys(value)) if (!Object.hasOwn(elements, name)) faults.push(`${path}.${name} is unknown`);
  for (const [name, [cardinality, type]] of Object.entries(elements)) {
    const found = (value as Json)[name];
    const many = cardinality.endsWith('*');
    const place = `${path}.${name}`;
    if (found === undefined) {
      if (cardinality.startsWith('1')) faults.push(`${place} is missing`);
      continue;
    }
    if (many !== Array.isArray(found)) faults.push(`${place} is ${many ? 'no list' : 'a list'}`);
    const items = (Array.isArray(found) ? found : [found]) as unknown[];
    if (items.length === 0) faults.push(`${place} is an empty list`);
    for (const item of items) {
      if (typeof type !== 'string') faults.push(...faultsOf(item, type, place));
      else if (!primitives[type]!(item)) faults.push(`${place} is no ${type}: ${JSON.stringify(item)}`);
    }
  }
  return faults;
}

function check(event: unknown): string[] {
  const faults = faultsOf(event, auditEvent, 'AuditEvent');
  const { resourceType, action, outcome, entity = [] } = event as Json & { entity?: Json[] };
  if (resourceType !== 'AuditEvent') faults.push('resourceType');
  if (action !== undefined && !actions.includes(action as string)) faults.push('action');
  if (outcome !== undefined && !outcomes.includes(outcome as string)) faults.push('outcome');
  for (const { name, query, detail = [] } of entity) {
    if (name !== undefined && query !== undefined) faults.push('sev-1');
    for (const one of detail as Json[])
      if ((one.valueString === undefined) === (one.valueBase64Binary === undefined))
        faults.push('detail.value[x] 1..1');
  }
  return faults;
}

const entries: AuditEntry[] = [
  { action: 'message.accepted', outcome: 'success', actor: 'acme', subject: 'PO-1', correlationId: 'c-1', node: 'n1' },
  { action: 'message.rejected', outcome: 'failure', actor: 'unknown', reason: 'SIGNATURE_INVALID' },
  { action: 'deadletter.revealed', outcome: 'success', actor: 'ada', subject: 'PO-2', reason: 'call from ward 3' },
  {
    action: 'deadletter.discarded',
    outcome: 'success',
    actor: 'ada',
    reason: 'doubled',
    detail: { count: 3, none: null },
  },
  { action: 'configuration.changed', outcome: 'success', actor: 'ada', detail: { changed: 'url', credentials: true } },
  { action: 'audit.exported', outcome: 'success', actor: 'ada' },
  { action: 'a', outcome: 'failure', actor: '', subject: ' ', reason: '', detail: { '': 'x', empty: '', zero: 0 } },
];

for (const { name, options, fresh } of storesUnderTest()) {
  test(`each entry is an AuditEvent as R4 defines it, and keeps its hash (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    await store.run(record, entries);
    const plain: Json[] = [];
    for await (const line of exportAudit(store)) plain.push(JSON.parse(line) as Json);
    const events: Json[] = [];
    for await (const line of exportAudit(store, {}, { kind: 'fhir', observer: 'orders' })) {
      assert.ok(line.endsWith('\n') && !line.slice(0, -1).includes('\n'));
      events.push(JSON.parse(line) as Json);
    }
    assert.equal(events.length, entries.length);
    for (const [index, event] of events.entries()) {
      assert.deepEqual(check(event), [], entries[index]!.action);
      const [{ detail }] = event.entity as [{ detail: Json[] }];
      assert.deepEqual(
        detail.find(({ type }) => type === 'hash'),
        { type: 'hash', valueString: plain[index]!.hash },
      );
      assert.equal(event.recorded, plain[index]!.at);
    }
    assert.deepEqual(
      events.map(({ action, outcome }) => `${String(action)}${String(outcome)}`),
      ['C0', 'E4', 'R0', 'D0', 'U0', 'R0', 'E4'],
    );
    assert.equal(events[1]!.outcomeDesc, 'SIGNATURE_INVALID');
    assert.deepEqual(events[2]!.purposeOfEvent, [{ text: 'call from ward 3' }]);
  });
}

test('the check of the structure sees what is wrong', () => {
  const good = auditEventOf(
    { seq: 1, at: 0, action: 'a', outcome: 'success', actor: 'x', hash: 'aa' },
    { observer: 'o' },
  ) as Json;
  assert.deepEqual(check(good), []);
  const { recorded: _, ...without } = good;
  for (const bad of [
    without,
    { ...good, agent: [] },
    { ...good, agent: [{ who: { identifier: { value: 'x' } } }] },
    { ...good, recorded: '2026-11-29' },
    { ...good, action: 'X' },
    { ...good, severity: 'high' },
    { ...good, type: [good.type] },
    { ...good, entity: [{ name: 'a', query: 'YQ==' }] },
    { ...good, entity: [{ detail: [{ type: 'a' }] }] },
    { ...good, outcomeDesc: '' },
  ]) {
    assert.notEqual(check(bad).length, 0, JSON.stringify(bad));
  }
});
