import type { EditorNodeProperties, EditorRED } from 'node-red';
import { showDefaults } from '../../node/editor/absent.ts';

declare const RED: EditorRED;

interface PublishFields extends EditorNodeProperties {
  connection: string;
  guarantee: string;
  exchange: string;
  routingKey: string;
  routingKeyType: string;
  partitionKey: string;
  partitionKeyType: string;
  expiration: number;
  priority: string;
  completes: boolean;
  reply: boolean;
  configVersion: number;
}

interface Topology {
  exchanges: string[];
}

RED.nodes.registerType<PublishFields>('amqp-publish', {
  category: 'healthflows',
  color: '#F3C99F',
  defaults: {
    name: { value: '' },
    connection: { value: '', type: 'amqp-connection', required: true },
    guarantee: { value: 'outbox', required: true },
    exchange: { value: '' },
    routingKey: { value: 'event.type', required: true },
    routingKeyType: { value: 'msg' },
    partitionKey: { value: 'event.partitionkey' },
    partitionKeyType: { value: 'msg' },
    expiration: { value: 0, validate: RED.validators.number() },
    priority: { value: '', validate: RED.validators.regex(/^[0-9]?$/) },
    completes: { value: true },
    reply: { value: true },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  outputLabels: ['accepted'],
  icon: 'amqp-publish.svg',
  paletteLabel: 'publish',
  label() {
    if (this.name) return this.name;
    return this.routingKeyType === 'str' && this.routingKey ? `publish ${this.routingKey}` : 'publish';
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    showDefaults(this);
    const types = ['msg', 'str', 'env', 'flow', 'global'];
    for (const field of ['routingKey', 'partitionKey']) {
      $(`#node-input-${field}`).typedInput({
        default: 'msg',
        types: types as never,
        typeField: `#node-input-${field}Type`,
      });
    }
    const explain = (): void => {
      $('#hf-publish-explanation').text(this._(`amqp-publish.explain.${String($('#node-input-guarantee').val())}`));
    };
    $('#node-input-guarantee').on('change', explain);
    explain();

    // Pick or type: without an answer the field is a plain one.
    const known = new Set<string>();
    const look = (): void => {
      const id = $('#node-input-connection').val();
      if (typeof id !== 'string' || id === '' || id === '_ADD_') return;
      $.getJSON('healthflows/amqp-connection/topology', { id }).done((topology: Topology) => {
        for (const exchange of topology.exchanges) known.add(exchange);
      });
    };
    $('#node-input-connection').on('change', look);
    look();
    const input = $('#node-input-exchange') as JQuery & { autoComplete?(options: unknown): void };
    input.autoComplete?.({
      minLength: 0,
      search: (value: string) =>
        [...known].filter((name) => name.includes(value)).map((name) => ({ value: name, label: name })),
    });
  },
});
