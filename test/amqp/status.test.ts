/** What the dot of a node says of its connection: back-pressure is yellow, and no error. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineState } from '../../nodes/amqp/engines/engine.ts';
import type { AmqpConnectionService } from '../../nodes/amqp/service.ts';
import { ConnectionLight, type Working } from '../../nodes/amqp/status.ts';
import { waitUntil } from '../support/processes.ts';

test('an alarm of the broker is yellow, its absence and a wrong setting are red, and it goes back to work', async () => {
  const listeners = new Set<() => void>();
  const connection = {
    state: { kind: 'ready', server: 'RabbitMQ' } as EngineState,
    onState(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const shown: string[] = [];
  let working: Working = { text: '3/20 in flight' };
  const light = new ConnectionLight(
    connection as unknown as AmqpConnectionService,
    (kind, text) => shown.push(`${kind}: ${text}`),
    () => working,
  );
  const shows = (expected: string) => waitUntil(expected, () => shown.at(-1) === expected);
  const turn = (state: EngineState) => {
    connection.state = state;
    for (const listener of listeners) listener();
  };
  await shows('working: 3/20 in flight');
  turn({ kind: 'blocked', reason: 'low on memory' });
  assert.equal(shown.at(-1), 'waiting: broker blocks: memory or disk');
  turn({ kind: 'down', problem: 'away' });
  assert.equal(shown.at(-1), 'down: broker does not answer');
  turn({ kind: 'misconfigured', problem: 'no vhost' });
  assert.equal(shown.at(-1), 'failed: misconfigured, see log');
  working = { text: 'queue hf.lab does not answer', waiting: true };
  turn({ kind: 'ready', server: 'RabbitMQ', problem: 'The queue "hf.lab" does not answer.' });
  light.refresh();
  await shows('waiting: queue hf.lab does not answer');
  light.stop();
  assert.equal(listeners.size, 0);
});
