/** Limits along the procurement flow fit one another: what is accepted with 202 is never too large further on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMapper } from '../../nodes/canonical/mapper.ts';
import { MappingLibrary } from '../../nodes/canonical/mappings/library.ts';
import { parseJson } from '../../nodes/kernel/json.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { procurementFlow, supplierOrder } from './stack.ts';

test('an order as large as the webhook takes is one that the consumer takes, whatever the mapping adds to it', () => {
  const flow = procurementFlow();
  const limitOf = (type: string, name: string) => Number(flow.find((node) => node.type === type)![name]);
  const lines = limitOf('webhook-verifier', 'maxMembers');
  // The shortest lines grow the most, as every name that the mapping adds comes once a line.
  const shortest = (_: unknown, at: number) => ({ lineNo: at + 1, sku: 'A', qty: '1', unit: 'EA', unitPrice: '1' });
  const body = supplierOrder('B-1', { lines: Array.from({ length: lines }, shortest) });
  const size = limitOf('webhook-verifier', 'bodyLimit') * 1024;
  assert.ok(body.length < size, 'the largest number of lines is what bounds such an order');
  const message: FlowMessage = {
    payload: parseJson(body),
    event: { id: 'e', source: 's', type: 't', time: '2026-11-23T09:15:02Z', correlationid: 'c' },
  };
  void createMapper(
    { mode: 'to-canonical', mapping: new MappingLibrary().get('supplier-order-json-to-order') },
    'n',
  )(message);
  const grown = JSON.stringify(message.payload).length;
  // A body of full size with lines of that kind grows by the same factor.
  const largest = Math.max(grown, (grown / body.length) * size);
  const taken = limitOf('amqp-consume', 'maxBody') * 1024;
  assert.ok(largest <= taken, `${Math.ceil(largest / 1024)} KiB would be accepted, the consumer takes ${taken / 1024}`);
});
