import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface DeadLetterProperties extends EditorNodeProperties {
  store: string;
  connection: string;
  queue: string;
  retention: number;
  configVersion: number;
}

RED.nodes.registerType<DeadLetterProperties>('dead-letter', {
  category: 'healthflows',
  color: '#E7BFC0',
  defaults: {
    name: { value: '' },
    store: { value: '', type: 'integration-store', required: true },
    connection: { value: '', type: 'amqp-connection', required: true },
    queue: { value: '', required: true },
    retention: {
      value: 30,
      validate: (value: unknown, options?: unknown) => {
        const days = Number(value);
        return options === undefined || (days >= 1 && days <= 3650);
      },
    },
    configVersion: { value: 1 },
  },
  inputs: 0,
  outputs: 1,
  outputLabels: ['one message an episode: first, growing, cleared'],
  icon: 'dead-letter.svg',
  paletteLabel: 'dead letter',
  label() {
    return this.name || (this.queue ? `dead letters of ${this.queue}` : 'dead letter');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    // Queues that flows already consume, whether deployed or not; any other name may be typed.
    const known = new Set<string>();
    RED.nodes.eachNode((node) => {
      const { type, queue } = node as unknown as { type: string; queue?: string };
      if (type === 'amqp-consume' && typeof queue === 'string' && queue !== '') known.add(queue);
      return true;
    });
    const list = $('#dead-letter-queues').empty();
    for (const queue of [...known].sort()) $('<option>').val(queue).appendTo(list);
  },
});
