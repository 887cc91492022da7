import type { EditorNodeProperties, EditorRED } from 'node-red';
import { mediaTypes } from '../media-types.ts';

declare const RED: EditorRED;

interface Header {
  name: string;
  value: string;
}

interface SendFields extends EditorNodeProperties {
  endpoint: string;
  method: string;
  path: string;
  body: string;
  bodyType: string;
  mediaType: string;
  headers: Header[];
  keyHeader: string;
  key: string;
  keyType: string;
  conflict: string;
  most: string;
  over: string;
  output: string;
  configVersion: number;
}

const words = (key: string): string => RED._(`@healthflows/node-red-integration/partner-send:partner-send.${key}`);

// Node-RED shows a returned text only when a validator declares two parameters.
function isPath(value: string, _options: unknown): true | string {
  return /^\/\S*$/.test(value ?? '') || words('error.path');
}

function isHeader(value: string, _options: unknown): true | string {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,64}$/.test(value ?? '') || words('error.header');
}

RED.nodes.registerType<SendFields>('partner-send', {
  category: 'healthflows',
  color: '#C9DBA5',
  defaults: {
    name: { value: '' },
    endpoint: { value: '', type: 'partner-endpoint', required: true },
    method: { value: 'POST' },
    path: { value: '/', validate: isPath as never },
    body: { value: 'payload' },
    bodyType: { value: 'msg' },
    mediaType: { value: '' },
    headers: { value: [] },
    keyHeader: { value: 'Idempotency-Key', validate: isHeader as never },
    key: { value: 'event.id' },
    keyType: { value: 'msg' },
    conflict: { value: 'retry' },
    most: { value: 'C' },
    over: { value: 'refuse' },
    output: { value: 'auto' },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  icon: 'hf-partner-send.svg',
  paletteLabel: 'partner send',
  label() {
    return this.name || (this.path && this.path !== '/' ? `${this.method} ${this.path}` : 'partner send');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    const value = (name: string): string => String($(`#node-input-${name}`).val() ?? '').trim();
    for (const [name, types] of [
      ['body', ['msg', 'jsonata', 'json', 'str']],
      ['key', ['msg', 'jsonata', 'str']],
    ] as const) {
      $(`#node-input-${name}`).typedInput({
        default: types[0],
        types: [...types],
        typeField: $(`#node-input-${name}Type`),
      } as never);
    }
    const completed = $('#node-input-mediaType') as unknown as {
      autoComplete(options: { minLength: number; search(text: string): { value: string; label: string }[] }): void;
    };
    completed.autoComplete({
      minLength: 0,
      search: (text) =>
        mediaTypes
          .filter((type) => type.toLowerCase().includes(text.trim().toLowerCase()))
          .map((type) => ({ value: type, label: type })),
    });

    const list = $('#hf-partner-headers') as JQuery & {
      editableList(options: Record<string, unknown> | string, argument?: unknown): JQuery;
    };
    list.editableList({
      addButton: words('header.add'),
      removable: true,
      sortable: true,
      height: 'auto',
      addItem(row: JQuery, _index: number, header: Partial<Header>) {
        row.css({ display: 'flex', gap: '6px' });
        const field = (kind: keyof Header, grow: string) =>
          $('<input type="text">')
            .addClass(`hf-partner-header-${kind}`)
            .attr({ placeholder: words(`header.${kind}`), 'aria-label': words(`header.${kind}`) })
            .css({ flex: grow })
            .val(header[kind] ?? '')
            .appendTo(row);
        field('name', '1');
        field('value', '2');
      },
    });
    for (const header of this.headers ?? []) list.editableList('addItem', header);

    const show = (): void => {
      const method = value('method');
      const hasBody = method !== 'GET' && method !== 'DELETE';
      const hasKey = value('keyHeader') !== '';
      $('.hf-partner-body').toggle(hasBody);
      $('.hf-partner-over').toggle(hasBody && value('most') !== 'any');
      $('.hf-partner-key').toggle(hasKey);
      const unsafe = !hasKey && (method === 'POST' || method === 'PATCH');
      $('#hf-partner-tip')
        .text(words(unsafe ? 'tip.unsafe' : 'tip.once'))
        .toggle(unsafe || hasKey);
    };
    $('#node-input-method, #node-input-most, #node-input-keyHeader').on('change keyup', show);
    show();
  },
  oneditsave() {
    const headers: Header[] = [];
    const list = $('#hf-partner-headers') as JQuery & { editableList(command: string): JQuery };
    list.editableList('items').each(function () {
      const text = (kind: string): string => String($(this).find(`.hf-partner-header-${kind}`).val() ?? '').trim();
      if (text('name') !== '') headers.push({ name: text('name'), value: text('value') });
    });
    this.headers = headers;
  },
});
