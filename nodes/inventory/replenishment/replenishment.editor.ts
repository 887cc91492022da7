import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface ReplenishmentFields extends EditorNodeProperties {
  rule: string;
  stock: string;
  incoming: string;
  price: string;
  configVersion: number;
}

const facts = ['rule', 'stock', 'incoming', 'price'] as const;

RED.nodes.registerType<ReplenishmentFields>('replenishment', {
  category: 'healthflows',
  color: '#E8D8A0',
  defaults: {
    name: { value: '' },
    rule: { value: 'facts.rule', required: true },
    stock: { value: 'facts.stock', required: true },
    incoming: { value: 'facts.incoming' },
    price: { value: 'facts.price' },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 3,
  outputLabels(index) {
    return this._(`replenishment.output.${['order', 'enough', 'check'][index]}`);
  },
  icon: 'replenishment.svg',
  label() {
    return this.name || this._('replenishment.palette');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  paletteLabel: 'replenish',
  oneditprepare() {
    for (const fact of facts) $(`#node-input-${fact}`).typedInput({ types: ['msg'], default: 'msg' });
  },
});
