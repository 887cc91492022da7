import type { EditorNodeProperties, EditorRED } from 'node-red';
import { showDefaults } from '../../node/editor/absent.ts';

declare const RED: EditorRED;

interface SettleProperties extends EditorNodeProperties {
  outcome: string;
  store: string;
  configVersion: number;
}

RED.nodes.registerType<SettleProperties>('settle', {
  category: 'healthflows',
  color: '#E7BFC0',
  defaults: {
    name: { value: '' },
    outcome: {
      value: 'auto',
      validate: (value: unknown, options?: unknown) =>
        options === undefined || ['auto', 'done', 'retry', 'dead-letter'].includes(String(value)),
    },
    store: { value: '', type: 'integration-store', required: false },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  icon: 'settle.svg',
  align: 'right',
  paletteLabel: 'settle',
  label() {
    return this.name || (this.outcome === 'auto' ? 'settle' : `settle: ${this.outcome}`);
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    showDefaults(this);
    const explain = () => {
      const outcome = String($('#node-input-outcome').val());
      $('#settle-explanation').text(this._(`settle.explain.${outcome}`));
    };
    $('#node-input-outcome').on('change', explain);
    explain();
  },
});
