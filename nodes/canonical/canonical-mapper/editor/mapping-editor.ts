/**
 * The full-height mapping editor: source fields on the left, target fields on the right, rows between them, and what
 * every row makes of the sample while it is being edited. It works on a copy; the node keeps what "Done" hands back.
 */
import { debounced, get, post } from './api.ts';
import {
  type DifferenceAnswer,
  type DryRunAnswer,
  type ReverseAnswer,
  showDifference,
  showDryRun,
  showReverse,
} from './comparison-panel.ts';
import { showFindings, showResult, showUnmapped } from './preview-panel.ts';
import { RowsTable } from './rows-table.ts';
import type { Field, Mapping, PreviewAnswer, Row, TransformInfo, Translate } from './types.ts';

export interface MappingEditorOptions {
  t: Translate;
  /** Id of the node in the flow. */
  node: string;
  mode: string;
  /** Mapping of the library to start from. */
  id: string;
  /** Mapping edited in place, as JSON; empty for none. */
  edited: string;
  sample: string;
  /** `mode` is another one than before where the way back was opened. */
  done(edited: string, sample: string, mode: string): void;
}

/** One field in a pane. */
interface Entry {
  path: string;
  detail: string;
  badge?: string;
  /** Sensitivity class of a field of the model. */
  sensitivity?: string;
  /** No row reads it. */
  warn: boolean;
}

const titleOf = ({ path, detail }: Pick<Entry, 'path' | 'detail'>): string =>
  detail === '' ? path : `${path}\n${detail}`;

/** A step that can be undone. It has a sample where the step changed that, too. */
interface State {
  mapping: string;
  sample?: string;
}

const warning = 'var(--red-ui-text-color-warning)';

/** The classes that need care, from confidential to secret; the letter says the same. */
const classColours: Readonly<Record<string, string>> = {
  C: 'var(--red-ui-text-color-link)',
  N: warning,
  H: 'var(--red-ui-text-color-error)',
  S: 'var(--red-ui-text-color-error)',
};

interface Model {
  transforms: TransformInfo[];
  entities: { name: string; title: string }[];
}

/** A document that the package has to begin with. */
interface Sample {
  id: string;
  side: { format: string } | { entity: string };
  origin: 'mapping' | 'library';
  title: string;
}

interface Tray {
  show(options: Record<string, unknown>): void;
  close(): void;
}

declare const RED: {
  tray: Tray;
  settings: { user?: { username?: string } };
  notify(content: JQuery, options?: unknown): void;
  _(key: string): string;
};

const border = '1px solid var(--red-ui-secondary-border-color)';
const pane = {
  border,
  borderRadius: '4px',
  display: 'flex',
  flexDirection: 'column',
  minWidth: '0',
  minHeight: '0',
  overflow: 'hidden',
} as const;
const formats = ['json', 'csv', 'xml', 'x12', 'hl7v2', 'fhir', 'odoo'];

/** The field that a key leads to from another, among those that the search has left; undefined for another key. */
function nextOf(list: JQuery, item: JQuery, key: string): JQuery | undefined {
  const shown = list.children(':visible');
  const at = shown.index(item);
  const places: Record<string, number> = {
    ArrowDown: Math.min(at + 1, shown.length - 1),
    ArrowUp: Math.max(at - 1, 0),
    Home: 0,
    End: shown.length - 1,
  };
  const place = places[key];
  return place === undefined ? undefined : shown.eq(place);
}

/** Identifier kind that a pointer of this name usually has. */
function identifierKind(path: string): string {
  if (/product/.test(path)) return 'SKU';
  if (/shipTo|location|deliverTo/i.test(path)) return 'SITE';
  return /order\.|order$/.test(path) ? 'ORDER' : 'CODE';
}

const blank = (mode: string): Mapping => ({
  id: 'my-mapping',
  version: '1.0.0',
  title: 'New mapping',
  source: mode === 'to-canonical' ? { format: 'json', name: 'document' } : { entity: 'order' },
  target: mode === 'to-canonical' ? { entity: 'order' } : { format: 'json', name: 'document' },
  rows: [],
});

/** What a node does with a mapping: the side that is the canonical model says it. */
const modeOf = ({ target }: Mapping): string => ('entity' in target ? 'to-canonical' : 'from-canonical');

/** Hands a text to the browser as a file. */
function save(name: string, type: string, text: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** As an element: Node-RED takes a text for markup, and a message may quote an imported flow. */
function tell(error: Error): void {
  RED.notify($('<p>').text(error.message), { type: 'error' });
}

export function openMappingEditor(options: MappingEditorOptions): void {
  const load: Promise<Mapping> =
    options.edited !== ''
      ? Promise.resolve().then(() => JSON.parse(options.edited) as Mapping)
      : options.id === ''
        ? Promise.resolve(blank(options.mode))
        : get<Mapping>(`mappings/${encodeURIComponent(options.id)}`);
  Promise.all([
    load,
    get<Model>('model'),
    get<{ tables: string[] }>('mappings'),
    get<{ samples: Sample[] }>('samples'),
  ]).then(
    ([mapping, model, { tables }, { samples }]) => new MappingEditor(options, mapping, model, tables, samples).open(),
    tell,
  );
}

class MappingEditor {
  readonly #options: MappingEditorOptions;
  readonly #model: Model;
  readonly #tables: string[];
  readonly #samples: readonly Sample[];
  #samplePicker!: JQuery;
  #mapping: Mapping;
  #sample: string;
  #headerBox!: JQuery;
  #past: State[] = [];
  #future: State[] = [];
  #fields: Field[] = [];
  #picked: string | undefined;
  #rows!: RowsTable;
  #sourceList!: JQuery;
  #targetList!: JQuery;
  #findings!: JQuery;
  #suggestions!: JQuery;
  /** What the mapping made of the sample. */
  #made = '';
  #fieldsAsked = 0;
  #undo!: JQuery;
  #redo!: JQuery;
  #coverage!: JQuery;
  readonly #refresh: () => void;

  constructor(
    options: MappingEditorOptions,
    mapping: Mapping,
    model: Model,
    tables: string[],
    samples: readonly Sample[],
  ) {
    this.#options = options;
    this.#model = model;
    this.#tables = tables;
    this.#samples = samples;
    this.#mapping = mapping;
    this.#sample =
      options.sample !== ''
        ? options.sample
        : typeof mapping.sample === 'string'
          ? mapping.sample
          : mapping.sample === undefined
            ? ''
            : JSON.stringify(mapping.sample, null, 2);
    this.#refresh = debounced<PreviewAnswer>(
      () => post('preview', { mapping: JSON.stringify(this.#mapping), sample: this.#sample }),
      (answer) => this.#show(answer),
      (error) => {
        this.#findings.empty().append($('<div>').css({ color: 'var(--red-ui-text-color-error)' }).text(error.message));
      },
    );
  }

  open(): void {
    const { t } = this.#options;
    RED.tray.show({
      title: t('canonical-mapper.editor.title'),
      width: Number.POSITIVE_INFINITY,
      buttons: [
        { id: 'hf-mapper-editor-cancel', text: RED._('common.label.cancel'), click: () => RED.tray.close() },
        {
          id: 'hf-mapper-editor-done',
          class: 'primary',
          text: RED._('common.label.done'),
          click: () => {
            this.#options.done(JSON.stringify(this.#mapping), this.#sample, modeOf(this.#mapping));
            RED.tray.close();
          },
        },
      ],
      open: (tray: JQuery) => {
        this.#build(tray.find('.red-ui-tray-body'));
        this.#fit();
      },
      resize: () => this.#fit(),
    });
  }

  /** Node-RED makes the body of a tray a little higher than there is room above the footer. */
  #fit(): void {
    const body = $('#hf-mapper-editor');
    const footer = body.closest('.red-ui-tray').find('.red-ui-tray-footer').get(0)?.getBoundingClientRect().top;
    const top = body.get(0)?.getBoundingClientRect().top;
    if (footer !== undefined && top !== undefined) body.css('height', `${Math.max(0, footer - top)}px`);
  }

  #build(body: JQuery): void {
    const { t } = this.#options;
    body.css({
      display: 'flex',
      flexDirection: 'column',
      gap: '8px',
      padding: '10px',
      boxSizing: 'border-box',
      height: '100%',
    });
    body.attr({ id: 'hf-mapper-editor', tabindex: -1 });
    body.css('outline', 'none');
    this.#headerBox = this.#header();
    body.append(this.#headerBox, this.#toolbar());
    const columns = $('<div>')
      .css({
        display: 'grid',
        gridTemplateColumns: 'minmax(180px, 1fr) minmax(360px, 2.4fr) minmax(200px, 1fr)',
        gap: '8px',
        flex: '1 1 60%',
        minHeight: '0',
      })
      .appendTo(body);
    this.#sourceList = this.#fieldPane(columns, 'source');
    const middle = $('<div>').css(pane).attr('id', 'hf-mapper-editor-rows').appendTo(columns);
    this.#rows = new RowsTable(middle, {
      t,
      transforms: this.#model.transforms,
      tables: () => [...this.#tables, ...Object.keys((this.#mapping.lookups as object | undefined) ?? {})],
      changed: (rows) => this.#commit({ ...this.#mapping, rows }, false),
    });
    this.#targetList = this.#fieldPane(columns, 'target');
    const lower = $('<div>')
      .css({ display: 'grid', gridTemplateColumns: '1fr 1fr', gap: '8px', flex: '1 1 35%', minHeight: '0' })
      .appendTo(body);
    const sample = $('<textarea spellcheck="false">')
      .attr({
        id: 'hf-mapper-editor-sample',
        'aria-label': t('canonical-mapper.label.sample'),
        placeholder: t('canonical-mapper.placeholder.sample'),
      })
      .css({
        width: '100%',
        boxSizing: 'border-box',
        fontFamily: 'monospace',
        fontSize: '12px',
        lineHeight: '16px',
        resize: 'none',
        margin: '0',
        flex: '1',
        minHeight: '0',
      })
      .val(this.#sample)
      .on('input', () => {
        this.#sample = String(sample.val());
        this.#refresh();
      });
    this.#samplePicker = $('<select>')
      .attr({
        id: 'hf-mapper-editor-samples',
        'aria-label': t('canonical-mapper.editor.samples'),
        title: t('canonical-mapper.editor.samplesTip'),
      })
      .css({ width: '100%', margin: '0', fontSize: '12px', height: '26px', padding: '0 4px' })
      .on('change', () => this.#takeSample(String(this.#samplePicker.val())));
    lower.append(
      $('<div>')
        .css({ display: 'flex', flexDirection: 'column', gap: '4px', minHeight: '0', minWidth: '0' })
        .append(this.#samplePicker, sample),
    );
    const right = $('<div>')
      .css({ ...pane, overflow: 'auto', padding: '4px 8px' })
      .appendTo(lower);
    this.#suggestions = $('<div>').attr('id', 'hf-mapper-editor-suggestions').appendTo(right);
    this.#findings = $('<div>').attr({ id: 'hf-mapper-editor-findings', 'aria-live': 'polite' }).appendTo(right);
    body.on('keydown', (event) => {
      if (!(event.ctrlKey || event.metaKey) || $(event.target).is('input, textarea')) return;
      if (event.key === 'z' && !event.shiftKey) this.#step(this.#past, this.#future);
      else if (event.key === 'y' || (event.key === 'z' && event.shiftKey)) this.#step(this.#future, this.#past);
      else return;
      event.preventDefault();
      // Node-RED's own keys look for the target in the page, where it may be no more.
      event.stopPropagation();
    });
    this.#listSamples();
    this.#loadFields();
    this.#rows.show(this.#mapping.rows);
    this.#buttons();
    this.#refresh();
  }

  /** Offers the samples that the source side can read. */
  #listSamples(): void {
    const { t } = this.#options;
    const { source } = this.#mapping;
    const fits = ({ side }: Sample): boolean =>
      'entity' in source
        ? 'entity' in side && side.entity === source.entity
        : 'format' in side && side.format === source.format;
    this.#samplePicker.empty().append($('<option value="">').text(t('canonical-mapper.editor.samples')));
    for (const origin of ['mapping', 'library'] as const) {
      const offered = this.#samples.filter((each) => each.origin === origin && fits(each));
      if (offered.length === 0) continue;
      const label = t(`canonical-mapper.editor.${origin === 'mapping' ? 'samplesMapping' : 'samplesLibrary'}`);
      const group = $('<optgroup>').attr('label', label).appendTo(this.#samplePicker);
      for (const { id, title } of offered) $('<option>').val(id).text(title).appendTo(group);
    }
  }

  #takeSample(id: string): void {
    if (id === '') return;
    get<{ sample: string }>(`samples/${encodeURIComponent(id)}`).then(
      ({ sample }) => this.#commit(this.#mapping, false, sample),
      tell,
    );
  }

  #header(): JQuery {
    const { t } = this.#options;
    const box = $('<div>').css({ display: 'flex', flexWrap: 'wrap', gap: '8px', alignItems: 'center' });
    const input = (key: 'id' | 'version' | 'title', width: string): void => {
      const field = $('<input type="text">')
        .attr({
          id: `hf-mapper-editor-${key}`,
          'aria-label': t(`canonical-mapper.editor.${key}`),
          title: t(`canonical-mapper.editor.${key === 'title' ? 'title-field' : key}`),
        })
        .css({ width, margin: '0' })
        .val(this.#mapping[key])
        .on('change', () => this.#commit({ ...this.#mapping, [key]: String(field.val()).trim() }, false));
      box.append(field);
    };
    input('id', '220px');
    input('version', '70px');
    input('title', '320px');
    const select = (id: string, values: [string, string][], value: string, changed: (value: string) => void): void => {
      const field = $('<select>')
        .attr({ id, 'aria-label': t(`canonical-mapper.editor.${id.replace('hf-mapper-editor-', '')}`) })
        .css({ width: 'auto', margin: '0' });
      for (const [key, label] of values) $('<option>').val(key).text(label).appendTo(field);
      field.val(value).on('change', () => changed(String(field.val())));
      box.append(field);
    };
    const toCanonical = modeOf(this.#mapping) === 'to-canonical';
    const documentSide = toCanonical ? 'source' : 'target';
    const entitySide = toCanonical ? 'target' : 'source';
    const document = this.#mapping[documentSide];
    const entity = this.#mapping[entitySide];
    select(
      'hf-mapper-editor-format',
      formats.map((f) => [f, f]),
      'format' in document ? document.format : 'json',
      (format) => {
        const name = 'name' in document ? document.name : 'document';
        this.#commit({ ...this.#mapping, [documentSide]: { ...document, format, name } }, false);
        this.#listSamples();
      },
    );
    select(
      'hf-mapper-editor-entity',
      this.#model.entities.map(({ name, title }) => [name, title]),
      'entity' in entity ? entity.entity : 'order',
      (name) => {
        this.#commit({ ...this.#mapping, [entitySide]: { entity: name } }, false);
        this.#listSamples();
        this.#loadFields();
      },
    );
    return box;
  }

  #toolbar(): JQuery {
    const { t } = this.#options;
    const bar = $('<div>').css({ display: 'flex', gap: '6px', alignItems: 'center' });
    const button = (key: string, icon: string, click: () => void): JQuery =>
      $('<button type="button" class="red-ui-button red-ui-button-small">')
        .attr('id', `hf-mapper-editor-${key}`)
        .append($('<i>').addClass(`fa ${icon}`), document.createTextNode(` ${t(`canonical-mapper.editor.${key}`)}`))
        .on('click', click)
        .appendTo(bar);
    this.#undo = button('undo', 'fa-undo', () => this.#step(this.#past, this.#future));
    this.#redo = button('redo', 'fa-repeat', () => this.#step(this.#future, this.#past));
    button('add', 'fa-plus', () => this.#addRow({ from: '', to: '' }));
    button('suggest', 'fa-lightbulb-o', () => this.#suggest());
    button('difference', 'fa-exchange', () => this.#difference());
    button('dryRun', 'fa-play', () => this.#dryRun());
    button('reverse', 'fa-retweet', () => this.#reverse());
    button('export', 'fa-table', () => this.#exportSheet());
    button('import', 'fa-upload', () => this.#importSheet());
    this.#coverage = $('<span>').attr('id', 'hf-mapper-editor-coverage').css({ marginLeft: 'auto' }).appendTo(bar);
    return bar;
  }

  #fieldPane(parent: JQuery, side: 'source' | 'target'): JQuery {
    const { t } = this.#options;
    const box = $('<div>').css(pane).appendTo(parent);
    const list = $('<div role="listbox">')
      .attr({ id: `hf-mapper-editor-${side}`, 'aria-label': t(`canonical-mapper.editor.${side}`) })
      .css({ overflow: 'auto', flex: '1' });
    const search = $('<input type="text">')
      .attr({
        id: `hf-mapper-editor-${side}-search`,
        placeholder: t(`canonical-mapper.editor.${side}`),
        'aria-label': t(`canonical-mapper.editor.${side}`),
      })
      .css({ margin: '4px', width: 'auto', height: '28px', fontSize: '12px' })
      .on('input', () => {
        const wanted = String(search.val()).toLowerCase();
        list.children().each((_i, item) => {
          // The title is the path, and the value or the description below it.
          $(item).toggle(String($(item).attr('title')).toLowerCase().includes(wanted));
        });
        // What the Tab key stops at must be among those that are shown.
        list.children().attr('tabindex', -1);
        list.children(':visible').first().attr('tabindex', 0);
      })
      .on('keydown', (event) => {
        if (event.key !== 'ArrowDown') return;
        event.preventDefault();
        list.children(':visible').first().trigger('focus');
      });
    box.append(search, list);
    return list;
  }

  /** One field in a pane: drag it to the other side, or Enter here and Enter there. */
  #item(list: JQuery, side: 'source' | 'target', entry: Entry): void {
    const { path, detail, badge } = entry;
    // One stop of the Tab key for each list: the arrows go through it.
    const item = $('<div role="option" aria-selected="false" draggable="true">')
      .data('path', path)
      .attr({ 'data-path': path, tabindex: list.children().length === 0 ? 0 : -1 })
      .css({ padding: '2px 6px', cursor: 'grab', overflowWrap: 'anywhere', fontSize: '12px' })
      .appendTo(list);
    this.#mark(item, entry);
    if (badge !== undefined) {
      $('<span>')
        .addClass('hf-mapper-badge')
        .css({ display: 'inline-block', minWidth: '30px', opacity: 0.8 })
        .text(badge)
        .appendTo(item);
    }
    item.append(document.createTextNode(path));
    if (side === 'source') {
      $('<div>')
        .addClass('hf-mapper-value')
        .css({ opacity: 0.7, whiteSpace: 'nowrap', overflow: 'hidden', textOverflow: 'ellipsis' })
        .text(detail)
        .appendTo(item);
    }
    item.on('dragstart', (event) => {
      const transfer = (event.originalEvent as DragEvent).dataTransfer;
      transfer?.setData('text/plain', path);
      transfer?.setData(`application/x-hf-${side}`, path);
    });
    item.on('dragover', (event) => event.preventDefault());
    item.on('drop', (event) => {
      event.preventDefault();
      const other = side === 'source' ? 'target' : 'source';
      const dropped = (event.originalEvent as DragEvent).dataTransfer?.getData(`application/x-hf-${other}`) ?? '';
      if (dropped !== '') this.#map(side === 'source' ? path : dropped, side === 'source' ? dropped : path);
    });
    item.on('focus', () => {
      list.children().attr('tabindex', -1);
      item.attr('tabindex', 0);
    });
    item.on('keydown', (event) => {
      if (event.key === 'Enter') {
        if (side === 'source') this.#pick(path);
        else if (this.#picked !== undefined) {
          this.#map(this.#picked, path);
          this.#pick(undefined);
        }
      } else if (event.key === 'Escape' && this.#picked !== undefined) {
        this.#pick(undefined);
        // Node-RED would close the dialog.
        event.stopPropagation();
      } else {
        const there = nextOf(list, item, event.key);
        if (there === undefined) return;
        there.trigger('focus');
      }
      event.preventDefault();
    });
  }

  /** Marks the source field that the next target is given, or none. */
  #pick(path: string | undefined): void {
    this.#picked = path;
    this.#sourceList.children().each((_i, element) => {
      const chosen = path !== undefined && $(element).data('path') === path;
      $(element)
        .attr('aria-selected', String(chosen))
        .css('outline', chosen ? '2px solid var(--red-ui-form-input-focus-color)' : '');
    });
  }

  /** What a field is told to be, in letters and colour. */
  #mark(item: JQuery, entry: Entry): void {
    const { sensitivity = '', warn } = entry;
    const words =
      classColours[sensitivity] === undefined ? '' : this.#options.t(`canonical-mapper.sensitivity.${sensitivity}`);
    item.attr('title', [titleOf(entry), words].filter((text) => text !== '').join('\n')).css({
      color: classColours[sensitivity] ?? (warn ? warning : ''),
      fontWeight: sensitivity === 'S' ? 'bold' : '',
    });
  }

  #map(from: string, to: string): void {
    const target = to.replaceAll(/identifiers\[\]/g, () => `identifiers[type=${identifierKind(to)}]`);
    this.#addRow({ from, to: target });
  }

  #addRow(row: Row): void {
    this.#commit({ ...this.#mapping, rows: [...this.#mapping.rows, row] }, true);
    this.#rows.focusLast();
  }

  /** Takes a change over; `redraw` when it did not come from the rows themselves. */
  #commit(mapping: Mapping, redraw: boolean, sample?: string): void {
    this.#past.push(this.#state(sample !== undefined));
    if (sample !== undefined) this.#showSample(sample);
    if (this.#past.length > 200) this.#past.shift();
    this.#future = [];
    this.#mapping = mapping;
    if (redraw) this.#rows.show(mapping.rows);
    this.#buttons();
    this.#refresh();
  }

  #step(from: State[], to: State[]): void {
    const state = from.pop();
    if (state === undefined) return;
    to.push(this.#state(state.sample !== undefined));
    this.#mapping = JSON.parse(state.mapping) as Mapping;
    if (state.sample !== undefined) this.#showSample(state.sample);
    this.#showAll();
    // The row that had the focus may be drawn anew or gone: the next Ctrl+Z is still meant for the editor.
    const body = $('#hf-mapper-editor').get(0);
    if (body?.contains(document.activeElement) === false) body.focus({ preventScroll: true });
  }

  #state(withSample: boolean): State {
    const mapping = JSON.stringify(this.#mapping);
    return withSample ? { mapping, sample: this.#sample } : { mapping };
  }

  #showSample(sample: string): void {
    this.#sample = sample;
    $('#hf-mapper-editor-sample').val(sample);
  }

  /** Draws everything that follows from the mapping. */
  #showAll(): void {
    const header = this.#header();
    this.#headerBox.replaceWith(header);
    this.#headerBox = header;
    this.#rows.show(this.#mapping.rows);
    this.#listSamples();
    this.#loadFields();
    this.#buttons();
    this.#refresh();
  }

  #buttons(): void {
    this.#undo.prop('disabled', this.#past.length === 0).toggleClass('disabled', this.#past.length === 0);
    this.#redo.prop('disabled', this.#future.length === 0).toggleClass('disabled', this.#future.length === 0);
  }

  #loadFields(): void {
    const side = [this.#mapping.target, this.#mapping.source].find((each) => 'entity' in each) as
      | { entity: string }
      | undefined;
    if (side === undefined) return;
    const asked = ++this.#fieldsAsked;
    get<{ fields: Field[] }>(`entities/${encodeURIComponent(side.entity)}`).then(
      ({ fields }) => {
        // Another entity was chosen meanwhile, and its answer may have come first.
        if (asked !== this.#fieldsAsked) return;
        // What every entity has comes last: an analyst looks for the business fields.
        const common = ({ path }: Field): number => Number(/^(id|identifiers|ext)\b/.test(path));
        const leaves = fields.filter(
          ({ type, path }) => type !== 'object' && type !== 'array' && !path.startsWith('meta.'),
        );
        this.#fields = leaves.sort((a, b) => common(a) - common(b));
        this.#drawFields();
      },
      () => undefined,
    );
  }

  #drawFields(): void {
    const toCanonical = 'entity' in this.#mapping.target;
    const plain = (path: string): string => path.replace(/\[[^\]]*\]/g, '[]');
    const sources = (row: Row): string[] => (Array.isArray(row.from) ? row.from : [row.from ?? '']);
    const used = new Set(this.#mapping.rows.flatMap((row) => (toCanonical ? [row.to] : sources(row))).map(plain));
    const entries = this.#fields.map((field): Entry => {
      const mark = used.has(field.path) ? '✓' : field.mandatory ? '*' : ' ';
      return {
        path: field.path,
        detail: field.description,
        badge: `${mark} ${field.sensitivity ?? ''} `,
        ...(field.sensitivity === undefined ? {} : { sensitivity: field.sensitivity }),
        warn: false,
      };
    });
    this.#fill(toCanonical ? 'target' : 'source', entries);
    if (!toCanonical) {
      const targets = new Set(this.#mapping.rows.map((row) => row.to).filter((path) => path !== ''));
      this.#fill(
        'target',
        [...targets].map((path) => ({ path, detail: '', warn: false })),
      );
    }
  }

  /** Fills a pane; fields that are there already stay where they are, so that a drag or the focus survives a refresh. */
  #fill(side: 'source' | 'target', entries: Entry[]): void {
    const list = side === 'source' ? this.#sourceList : this.#targetList;
    const key = entries.map(({ path }) => path).join('\n');
    if (list.data('key') !== key) {
      list.empty().data('key', key);
      for (const entry of entries) this.#item(list, side, entry);
      $(`#hf-mapper-editor-${side}-search`).trigger('input');
      return;
    }
    list.children().each((i, element) => {
      const { badge = '', detail } = entries[i]!;
      this.#mark($(element), entries[i]!);
      $(element).find('.hf-mapper-badge').text(badge);
      if (side === 'source') $(element).find('.hf-mapper-value').text(detail);
    });
  }

  #show(answer: PreviewAnswer): void {
    const { t } = this.#options;
    this.#made = answer.preview?.violations.length === 0 ? answer.preview.result : '';
    this.#findings.empty();
    showFindings(this.#findings, answer, t);
    showResult(this.#findings, answer);
    showUnmapped(this.#findings, answer, t);
    this.#rows.results(answer);
    this.#coverage.text(
      answer.uncovered.length === 0
        ? t('canonical-mapper.editor.covered')
        : t('canonical-mapper.editor.uncovered', { fields: answer.uncovered.map(({ path }) => path).join(', ') }),
    );
    this.#coverage.css(
      'color',
      answer.uncovered.length === 0 ? 'var(--red-ui-text-color-success)' : 'var(--red-ui-text-color-error)',
    );
    const leaves = answer.preview?.source ?? answer.source;
    if ('entity' in this.#mapping.target && leaves !== undefined) {
      const unmapped = new Set(answer.preview?.unmapped ?? answer.unmapped ?? leaves.map(({ path }) => path));
      this.#fill(
        'source',
        leaves.map(({ path, value }) => ({ path, detail: value, warn: unmapped.has(path) })),
      );
    }
    this.#drawFields();
  }

  /** Suggestions are taken one by one by a person, and the row keeps who took it and when. */
  #suggest(): void {
    const { t } = this.#options;
    post<{ suggestions: { to: string; from: string; score: number; reasons: string[] }[] }>('suggest', {
      mapping: JSON.stringify(this.#mapping),
      sample: this.#sample,
    }).then(({ suggestions }) => {
      this.#suggestions.empty();
      $('<div>')
        .css({ fontWeight: 'bold' })
        .text(
          t(suggestions.length === 0 ? 'canonical-mapper.editor.noSuggestions' : 'canonical-mapper.editor.suggestions'),
        )
        .appendTo(this.#suggestions);
      for (const suggestion of suggestions.slice(0, 40)) {
        const line = $('<div>')
          .css({ display: 'flex', gap: '6px', alignItems: 'center', margin: '2px 0', fontSize: '12px' })
          .appendTo(this.#suggestions);
        $('<button type="button" class="red-ui-button red-ui-button-small">')
          .text(t('canonical-mapper.editor.accept'))
          .on('click', () => {
            line.remove();
            this.#addRow({
              from: suggestion.from,
              to: suggestion.to.replaceAll('identifiers[]', `identifiers[type=${identifierKind(suggestion.to)}]`),
              source: 'suggested',
              accepted: {
                by: RED.settings.user?.username ?? 'editor',
                at: new Date().toISOString(),
                score: Math.round(suggestion.score * 100),
                reasons: suggestion.reasons,
              },
            });
          })
          .appendTo(line);
        $('<span>').text(`${suggestion.from} → ${suggestion.to}`).css({ overflowWrap: 'anywhere' }).appendTo(line);
        $('<span>')
          .css({ marginLeft: 'auto', whiteSpace: 'nowrap', opacity: 0.8 })
          .text(`${Math.round(suggestion.score * 100)} % ${suggestion.reasons.join(', ')}`)
          .appendTo(line);
      }
    }, tell);
  }

  #difference(): void {
    const { t, node } = this.#options;
    post<DifferenceAnswer>('difference', {
      node,
      mapping: JSON.stringify(this.#mapping),
      sample: this.#sample,
    }).then((answer) => showDifference(this.#suggestions.empty(), answer, t), tell);
  }

  #dryRun(): void {
    const { t, node } = this.#options;
    post<DryRunAnswer>('dry-run', { node, mapping: JSON.stringify(this.#mapping) }).then(
      (answer) =>
        showDryRun(this.#suggestions.empty(), answer, t, (document, reason) => this.#openKept(document, reason)),
      tell,
    );
  }

  /** The way back: told first; opened in place of this one, which "Undo" brings back, or downloaded. */
  #reverse(): void {
    const { t } = this.#options;
    const before = this.#mapping;
    post<ReverseAnswer>('reverse', { mapping: JSON.stringify(before) }).then((answer) => {
      showReverse(this.#suggestions.empty(), answer, t, {
        open: () => {
          // What the mapping makes of the sample is a document for the way back.
          const written = this.#made;
          this.#commit(answer.mapping, false, written === '' ? undefined : written);
          this.#suggestions.empty();
          this.#showAll();
        },
        download: () => save(`${answer.mapping.id}.json`, 'application/json', JSON.stringify(answer.mapping, null, 2)),
      });
    }, tell);
  }

  /** A document that is kept becomes the sample. */
  #openKept({ key, origin, event = '' }: DryRunAnswer['runs'][number], reason: string): void {
    const { node } = this.#options;
    post<{ sample: string }>('open', { node, key, origin, event, reason }).then(({ sample }) => {
      this.#showSample(sample);
      this.#refresh();
    }, tell);
  }

  #exportSheet(): void {
    post<{ csv: string }>('csv', { mapping: JSON.stringify(this.#mapping) }).then(
      ({ csv }) => save(`${this.#mapping.id}.csv`, 'text/csv', csv),
      tell,
    );
  }

  #importSheet(): void {
    const chooser = $('<input type="file" accept=".csv,text/csv">');
    chooser.on('change', () => {
      const file = (chooser.get(0) as HTMLInputElement).files?.[0];
      if (file === undefined) return;
      file
        .text()
        .then((csv) => post<{ rows: Row[] }>('csv', { mapping: JSON.stringify(this.#mapping), csv }))
        .then(({ rows }) => this.#commit({ ...this.#mapping, rows }, true), tell);
    });
    chooser.trigger('click');
  }
}
