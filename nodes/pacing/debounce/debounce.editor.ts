import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface DebounceFields extends EditorNodeProperties {
  store: string;
  keyFields: string;
  scope: string;
  mode: string;
  window: number;
  longest: number;
  configVersion: number;
}

const duration = (value: number | string): boolean => value !== '' && Number(value) >= 1 && Number(value) <= 86_400;

RED.nodes.registerType<DebounceFields>('debounce', {
  category: 'healthflows',
  color: '#A6D8C9',
  defaults: {
    name: { value: '' },
    store: { value: '', type: 'integration-store', required: true },
    keyFields: { value: 'event.subject', required: true },
    scope: { value: '' },
    mode: { value: 'first', required: true },
    window: { value: 300, required: true, validate: duration },
    longest: { value: 1800, required: true, validate: duration },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 3,
  outputLabels(index) {
    return this._(`debounce.output.${['goOn', 'wait', 'merged'][index]}`);
  },
  icon: 'debounce.svg',
  label() {
    return this.name || this._('debounce.palette');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  paletteLabel: 'debounce',
  oneditprepare() {
    const mode = $('#node-input-mode');
    const showRows = (): void => {
      const quiet = mode.val() === 'quiet';
      $('.hf-debounce-longest').toggle(quiet);
      $('#hf-debounce-tip').text(this._(`debounce.tip.${quiet ? 'quiet' : 'first'}`));
    };
    mode.on('change', showRows);
    showRows();
  },
});
