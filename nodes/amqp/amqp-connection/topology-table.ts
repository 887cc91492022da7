/** Everything that a connection declares, row by row, for the dialog: what stands on the broker beside the work queues too. */
import type { MessagingEngine, Topology } from '../engines/engine.ts';
import { deadQueueOf, defaultDeliveryLimit, retryQueueOf } from '../engines/rabbitmq/topology.ts';
import { words } from '../retry-policy.ts';

export interface TopologyRow {
  name: string;
  role: 'exchange' | 'work' | 'retry' | 'dead';
  /** Of a work queue; what the others are depends on the broker's version. */
  type?: 'quorum' | 'classic';
  bindings: { exchange: string; routingKey: string }[];
  /** Keys of the dialog's texts, with their values. */
  terms: { key: string; values?: Record<string, string | number> }[];
}

export function topologyRows(engine: MessagingEngine['kind'], { exchanges, queues }: Topology): TopologyRow[] {
  const rows: TopologyRow[] = exchanges.map((name) => ({
    name,
    role: 'exchange',
    bindings: [],
    terms: [{ key: 'topic' }],
  }));
  for (const queue of queues) {
    const { name, type, bindings, retrySteps: steps, maxLength, singleActiveConsumer, maxPriority } = queue;
    const broker = engine === 'rabbitmq';
    // A classic queue counts no deliveries; there the store does.
    const limit = queue.deliveryLimit ?? defaultDeliveryLimit;
    const terms: TopologyRow['terms'] = [
      { key: 'deliveries', values: { limit } },
      ...(maxLength === undefined ? [] : [{ key: 'length', values: { limit: maxLength.toLocaleString('en') } }]),
      ...(maxPriority === undefined || !broker ? [] : [{ key: 'priorities', values: { highest: maxPriority } }]),
      ...(singleActiveConsumer === true && broker ? [{ key: 'single' }] : []),
      ...(steps === undefined || broker ? [] : [{ key: 'waits', values: { steps: steps.map(words).join(', ') } }]),
    ];
    rows.push({ name, role: 'work', ...(broker ? { type } : {}), bindings, terms });
    if (steps === undefined) continue;
    for (const step of broker ? steps : []) {
      const values = { step: words(step), queue: name };
      rows.push({ name: retryQueueOf(name, step), role: 'retry', bindings: [], terms: [{ key: 'step', values }] });
    }
    rows.push({
      name: deadQueueOf(name),
      role: 'dead',
      bindings: [],
      terms: [{ key: 'letters', values: { queue: name } }],
    });
  }
  return rows;
}
