import type { EditorNodeProperties, EditorRED } from 'node-red';
import { domainBuilder } from './editor/domain-builder.ts';
import { livePreview } from './editor/live-preview.ts';
import { showDefaults } from '../../node/editor/absent.ts';

declare const RED: EditorRED;

interface RpcFields extends EditorNodeProperties {
  server: string;
  operation: string;
  model: string;
  values: string;
  valuesType: string;
  ids: string;
  idsType: string;
  domain: string;
  domainType: string;
  fields: string;
  limit: number;
  order: string;
  paging: string;
  pageSize: number;
  outputs: number;
  groupBy: string;
  aggregates: string;
  action: string;
  backorder: string;
  method: string;
  fileName: string;
  fileNameType: string;
  verify: boolean;
  leftOut: string;
  output: string;
  configVersion: number;
}

interface Choice {
  value: string;
  label: string;
  type?: string;
  required?: boolean;
  readonly?: boolean;
  selection?: [string, string][];
  help?: string;
}

const words = (key: string, values?: Record<string, unknown>): string =>
  RED._(`@healthflows/node-red-integration/odoo-rpc:odoo-rpc.${key}`, values as Record<string, string>);

/** What the dialog shows while it is open, else what the node holds. */
function current(node: { operation?: string }): string {
  return String($('#node-input-operation').val() ?? node.operation ?? 'upsert');
}

// Node-RED shows a returned text only when a validator declares two parameters.
function isModel(this: { operation?: string }, value: string, _options: unknown): true | string {
  return current(this) === 'action' || /^[a-z_][a-z0-9_.]*$/.test(value ?? '') || words('error.model');
}

function isMethod(this: { operation?: string }, value: string, _options: unknown): true | string {
  return current(this) !== 'call' || /^[a-zA-Z][a-zA-Z0-9_]*$/.test(value ?? '') || words('error.method');
}

function hasFields(this: { operation?: string }, value: string, _options: unknown): true | string {
  const reads = ['read', 'search-read'].includes(current(this));
  return !reads || (value ?? '').trim() !== '' || words('error.fields');
}

function isLimit(value: unknown, _options: unknown): true | string {
  const number = Number(value);
  return (value !== '' && Number.isInteger(number) && number >= 0 && number <= 100_000) || words('error.limit');
}

function isPageSize(value: unknown, _options: unknown): true | string {
  // Nodes from before there were pages have none.
  if (value === undefined) return true;
  const number = Number(value);
  return (value !== '' && Number.isInteger(number) && number >= 1 && number <= 5_000) || words('error.pageSize');
}

/** Operations with a domain. */
const searches = new Set(['search-read', 'count', 'aggregate']);

interface TypedInput {
  typedInput(method: 'value', value?: string): unknown;
}

const typedInputs = {
  values: ['msg', 'jsonata', 'json', 'str'],
  ids: ['msg', 'jsonata', 'json'],
  domain: ['json', 'jsonata', 'msg'],
  fileName: ['msg', 'str', 'jsonata'],
} as const;

RED.nodes.registerType<RpcFields>('odoo-rpc', {
  category: 'healthflows',
  color: '#CBB5DE',
  defaults: {
    name: { value: '' },
    server: { value: '', type: 'odoo-server', required: true },
    operation: { value: 'upsert', required: true },
    model: { value: '', validate: isModel as never },
    values: { value: 'payload' },
    valuesType: { value: 'msg' },
    ids: { value: 'odoo.ids' },
    idsType: { value: 'msg' },
    domain: { value: '[]' },
    domainType: { value: 'json' },
    fields: { value: 'display_name', validate: hasFields as never },
    limit: { value: 1000, validate: isLimit as never },
    order: { value: '' },
    paging: { value: 'all' },
    pageSize: { value: 500, validate: isPageSize as never },
    outputs: { value: 1 },
    groupBy: { value: '' },
    aggregates: { value: '' },
    action: { value: 'confirm-purchase' },
    backorder: { value: 'create' },
    method: { value: '', validate: isMethod as never },
    fileName: { value: 'filename' },
    fileNameType: { value: 'msg' },
    verify: { value: false },
    leftOut: { value: 'keep' },
    output: { value: 'auto' },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  outputLabels(index) {
    if (this.operation !== 'search-read' || this.paging !== 'pages') return undefined as never;
    return this._(index === 0 ? 'odoo-rpc.output.page' : 'odoo-rpc.output.end');
  },
  icon: 'hf-odoo-rpc.svg',
  paletteLabel: 'odoo rpc',
  label() {
    if (this.name) return this.name;
    if (this.operation === 'action') return this._(`odoo-rpc.action.${this.action}`);
    if (!this.model) return 'odoo rpc';
    return `${this.model} · ${this.operation === 'call' ? this.method : this.operation}`;
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    showDefaults(this);
    for (const [name, types] of Object.entries(typedInputs)) {
      $(`#node-input-${name}`).typedInput({
        default: types[0],
        types: [...types],
        typeField: $(`#node-input-${name}Type`),
      } as never);
    }
    const value = (name: string): string => String($(`#node-input-${name}`).val() ?? '').trim();

    // Lists come from the deployed server; without it there is nothing to pick, and typing works as ever.
    const lists = new Map<string, Promise<Choice[]>>();
    const list = (path: string): Promise<Choice[]> => {
      const server = value('server');
      if (server === '' || server === '_ADD_') return Promise.resolve([]);
      const url = `healthflows/odoo-server/${encodeURIComponent(server)}/${path}`;
      let known = lists.get(url);
      if (known === undefined) {
        known = new Promise((resolve) => {
          $.getJSON(url)
            .done(resolve)
            .fail(() => resolve([]));
        });
        lists.set(url, known);
      }
      return known;
    };
    const ofModel = (what: string): Promise<Choice[]> =>
      value('model') === '' ? Promise.resolve([]) : list(`models/${encodeURIComponent(value('model'))}/${what}`);

    /** Completes the last of several names, or the only one. */
    const completeInput = (element: JQuery, choices: () => Promise<Choice[]>, several = false): void => {
      const input = element as unknown as {
        autoComplete(options: {
          minLength: number;
          search(text: string, done: (found: { value: string; label: JQuery }[]) => void): void;
        }): void;
      };
      input.autoComplete({
        minLength: 0,
        search(text, done) {
          const comma = several ? text.lastIndexOf(',') + 1 : 0;
          const before = text.slice(0, comma) + (comma > 0 ? ' ' : '');
          const typed = text.slice(comma).trim().toLowerCase();
          choices().then(
            (all) =>
              done(
                all
                  .filter((one) => `${one.value} ${one.label}`.toLowerCase().includes(typed))
                  .slice(0, 50)
                  .map((one) => ({
                    value: before + one.value,
                    label: $('<span>').text(one.label === one.value ? one.value : `${one.value}  –  ${one.label}`),
                  })),
              ),
            () => done([]),
          );
        },
      });
    };
    const complete = (name: string, choices: () => Promise<Choice[]>, several = false): void =>
      completeInput($(`#node-input-${name}`), choices, several);
    complete('model', () => list('models'));
    complete('method', () => ofModel('methods'));
    complete('fields', () => ofModel('fields'), true);
    complete('groupBy', () => ofModel('fields'), true);

    const table = $('#hf-odoo-fields');
    const showFields = (): void => {
      const model = value('model');
      table.empty();
      if (!['upsert', 'create', 'write'].includes(value('operation'))) return;
      ofModel('fields').then(
        (all) => {
          const fields = all.filter((field) => !field.readonly);
          if (value('model') !== model || fields.length === 0) return;
          table.empty();
          $('<h4>').text(words('fields.show', { model })).appendTo(table);
          const body = $('<tbody>').appendTo($('<table>').css({ width: '100%' }).appendTo(table));
          for (const field of fields) {
            const row = $('<tr>')
              .attr('title', field.help ?? '')
              .appendTo(body);
            $('<td>').append($('<code>').text(field.value)).appendTo(row);
            $('<td>').text(field.label).appendTo(row);
            $('<td>')
              .text(`${field.type ?? ''}${field.required ? ` · ${words('fields.required')}` : ''}`)
              .appendTo(row);
          }
        },
        () => undefined,
      );
    };
    const builder = domainBuilder({
      at: $('#hf-odoo-domain'),
      fields: () => ofModel('fields'),
      words,
      read: () => String(($('#node-input-domain') as unknown as TypedInput).typedInput('value')),
      write: (json) => ($('#node-input-domain') as unknown as TypedInput).typedInput('value', json),
      complete: completeInput,
    });
    const preview = livePreview({
      counted: $('#hf-odoo-count'),
      problems: $('#hf-odoo-problems'),
      example: $('#hf-odoo-example'),
      words,
      url() {
        const server = value('server');
        if (server === '' || server === '_ADD_') return undefined;
        if (value('model') === '' && value('operation') !== 'action') return undefined;
        return `healthflows/odoo-server/${encodeURIComponent(server)}/preview`;
      },
      form: () =>
        Object.fromEntries(
          [
            'operation',
            'model',
            'fields',
            'order',
            'groupBy',
            'aggregates',
            'domain',
            'domainType',
            'values',
            'valuesType',
            'action',
            'output',
          ].map((name) => [name, value(name)]),
        ),
    });
    const showDomain = (): void => {
      const built = searches.has(value('operation')) && value('domainType') === 'json';
      $('.hf-odoo-domain-row-outer').toggle(built);
      if (built) builder.show();
    };
    const show = (): void => {
      const operation = value('operation');
      $('.hf-odoo-for').hide();
      $(`.hf-odoo-${operation}`).show();
      if (operation === 'action' && value('action') === 'validate-picking') $('.hf-odoo-picking').show();
      const paged = operation === 'search-read' && value('paging') === 'pages';
      $('.hf-odoo-paged').toggle(paged);
      $('#node-input-outputs').val(paged ? 2 : 1);
      $('#hf-odoo-tip').text(words(paged ? 'tip.pages' : `tip.${operation}`));
      showFields();
      showDomain();
      preview();
    };
    $('#node-input-domain').on('change', showDomain);
    const names = ['server', 'model', 'fields', 'order', 'groupBy', 'aggregates', 'domain', 'values', 'output'];
    $(names.map((name) => `#node-input-${name}`).join(', ')).on('change input', preview);
    $('#node-input-operation, #node-input-action, #node-input-paging').on('change', show);
    $('#node-input-model, #node-input-server').on('change', () => {
      showFields();
      showDomain();
    });
    show();
  },
});
