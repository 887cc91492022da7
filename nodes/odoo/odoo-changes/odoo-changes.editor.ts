import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface ChangesFields extends EditorNodeProperties {
  server: string;
  store: string;
  model: string;
  fields: string;
  domain: string;
  archived: boolean;
  interval: number;
  overlap: number;
  page: number;
  start: string;
  startFrom: string;
  sweep: number;
  settleDeadline: number;
  checkpoint: string;
  configVersion: number;
}

interface Choice {
  value: string;
  label: string;
}

const words = (key: string, values?: Record<string, unknown>): string =>
  RED._(`@healthflows/node-red-integration/odoo-changes:odoo-changes.${key}`, values as Record<string, string>);

// Node-RED shows a returned text only when a validator declares two parameters.
function isModel(value: string, _options: unknown): true | string {
  return /^[a-z_][a-z0-9_.]*$/.test(value ?? '') || words('error.model');
}

function hasFields(value: string, _options: unknown): true | string {
  return (value ?? '').replaceAll(',', '').trim() !== '' || words('error.fields');
}

function isDomain(value: string, _options: unknown): true | string {
  try {
    return value.trim() === '' || Array.isArray(JSON.parse(value)) || words('error.domain');
  } catch {
    return words('error.domain');
  }
}

function isStart(this: { start?: string }, value: string, _options: unknown): true | string {
  const start = String($('#node-input-start').val() ?? this.start ?? 'now');
  const known = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})?)?$/i;
  return start !== 'from' || known.test((value ?? '').trim()) || words('error.startFrom');
}

function between(least: number, most: number) {
  return (value: unknown, _options: unknown): true | string => {
    const number = Number(value);
    return (value !== '' && number >= least && number <= most) || words('error.range', { least, most });
  };
}

RED.nodes.registerType<ChangesFields>('odoo-changes', {
  category: 'healthflows',
  color: '#CBB5DE',
  defaults: {
    name: { value: '' },
    server: { value: '', type: 'odoo-server', required: true },
    store: { value: '', type: 'integration-store', required: true },
    model: { value: '', validate: isModel as never },
    fields: { value: 'display_name', validate: hasFields as never },
    domain: { value: '[]', validate: isDomain as never },
    archived: { value: true },
    interval: { value: 60, validate: between(0, 86_400) as never },
    overlap: { value: 300, validate: between(1, 86_400) as never },
    page: { value: 200, validate: between(1, 1_000) as never },
    start: { value: 'now' },
    startFrom: { value: '', validate: isStart as never },
    sweep: { value: 0, validate: between(0, 20_000) as never },
    settleDeadline: { value: 20, validate: between(1, 1_440) as never },
    checkpoint: { value: '' },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 1,
  outputLabels: ['change'],
  icon: 'hf-odoo-changes.svg',
  paletteLabel: 'odoo changes',
  label() {
    return this.name || (this.model ? `changes of ${this.model}` : 'odoo changes');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    $('#node-input-domain').typedInput({ default: 'json', types: ['json'] } as never);
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

    /** Completes the last of several names, or the only one. */
    const complete = (name: string, choices: () => Promise<Choice[]>, several = false): void => {
      const input = $(`#node-input-${name}`) as unknown as {
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
    complete('model', () => list('models'));
    complete(
      'fields',
      () => (value('model') === '' ? Promise.resolve([]) : list(`models/${encodeURIComponent(value('model'))}/fields`)),
      true,
    );

    const show = (): void => {
      $('#hf-changes-from').toggle(value('start') === 'from');
    };
    $('#node-input-start').on('change', show);
    show();
  },
});
