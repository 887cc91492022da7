import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface ReconcileFields extends EditorNodeProperties {
  store: string;
  scope: string;
  run: string;
  asOf: string;
  left: string;
  right: string;
  movements: string;
  leftName: string;
  rightName: string;
  keys: string;
  lot: string;
  quantity: string;
  pack: string;
  price: string;
  tolerance: string;
  every: number;
  configVersion: number;
}

const properties = ['left', 'right', 'movements', 'run', 'asOf'] as const;

RED.nodes.registerType<ReconcileFields>('reconcile', {
  category: 'healthflows',
  color: '#E8D8A0',
  defaults: {
    name: { value: '' },
    store: { value: '', type: 'integration-store', required: true },
    scope: { value: '' },
    run: { value: 'payload.run' },
    asOf: { value: 'payload.asOf' },
    left: { value: 'payload.left', required: true },
    right: { value: 'payload.right', required: true },
    movements: { value: 'payload.movements' },
    leftName: { value: 'the count' },
    rightName: { value: 'Odoo' },
    keys: { value: 'product, location, lot', required: true },
    lot: { value: 'lot' },
    quantity: { value: 'quantity', required: true },
    pack: { value: 'pack' },
    price: { value: 'price' },
    tolerance: { value: '0', validate: (value) => /^(\d+(\.\d+)?)?$/.test(String(value).trim()) },
    every: {
      value: 26,
      required: true,
      validate: (value) => String(value) !== '' && Number(value) >= 0 && Number(value) <= 8_760,
    },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 2,
  outputLabels(index) {
    return this._(`reconcile.output.${['clean', 'breaks'][index]}`);
  },
  icon: 'reconcile.svg',
  label() {
    return this.name || this._('reconcile.palette');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  paletteLabel: 'reconcile',
  oneditprepare() {
    for (const property of properties) $(`#node-input-${property}`).typedInput({ types: ['msg'], default: 'msg' });
  },
});
