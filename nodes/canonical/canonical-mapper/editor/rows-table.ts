/** The rows of a mapping as a sortable list, each with its details and what it made of the sample. */
import { outcomeColour } from './preview-panel.ts';
import type { PreviewAnswer, Row, RowPreview, TransformInfo, TransformUse, Translate } from './types.ts';

export interface RowsTableOptions {
  t: Translate;
  transforms: TransformInfo[];
  /** Tables that a row may look up, those of the mapping itself too. */
  tables(): string[];
  /** Called with all rows after a person has changed one. */
  changed(rows: Row[]): void;
}

interface Item {
  row: Row;
  open: boolean;
}

/** What Node-RED's editableList widget takes, as far as it is used here. */
interface EditableList {
  editableList(options: Record<string, unknown>): void;
  editableList(method: string, argument?: unknown): JQuery;
}

const small = { margin: '0', fontSize: '12px', height: '26px', boxSizing: 'border-box' } as const;
const nameOf = (use: TransformUse): string => (typeof use === 'string' ? use : use.name);
const shown = (value: unknown): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);

/** A constant as typed: true, false and whole numbers are those, everything else is text. */
function constant(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

const expression = 'jsonata:';

/** What a row takes, as typed: a path, paths with " + " between, =constant, or jsonata:expression. */
function sourceText(row: Row): string {
  if (row.jsonata !== undefined) return `${expression} ${row.jsonata}`;
  if (row.from === undefined && row.value !== undefined) return `=${shown(row.value)}`;
  return shown(Array.isArray(row.from) ? row.from.join(' + ') : row.from);
}

function takeSource(row: Row, text: string): void {
  delete row.from;
  delete row.value;
  delete row.jsonata;
  if (text.startsWith('=')) row.value = constant(text.slice(1));
  else if (text.startsWith(expression)) row.jsonata = text.slice(expression.length).trim();
  else if (text.includes(' + ')) row.from = text.split(' + ').map((part) => part.trim());
  else if (text !== '') row.from = text;
}

export class RowsTable {
  readonly #options: RowsTableOptions;
  readonly #list: JQuery & EditableList;
  /** While the list is being filled its own events are not a person's changes. */
  #filling = false;

  constructor(parent: JQuery, options: RowsTableOptions) {
    this.#options = options;
    this.#list = $('<ol>').appendTo(parent) as JQuery & EditableList;
    this.#list.editableList({
      header: $('<div>').css({ display: 'none' }),
      addButton: false,
      sortable: '.hf-mapper-handle',
      removable: true,
      height: 'auto',
      addItem: (container: JQuery, index: number, item: Item) => this.#draw(container, index, item),
      removeItem: () => this.#changed(),
      sortItems: () => this.#changed(),
    });
    parent.find('.red-ui-editableList').css({ height: '100%' });
    parent
      .find('.red-ui-editableList-container')
      .css({ height: '100%', minHeight: '0', overflow: 'auto', border: 'none' });
  }

  show(rows: readonly Row[]): void {
    const open = this.#items().map(({ open: isOpen }) => isOpen);
    this.#filling = true;
    this.#list.editableList('empty');
    rows.forEach((row, i) => {
      this.#list.editableList('addItem', { row: structuredClone(row), open: open[i] === true } satisfies Item);
    });
    this.#filling = false;
    this.#renumber();
  }

  focusLast(): void {
    const last = this.#list.children().last();
    last.get(0)?.scrollIntoView({ block: 'nearest' });
    last.find('.hf-mapper-from').trigger('focus');
  }

  /** Shows under each row what it made of the sample. */
  results(answer: PreviewAnswer): void {
    const byRow = new Map<number, RowPreview>((answer.preview?.rows ?? []).map((row) => [row.row, row]));
    const problems = new Map<number, string>();
    const warnings = new Map<number, string>();
    for (const { row, severity, message } of answer.problems) {
      if (row === undefined) continue;
      const told = severity === 'error' ? problems : warnings;
      told.set(row, [told.get(row), message].filter((each) => each !== undefined).join('. '));
    }
    const { t } = this.#options;
    this.#list.children().each((i, element) => {
      const line = $(element).find('.hf-mapper-outcome').empty().css('color', '');
      const problem = problems.get(i + 1);
      const preview = byRow.get(i + 1);
      if (problem !== undefined) line.text(problem).css('color', 'var(--red-ui-text-color-error)');
      else if (preview !== undefined) {
        const value = preview.value === undefined ? '' : `${preview.value} → `;
        const steps =
          preview.steps.length > 1
            ? `${preview.steps
                .slice(0, -1)
                .map((step) => step.value)
                .join(' → ')} → `
            : '';
        const end = preview.error ?? preview.result ?? t(`canonical-mapper.outcome.${preview.outcome}`);
        line
          .text(`${value}${steps}${end}${preview.runs > 1 ? `  ×${preview.runs}` : ''}`)
          .css('color', outcomeColour(preview.outcome));
      }
      const warned = warnings.get(i + 1);
      if (warned !== undefined && problem === undefined)
        $('<div>')
          .addClass('hf-mapper-warning')
          .css('color', 'var(--red-ui-text-color-warning)')
          .text(warned)
          .appendTo(line);
    });
  }

  #items(): Item[] {
    const items: Item[] = [];
    this.#list.editableList('items').each((_i, element) => {
      items.push($(element).data('data') as Item);
    });
    return items;
  }

  #changed(): void {
    if (this.#filling) return;
    this.#renumber();
    this.#options.changed(this.#items().map(({ row }) => structuredClone(row)));
  }

  #renumber(): void {
    const { t } = this.#options;
    this.#list.find('.hf-mapper-number').each((i, element) => {
      $(element).text(String(i + 1));
    });
    this.#list.find('.hf-mapper-handle').each((i, element) => {
      $(element).attr('aria-label', t('canonical-mapper.editor.move', { row: i + 1 }));
    });
  }

  /** Moves a row by the keyboard; what moves keeps the focus. */
  #move(item: Item, by: number): void {
    const items = this.#items();
    const at = items.indexOf(item);
    const other = items[at + by];
    if (other === undefined) return;
    items[at] = other;
    items[at + by] = item;
    this.#replace(items, at + by);
  }

  #remove(item: Item): void {
    const items = this.#items();
    const at = items.indexOf(item);
    this.#replace(items.toSpliced(at, 1), Math.min(at, items.length - 2));
  }

  #replace(items: readonly Item[], focused: number): void {
    this.#filling = true;
    this.#list.editableList('empty');
    for (const item of items) this.#list.editableList('addItem', item);
    this.#filling = false;
    this.#changed();
    this.#list.find('.hf-mapper-handle').eq(focused).trigger('focus');
  }

  #draw(container: JQuery, _index: number, item: Item): void {
    const { t } = this.#options;
    const { row } = item;
    const line = $('<div>').css({ display: 'flex', gap: '4px', alignItems: 'center' }).appendTo(container);
    const handle = $('<i class="fa fa-bars hf-mapper-handle" role="button" tabindex="0">')
      .css({ cursor: 'move', opacity: 0.5 })
      .on('keydown', (event) => {
        const by = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0;
        if (by !== 0) this.#move(item, by);
        else if (event.key === 'Delete') this.#remove(item);
        else return;
        event.preventDefault();
        // Node-RED's own keys look for the target in the page, where it is no more.
        event.stopPropagation();
      })
      .appendTo(line);
    handle.attr('title', t('canonical-mapper.editor.moveTip'));
    $('<span>').addClass('hf-mapper-number').css({ minWidth: '22px', textAlign: 'right', opacity: 0.7 }).appendTo(line);
    const from = this.#text(line, 'from', sourceText(row)).attr('title', t('canonical-mapper.editor.fromTip'));
    const italic = () => from.css('fontStyle', row.from === undefined ? 'italic' : '');
    from.addClass('hf-mapper-from').css({ flex: '1 1 0' });
    italic();
    // Another field than the one that was suggested is the person's own.
    const own = (): void => {
      if (row.source !== 'suggested') return;
      row.source = 'human';
      delete row.accepted;
      summarise();
    };
    from.on('change', () => {
      own();
      takeSource(row, String(from.val()).trim());
      italic();
      this.#changed();
    });
    const accept = (input: JQuery): void => {
      input.on('dragover', (event) => event.preventDefault());
      input.on('drop', (event) => {
        event.preventDefault();
        input.val((event.originalEvent as DragEvent).dataTransfer?.getData('text/plain') ?? '').trigger('change');
      });
    };
    accept(from);
    $('<i class="fa fa-long-arrow-right">').css({ opacity: 0.6 }).appendTo(line);
    const to = this.#text(line, 'to', row.to).addClass('hf-mapper-to').css({ flex: '1 1 0' });
    to.on('change', () => {
      own();
      row.to = String(to.val()).trim();
      this.#changed();
    });
    accept(to);
    const details = $('<div>').css({ padding: '4px 0 4px 44px' });
    const toggle = $('<button type="button" class="red-ui-button red-ui-button-small hf-mapper-details">')
      .attr({ title: t('canonical-mapper.editor.details'), 'aria-label': t('canonical-mapper.editor.details') })
      .append($('<i class="fa fa-sliders">'))
      .on('click', () => {
        item.open = !item.open;
        details.toggle(item.open);
      })
      .appendTo(line);
    toggle.css({ marginRight: '24px' });
    // Side by side where there is room: a row is low, and more of them are seen.
    container.parent('li').css('padding', '5px 0');
    const under = $('<div>')
      .css({ display: 'flex', flexWrap: 'wrap', columnGap: '12px', paddingLeft: '44px', fontSize: '11px' })
      .appendTo(container);
    const summary = $('<div>').css({ opacity: 0.8 }).appendTo(under);
    const summarise = (): void => {
      const parts = (row.transforms ?? []).map((use) => {
        const args =
          typeof use === 'string'
            ? ''
            : Object.entries(use)
                .filter(([key]) => key !== 'name')
                .map(([, value]) => shown(value))
                .join(', ');
        return args === '' ? nameOf(use) : `${nameOf(use)}(${args})`;
      });
      if (row.lookup !== undefined) parts.push(`lookup(${row.lookup})`);
      if (row.when !== undefined)
        parts.push(`${t('canonical-mapper.editor.when')} ${row.when.path} ${row.when.is} ${shown(row.when.value)}`);
      if (row.required === true) parts.push(t('canonical-mapper.editor.required'));
      const { accepted } = row;
      if (accepted !== undefined) {
        const words = { by: accepted.by, at: accepted.at.slice(0, 10), score: accepted.score };
        parts.push(t(`canonical-mapper.editor.${accepted.score === undefined ? 'taken' : 'takenWithScore'}`, words));
      }
      summary.text(parts.join(' · '));
    };
    summarise();
    $('<div>').addClass('hf-mapper-outcome').css({ overflowWrap: 'anywhere', minWidth: '0' }).appendTo(under);
    this.#details(details, row, () => {
      summarise();
      this.#changed();
    });
    details.toggle(item.open).appendTo(container);
  }

  #text(parent: JQuery, key: string, value: string): JQuery {
    const label = this.#options.t(`canonical-mapper.editor.${key}`);
    return $('<input type="text">')
      .attr({ 'aria-label': label, placeholder: label })
      .css(small)
      .val(value)
      .appendTo(parent);
  }

  #select(parent: JQuery, key: string, values: [value: string, label: string][], value: string): JQuery {
    const select = $('<select>')
      .attr('aria-label', this.#options.t(`canonical-mapper.editor.${key}`))
      .css({ ...small, width: 'auto', padding: '0 4px' })
      .appendTo(parent);
    for (const [each, label] of values) $('<option>').val(each).text(label).appendTo(select);
    return select.val(value);
  }

  #details(box: JQuery, row: Row, changed: () => void): void {
    const { t, transforms } = this.#options;
    const tables = this.#options.tables();
    const label = (key: string): string => t(`canonical-mapper.editor.${key}`);
    const chain = $('<div>').appendTo(box);
    const drawChain = (): void => {
      chain.empty();
      (row.transforms ?? []).forEach((use, i) => {
        const info = transforms.find(({ name }) => name === nameOf(use));
        const chip = $('<div>')
          .css({ display: 'flex', gap: '4px', alignItems: 'center', margin: '2px 0', fontSize: '12px' })
          .appendTo(chain);
        $('<span>')
          .text(nameOf(use))
          .attr('title', info?.description ?? '')
          .appendTo(chip);
        for (const [key, argument] of Object.entries(info?.arguments ?? {})) {
          const given = typeof use === 'string' ? undefined : use[key];
          const input = $('<input type="text">')
            .attr({ 'aria-label': `${nameOf(use)} ${key}`, placeholder: key, title: argument.description })
            .css({ ...small, width: '110px' })
            .val(Array.isArray(given) ? given.join(',') : shown(given))
            .on('change', () => {
              const text = String(input.val());
              const next: { name: string } & Record<string, unknown> =
                typeof use === 'string' ? { name: use } : { ...use };
              if (text === '') delete next[key];
              else
                next[key] =
                  argument.kind === 'texts' ? text.split(',') : argument.kind === 'integer' ? Number(text) : text;
              row.transforms = (row.transforms ?? []).map((each, n) => (n === i ? next : each));
              changed();
              drawChain();
            })
            .appendTo(chip);
        }
        $('<button type="button" class="red-ui-button red-ui-button-small">')
          .attr('aria-label', `${label('remove')} ${nameOf(use)}`)
          .append($('<i class="fa fa-times">'))
          .on('click', () => {
            row.transforms = (row.transforms ?? []).filter((_each, n) => n !== i);
            if (row.transforms.length === 0) delete row.transforms;
            drawChain();
            changed();
          })
          .appendTo(chip);
      });
    };
    drawChain();
    const line = (): JQuery =>
      $('<div>')
        .css({ display: 'flex', flexWrap: 'wrap', gap: '4px', alignItems: 'center', margin: '3px 0', fontSize: '12px' })
        .appendTo(box);

    const first = line();
    const add = this.#select(
      first,
      'addTransform',
      [
        ['', label('addTransform')],
        ...transforms.map(({ name, description }): [string, string] => [name, `${name}: ${description}`]),
      ],
      '',
    )
      .addClass('hf-mapper-add-transform')
      .css({ maxWidth: '220px' });
    add.on('change', () => {
      const name = String(add.val());
      if (name === '') return;
      row.transforms = [...(row.transforms ?? []), name];
      add.val('');
      drawChain();
      changed();
    });
    const lookup = this.#select(
      first,
      'lookup',
      [['', label('noLookup')], ...tables.map((name): [string, string] => [name, name])],
      row.lookup ?? '',
    );
    lookup.on('change', () => {
      const value = String(lookup.val());
      if (value === '') delete row.lookup;
      else row.lookup = value;
      changed();
    });

    const second = line();
    const required = $('<input type="checkbox">')
      .css({ width: 'auto', margin: '0 4px 0 0' })
      .prop('checked', row.required === true);
    $('<label>')
      .css({ width: 'auto', margin: '0' })
      .append(required, document.createTextNode(label('required')))
      .appendTo(second);
    required.on('change', () => {
      if (required.prop('checked') === true) row.required = true;
      else delete row.required;
      changed();
    });
    const optional = (key: 'default' | 'each', width: string): void => {
      const input = this.#text(second, key, shown(row[key])).css({ width });
      input.on('change', () => {
        const text = String(input.val());
        if (text === '') delete row[key];
        else if (key === 'default') row.default = constant(text);
        else row[key] = text;
        changed();
      });
    };
    optional('default', '110px');
    optional('each', '130px');
    const choice = (key: 'onError' | 'direction', values: string[]): void => {
      const select = this.#select(
        second,
        key,
        values.map((value): [string, string] => [value, t(`canonical-mapper.${key}.${value}`)]),
        row[key] ?? values[0]!,
      );
      select.on('change', () => {
        const value = String(select.val());
        if (value === values[0]) delete row[key];
        else row[key] = value;
        changed();
      });
    };
    choice('onError', ['fail', 'skip', 'default']);
    choice('direction', ['both', 'forward', 'reverse']);

    const third = line();
    const path = this.#text(third, 'when', row.when?.path ?? '').css({ width: '180px' });
    const is = this.#select(
      third,
      'is',
      ['present', 'absent', 'equal', 'not-equal', 'one-of'].map((value): [string, string] => [
        value,
        t(`canonical-mapper.is.${value}`),
      ]),
      row.when?.is ?? 'present',
    );
    const value = this.#text(
      third,
      'whenValue',
      Array.isArray(row.when?.value) ? row.when.value.join(',') : shown(row.when?.value),
    ).css({ width: '110px' });
    const condition = (): void => {
      const chosen = String(path.val()).trim();
      const kind = String(is.val());
      const text = String(value.val());
      if (chosen === '') delete row.when;
      else if (kind === 'present' || kind === 'absent') row.when = { path: chosen, is: kind };
      else
        row.when = {
          path: chosen,
          is: kind,
          value: kind === 'one-of' ? text.split(',').map(constant) : constant(text),
        };
      changed();
    };
    for (const input of [path, is, value]) input.on('change', condition);
    const fourth = line();
    const note = this.#text(fourth, 'note', row.note ?? '').css({ flex: '1' });
    note.on('change', () => {
      const text = String(note.val());
      if (text === '') delete row.note;
      else row.note = text;
      changed();
    });
  }
}
