import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface SequenceFields extends EditorNodeProperties {
  store: string;
  keyFields: string;
  number: string;
  scope: string;
  begins: string;
  deadline: number;
  configVersion: number;
}

RED.nodes.registerType<SequenceFields>('sequence', {
  category: 'healthflows',
  color: '#A6D8C9',
  defaults: {
    name: { value: '' },
    store: { value: '', type: 'integration-store', required: true },
    keyFields: { value: 'event.partitionkey', required: true },
    number: { value: 'event.sequence', required: true },
    scope: { value: '' },
    begins: { value: 'seen', required: true },
    deadline: {
      value: 30,
      required: true,
      validate: (value) => String(value) !== '' && Number(value) >= 0 && Number(value) <= 10_080,
    },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 4,
  outputLabels(index) {
    return this._(`sequence.output.${['inOrder', 'wait', 'person', 'duplicate'][index]}`);
  },
  icon: 'sequence.svg',
  label() {
    return this.name || this._('sequence.palette');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  paletteLabel: 'sequence',
  oneditprepare() {
    $('#node-input-number').typedInput({ types: ['msg'], default: 'msg' });
  },
});
