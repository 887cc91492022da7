import type { EditorNodeProperties, EditorRED } from 'node-red';
import { debounced, get, post } from './editor/api.ts';
import { openMappingEditor } from './editor/mapping-editor.ts';
import { showFindings, showResult, showRows, showUnmapped } from './editor/preview-panel.ts';
import type { Mapping, MappingSummary, PreviewAnswer, Side, Translate } from './editor/types.ts';

declare const RED: EditorRED;

interface CanonicalMapperProperties extends EditorNodeProperties {
  mode: string;
  mapping: string;
  edited: string;
  entity: string;
  reading: string;
  allow: string;
  hide: string;
  store: string;
  keep: number;
  originals: boolean;
  configVersion: number;
}

const modes = ['to-canonical', 'from-canonical', 'validate', 'project'];
const maps = (mode: unknown): boolean => mode === 'to-canonical' || mode === 'from-canonical';

/** Samples that people pasted, by node, for as long as the page is open: they may hold data and are not saved. */
const samples = new Map<string, string>();

const isEntity = (side: Side | undefined): boolean => side !== undefined && 'entity' in side;
const fits = (mode: string, { source, target }: MappingSummary): boolean =>
  mode === 'to-canonical' ? isEntity(target) && !isEntity(source) : isEntity(source) && !isEntity(target);

/** The editor's pick-or-type input, which its type definitions leave out. */
interface PickOrType {
  autoComplete(options: { minLength: number; search(text: string): { value: string; label: string | JQuery }[] }): void;
}

RED.nodes.registerType<CanonicalMapperProperties, { hashKey: string }>('canonical-mapper', {
  category: 'healthflows',
  color: '#B5D3E7',
  defaults: {
    name: { value: '' },
    mode: {
      value: 'to-canonical',
      validate: (value: unknown, options?: unknown) => options === undefined || modes.includes(String(value)),
    },
    mapping: {
      value: '',
      validate(value: unknown, options?: unknown) {
        return options === undefined || !maps(this.mode) || this.edited !== '' || value !== '';
      },
    },
    edited: { value: '' },
    entity: {
      value: 'order',
      validate(value: unknown, options?: unknown) {
        return options === undefined || maps(this.mode) || /^[A-Za-z]+$/.test(String(value));
      },
    },
    reading: { value: 'strict' },
    allow: { value: 'PI' },
    hide: { value: 'drop' },
    store: { value: '', type: 'integration-store', required: false },
    keep: {
      value: 0,
      validate: (value: unknown) => value === undefined || (/^\d{1,2}$/.test(String(value)) && Number(value) <= 50),
    },
    originals: {
      value: false,
      validate(value: unknown, options?: unknown) {
        return options === undefined || value !== true || this.mode !== 'to-canonical' || Boolean(this.store);
      },
    },
    configVersion: { value: 1 },
  },
  credentials: { hashKey: { type: 'password' } },
  inputs: 1,
  outputs: 1,
  icon: 'canonical-mapper.svg',
  paletteLabel: 'mapper',
  label() {
    if (this.name) return this.name;
    if (this.mode === 'validate') return `validate ${this.entity}`;
    if (this.mode === 'project') return `project ${this.entity}`;
    return this.mapping || 'mapper';
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    const t: Translate = (key, substitutions) => this._(key, substitutions as never);
    // The mapping editor's tray takes this dialog out of the page while it is open, so fields are looked up inside it.
    const form = $('#dialog-form');
    const field = (name: string): JQuery => form.find(`#node-input-${name}`);
    const sample = form.find('#hf-mapper-sample');
    const panel = form.find('#hf-mapper-preview');
    let mappings: MappingSummary[] = [];

    const classes = ['P', 'I', 'C', 'N', 'H', 'S'];
    for (const letter of classes) {
      const id = `hf-mapper-class-${letter}`;
      const box = $('<input type="checkbox">')
        .attr('id', id)
        .css({ width: 'auto', margin: '0 6px 0 0' })
        .prop('checked', String(field('allow').val()).includes(letter))
        .on('change', () => {
          field('allow').val(classes.filter((c) => $(`#hf-mapper-class-${c}`).prop('checked')).join(''));
        });
      $('<label>')
        .attr('for', id)
        .css({ display: 'block', width: 'auto' })
        .append(box, document.createTextNode(t(`canonical-mapper.sensitivity.${letter}`)))
        .appendTo('#hf-mapper-classes');
    }

    const about = () => {
      const edited = field('edited').val() !== '';
      const chosen = mappings.find(({ id }) => id === field('mapping').val());
      form.find('#hf-mapper-discard').toggle(edited);
      const text = edited
        ? t('canonical-mapper.about.edited')
        : chosen === undefined
          ? t(mappings.length === 0 ? 'canonical-mapper.about.offline' : 'canonical-mapper.about.none')
          : `${chosen.title}. ${t(`canonical-mapper.about.${chosen.origin}`, { version: chosen.version, file: chosen.file })}`;
      form.find('#hf-mapper-about').text(text);
    };

    const refresh = debounced<PreviewAnswer>(
      () => {
        const edited = String(field('edited').val());
        const text = String(sample.val());
        return post(
          'preview',
          edited === '' ? { id: String(field('mapping').val()), sample: text } : { mapping: edited, sample: text },
        );
      },
      (answer) => {
        panel.empty();
        showFindings(panel, answer, t);
        showResult(panel, answer);
        showRows(panel, answer, t);
        showUnmapped(panel, answer, t);
      },
      (error) => {
        panel
          .empty()
          .append($('<div>').css({ color: 'var(--red-ui-text-color-error)', marginTop: '8px' }).text(error.message));
      },
    );
    const preview = () => {
      if (!maps(field('mode').val())) return;
      if (field('mapping').val() === '' && field('edited').val() === '') panel.empty();
      else refresh();
    };

    /** An empty sample is filled with the mapping's own. */
    const offerSample = () => {
      const id = String(field('mapping').val());
      if (sample.val() !== '' || !mappings.some((each) => each.id === id)) return preview();
      get<Mapping>(`mappings/${encodeURIComponent(id)}`).then(
        (mapping) => {
          if (sample.val() === '' && mapping.sample !== undefined) {
            sample.val(typeof mapping.sample === 'string' ? mapping.sample : JSON.stringify(mapping.sample, null, 2));
          }
          preview();
        },
        () => preview(),
      );
    };

    const layout = () => {
      const mode = String(field('mode').val());
      $('.hf-mapper-mapping').toggle(maps(mode));
      $('.hf-mapper-entity').toggle(!maps(mode));
      $('.hf-mapper-originals').toggle(mode === 'to-canonical');
      $('.hf-mapper-validate').toggle(mode === 'validate');
      $('.hf-mapper-project').toggle(mode === 'project');
      $('.hf-mapper-hash').toggle(field('hide').val() === 'hash');
    };
    field('mode').on('change', () => {
      layout();
      preview();
    });
    field('hide').on('change', layout);
    sample.val(samples.get(this.id) ?? '');
    sample.on('input', () => {
      samples.set(this.id, String(sample.val()));
      preview();
    });
    field('mapping').on('change', () => {
      about();
      offerSample();
    });
    form.find('#hf-mapper-discard').on('click', () => {
      field('edited').val('').trigger('change');
      about();
      preview();
    });
    form.find('#hf-mapper-open').on('click', () => {
      openMappingEditor({
        t,
        node: this.id,
        mode: String(field('mode').val()),
        id: String(field('mapping').val()),
        edited: String(field('edited').val()),
        sample: String(sample.val()),
        done: (edited, text, mode) => {
          field('mode').val(mode).trigger('change');
          field('edited').val(edited).trigger('change');
          sample.val(text).trigger('input');
          about();
        },
      });
    });
    layout();
    about();

    // The widget lists its choices on a key only; a click should do the same.
    for (const name of ['mapping', 'entity']) {
      field(name).on('click', () => field(name).trigger($.Event('keyup', { keyCode: 40 })));
    }
    const pick = (name: string, options: () => { value: string; label: string }[]) => {
      (field(name) as unknown as PickOrType).autoComplete({
        minLength: 0,
        search: (text) => {
          const all = options();
          const needle = text.toLowerCase();
          // With a whole value in the field every other choice is shown too, after the one that is there.
          if (all.some(({ value }) => value === text)) {
            return [...all.filter(({ value }) => value === text), ...all.filter(({ value }) => value !== text)];
          }
          return all.filter(({ value, label }) => `${value} ${label}`.toLowerCase().includes(needle));
        },
      });
    };
    pick('mapping', () =>
      mappings
        .filter((mapping) => fits(String(field('mode').val()), mapping))
        .map(({ id, title, version }) => ({ value: id, label: `${title} ${version}` })),
    );
    let entities: { value: string; label: string }[] = [];
    pick('entity', () => entities);
    get<{ mappings: MappingSummary[] }>('mappings').then(
      (answer) => {
        mappings = answer.mappings;
        about();
        offerSample();
      },
      () => about(),
    );
    get<{ entities: { name: string; title: string }[] }>('model').then(
      (answer) => {
        entities = answer.entities.map(({ name, title }) => ({ value: name, label: `${title} (${name})` }));
      },
      () => undefined,
    );
  },
});
