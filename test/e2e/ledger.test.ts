import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Ledger } from './ledger.ts';

it('the ledger finds what is lost, doubled and phantom', () => {
  const ledger = new Ledger();
  ledger.record('a', 202);
  ledger.record('b', 503);
  ledger.record('b', 202);
  ledger.record('c', 202);
  ledger.record('d', 401);
  const effects = new Map([
    ['a', 1],
    ['b', 2],
    ['x', 1],
  ]);
  assert.deepEqual(ledger.violations({ effects }), [
    'lost: c was accepted and is nowhere',
    'doubled: b stands in Odoo 2 times',
    'phantom: x stands in Odoo and was never sent',
  ]);
  assert.deepEqual(
    ledger.violations({
      effects: new Map([
        ['a', 1],
        ['b', 1],
      ]),
      dead: new Set(['c']),
    }),
    [],
  );
  assert.deepEqual(ledger.accepted, ['a', 'b', 'c']);
});
