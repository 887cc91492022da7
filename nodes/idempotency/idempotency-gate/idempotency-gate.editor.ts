import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface GateFields extends EditorNodeProperties {
  store: string;
  keySource: string;
  keyHeader: string;
  keyProperty: string;
  keyExpression: string;
  keyFields: string;
  scope: string;
  scopeType: string;
  fingerprint: string;
  fingerprintFields: string;
  lease: number;
  renew: number;
  retention: number;
  configVersion: number;
}

/** A field must be filled only while the choice that shows it is made, in the open dialog or as saved. */
function neededFor(chooser: 'keySource' | 'fingerprint', choice: string) {
  return function (this: Partial<GateFields>, value: string): boolean {
    const shown = document.getElementById(`node-input-${chooser}`) as HTMLSelectElement | null;
    return (shown?.value ?? this[chooser]) !== choice || value.trim() !== '';
  };
}

function between(low: number, high: number) {
  return (value: number | string): boolean => value !== '' && Number(value) >= low && Number(value) <= high;
}

RED.nodes.registerType<GateFields>('idempotency-gate', {
  category: 'healthflows',
  color: '#A6D8C9',
  defaults: {
    name: { value: '' },
    store: { value: '', type: 'integration-store', required: true },
    keySource: { value: 'event', required: true },
    keyHeader: { value: 'Idempotency-Key', validate: neededFor('keySource', 'header') },
    keyProperty: { value: 'payload.id', validate: neededFor('keySource', 'msg') },
    keyExpression: { value: '', validate: neededFor('keySource', 'jsonata') },
    keyFields: { value: '', validate: neededFor('keySource', 'hash') },
    scope: { value: '' },
    scopeType: { value: 'str' },
    fingerprint: { value: 'payload', required: true },
    fingerprintFields: { value: '', validate: neededFor('fingerprint', 'fields') },
    lease: { value: 60, required: true, validate: between(1, 3600) },
    renew: { value: 10, required: true, validate: between(0, 1440) },
    retention: { value: 0, required: true, validate: between(0, 3650) },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 4,
  outputLabels(index) {
    return this._(`idempotency-gate.output.${['new', 'duplicate', 'inProgress', 'mismatch'][index]}`);
  },
  icon: 'idempotency-gate.svg',
  label() {
    return this.name || this._('idempotency-gate.palette');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  paletteLabel: 'idempotency gate',
  oneditprepare() {
    $('#node-input-keyProperty').typedInput({ types: ['msg'], default: 'msg' });
    $('#node-input-keyExpression').typedInput({ types: ['jsonata'], default: 'jsonata' });
    $('#node-input-scope').typedInput({ types: ['str', 'msg'], default: 'str', typeField: '#node-input-scopeType' });
    const keySource = $('#node-input-keySource');
    const fingerprint = $('#node-input-fingerprint');
    const showRows = (): void => {
      $('.hf-gate-key').hide();
      $(`.hf-gate-key[data-source="${String(keySource.val())}"]`).show();
      $('.hf-gate-fingerprint').toggle(fingerprint.val() === 'fields');
    };
    keySource.on('change', showRows);
    fingerprint.on('change', showRows);
    showRows();
  },
});
