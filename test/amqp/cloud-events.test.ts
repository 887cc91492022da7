import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { eventOf, flowMessage, outgoingMessage } from '../../nodes/amqp/cloud-events.ts';
import type { IncomingDelivery } from '../../nodes/amqp/engines/engine.ts';
import { deadLetterHeaders, deadLetterOf, retryHeaders } from '../../nodes/amqp/failure-headers.ts';
import type { FlowMessage } from '../../nodes/kernel/message.ts';
import { failure } from './engines.ts';

const trace = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function delivered(message: ReturnType<typeof outgoingMessage>): IncomingDelivery {
  const { exchange, routingKey, properties, body } = message;
  return {
    handle: 'h',
    queue: 'q',
    exchange,
    routingKey,
    properties,
    body: Buffer.from(body),
    attempt: 1,
    redelivered: false,
  };
}

function sent(message: FlowMessage) {
  const event = eventOf(message, '/node-red/f1', 'order.placed');
  return outgoingMessage(message.payload, event, { exchange: 'ns.events', routingKey: 'order.placed' });
}

describe('CloudEvents over AMQP', () => {
  test('the parts of a divided message are events of their own, with the same ids each time', () => {
    const event = { id: '1001', source: '/acme', type: 'order.placed' };
    const idsOf = (parts: object[]) => parts.map((part) => eventOf({ event, parts: part }, '/f', 'line.placed'));
    const lines = idsOf([0, 1, 2].map((index) => ({ id: Math.random().toString(), index, count: 3, type: 'array' })));
    assert.deepEqual(
      lines.map(({ id, causationid }) => [id, causationid]),
      [0, 1, 2].map((index) => [`1001.${index}`, '1001']),
    );
    const nested = { index: 0, type: 'string', parts: { index: 2, type: 'array' } };
    assert.equal(eventOf({ event, parts: nested }, '/f', 'k').id, '1001.2.0');
    // Published to a second place it is the same event.
    assert.equal(eventOf({ event: lines[1]!, parts: { index: 1, type: 'array' } }, '/f', 'k').id, '1001.1');
    // What batch numbers is whole.
    assert.equal(eventOf({ event, parts: { id: 'b', index: 1, count: 5 } }, '/f', 'k').id, '1001');
  });

  test('every attribute survives the way there and back; the trace goes on with a span of its own', () => {
    const event = {
      id: '1',
      source: '/s',
      type: 'order.placed',
      subject: '1001',
      time: '2026-11-23T10:00:00Z',
      dataschema: 'urn:x',
      correlationid: 'c',
      causationid: '0',
      partitionkey: 'p',
      sensitivity: 'internal',
      traceparent: trace,
    };
    const message = sent({ payload: { a: '1.10' }, event });
    assert.equal(message.partitionKey, 'p');
    assert.equal(message.properties.headers['cloudEvents:subject'], '1001');
    const got = flowMessage(delivered(message), 'amqp');
    const { traceparent, ...attributes } = got.event!;
    const { traceparent: _parent, ...given } = event;
    assert.deepEqual(attributes, { ...given, specversion: '1.0', datacontenttype: 'application/json' });
    assert.equal(traceparent!.slice(3, 35), trace.slice(3, 35));
    assert.notEqual(traceparent, trace);
    assert.deepEqual(got.payload, { a: '1.10' });
  });

  test('a message without an event gets one; its correlation id is its own id', () => {
    const { properties } = sent({ payload: 'text' });
    assert.equal(properties.headers['cloudEvents:source'], '/node-red/f1');
    assert.equal(properties.type, 'order.placed');
    assert.equal(properties.correlationId, properties.messageId);
    assert.match(properties.contentType, /^text\/plain/);
  });

  test('a plain AMQP message of another system becomes an event', () => {
    const message = sent({ payload: {} });
    message.properties = { messageId: 'm1', contentType: 'application/json', timestamp: 0, headers: {} };
    const { id, source, type, correlationid } = flowMessage(delivered(message), 'amqp').event!;
    assert.deepEqual([id, source, type, correlationid], ['m1', '/amqp/ns.events', 'order.placed', 'm1']);
  });

  test('bytes stay bytes, numbers that a double cannot hold stay text, broken text is refused', () => {
    const bytes = flowMessage(delivered(sent({ payload: Buffer.from([0, 255]) })), 'amqp');
    assert.deepEqual(bytes.payload, Buffer.from([0, 255]));
    const exact = sent({
      payload: '{"price": 235.40}',
      event: { id: '1', source: '/', type: 't', datacontenttype: 'application/x+json' },
    });
    assert.deepEqual(flowMessage(delivered(exact), 'amqp').payload, { price: '235.40' });
    const broken = { ...delivered(exact), body: Buffer.from([0xff, 0xfe]) };
    assert.throws(() => flowMessage(broken, 'amqp'), { code: 'AMQP_NOT_UTF8' });
    const loop: { self?: unknown } = {};
    loop.self = loop;
    assert.throws(() => sent({ payload: loop }), { class: 'data-quality', code: 'AMQP_PAYLOAD' });
  });
});

describe('Attempt history', () => {
  test('the first failure and the origin stay, the latest failure replaces the one before', () => {
    const delivery = delivered(sent({ payload: {} }));
    const once = retryHeaders(delivery, { ...failure, detail: { path: '/a' } }, 1_000);
    const again = { ...delivery, attempt: 2, routingKey: 'q', properties: { ...delivery.properties, headers: once } };
    const headers = deadLetterHeaders(again, { ...failure, code: 'LATER', node: { id: 'n2', type: 'x' } }, 9_000);
    const { failure: read, ...facts } = deadLetterOf({
      ...again,
      queue: 'q.dead',
      properties: { ...again.properties, headers },
    });
    assert.deepEqual(facts, {
      attempt: 2,
      firstFailedAt: '1970-01-01T00:00:01.000Z',
      originQueue: 'q',
      originExchange: 'ns.events',
      originRoutingKey: 'order.placed',
    });
    assert.equal(read.code, 'LATER');
    assert.ok(!JSON.stringify([once, headers]).includes('/a'), 'detail may quote the document and stays in the flow');
    assert.deepEqual(read.node, { id: 'n2', type: 'x' });
  });

  test('a broker’s own headers are not carried along, and an over-long text cannot fill the header table', () => {
    const delivery = delivered(sent({ payload: {} }));
    delivery.properties.headers['x-delivery-count'] = 3;
    const headers = retryHeaders(delivery, { ...failure, message: 'x'.repeat(100_000) }, 0);
    assert.equal(headers['x-delivery-count'], undefined);
    assert.equal(String(headers['x-failure-message']).length, 4096);
  });
});
