import type { EditorNodeProperties, EditorRED } from 'node-red';
import { showDefaults } from '../../node/editor/absent.ts';

declare const RED: EditorRED;

interface ConsumeFields extends EditorNodeProperties {
  connection: string;
  queue: string;
  exchange: string;
  bindings: string;
  queueType: string;
  prefetch: number;
  concurrency: number;
  orderByKey: boolean;
  singleActiveConsumer: boolean;
  priorities: number;
  attempts: number;
  steps: string;
  giveUpAfter: number;
  deliveryLimit: number;
  maxLength: number;
  maxBody: number;
  settleDeadline: number;
  pauseWith: string;
  configVersion: number;
}

interface Topology {
  exchanges: string[];
  queues: { name: string; bindings: { routingKey: string }[] }[];
  namespace?: string;
}

const duration = /^\d+(\.\d+)?\s*(ms|s|m|h)([\s,]+\d+(\.\d+)?\s*(ms|s|m|h))*$/;

/** A flow from before the setting existed has none. */
function withinNine(value: unknown): boolean {
  return value === undefined || (value !== '' && Number(value) >= 0 && Number(value) <= 9);
}

RED.nodes.registerType<ConsumeFields>('amqp-consume', {
  category: 'healthflows',
  color: '#F3C99F',
  defaults: {
    name: { value: '' },
    connection: { value: '', type: 'amqp-connection', required: true },
    queue: { value: '', required: true, validate: RED.validators.regex(/^\S{1,200}$/) },
    exchange: { value: '' },
    bindings: { value: '#' },
    queueType: { value: 'quorum', required: true },
    prefetch: { value: 20, required: true, validate: RED.validators.number() },
    concurrency: { value: 0, validate: RED.validators.number() },
    orderByKey: { value: false },
    singleActiveConsumer: { value: false },
    priorities: { value: 0, validate: withinNine },
    attempts: { value: 6, required: true, validate: RED.validators.number() },
    steps: { value: '10s 1m 5m 30m 2h', required: true, validate: RED.validators.regex(duration) },
    giveUpAfter: { value: 24, required: true, validate: RED.validators.number() },
    deliveryLimit: { value: 20, required: true, validate: RED.validators.number() },
    maxLength: { value: 1000000, validate: RED.validators.number() },
    maxBody: { value: 4096, required: true, validate: RED.validators.number() },
    settleDeadline: { value: 20, required: true, validate: RED.validators.number() },
    pauseWith: { value: 'auto' },
    configVersion: { value: 1 },
  },
  inputs: 0,
  outputs: 1,
  outputLabels: ['delivery'],
  icon: 'amqp-consume.svg',
  paletteLabel: 'consume',
  label() {
    return this.name || (this.queue ? `consume ${this.queue}` : 'consume');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    showDefaults(this);
    // Pick or type: without an answer the fields are plain ones.
    const known = { queue: new Set<string>(), exchange: new Set<string>(), bindings: new Set<string>() };
    const look = (): void => {
      const id = $('#node-input-connection').val();
      if (typeof id !== 'string' || id === '' || id === '_ADD_') return;
      $.getJSON('healthflows/amqp-connection/topology', { id }).done((topology: Topology) => {
        for (const exchange of topology.exchanges) known.exchange.add(exchange);
        for (const queue of topology.queues) {
          known.queue.add(queue.name);
          for (const { routingKey } of queue.bindings) known.bindings.add(routingKey);
        }
      });
    };
    $('#node-input-connection').on('change', look);
    look();
    for (const field of ['queue', 'exchange', 'bindings'] as const) {
      const input = $(`#node-input-${field}`) as JQuery & { autoComplete?(options: unknown): void };
      input.autoComplete?.({
        minLength: 0,
        search: (value: string) =>
          [...known[field]].filter((name) => name.includes(value)).map((name) => ({ value: name, label: name })),
      });
    }
    const classic = (): void => {
      const quorum = $('#node-input-queueType').val() === 'quorum';
      $('#hf-consume-quorum').toggle(quorum);
      $('#hf-consume-classic').toggle(!quorum);
    };
    $('#node-input-queueType').on('change', classic);
    classic();
  },
});
