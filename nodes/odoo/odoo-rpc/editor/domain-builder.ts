/** Rows of field, operator and value over the JSON of a domain. The JSON stays what is saved; rows are a view of it. */
import { domainOf, operators, type Row, type Rows, rowsOf, takesValue, textOf, typedValue } from './domain-rows.ts';

export interface FieldChoice {
  value: string;
  label: string;
  type?: string;
  selection?: [string, string][];
}

export interface DomainBuilderOptions {
  /** Where the rows go. */
  at: JQuery;
  /** Fields of the model; empty when the server does not answer, and then names are typed. */
  fields(): Promise<FieldChoice[]>;
  words(key: string): string;
  read(): string;
  write(json: string): void;
  /** Completes a text input from choices. */
  complete(input: JQuery, choices: () => Promise<FieldChoice[]>): void;
}

export interface DomainBuilder {
  /** Shows what the JSON says now. */
  show(): void;
}

export function domainBuilder({ at, fields, words, read, write, complete }: DomainBuilderOptions): DomainBuilder {
  /** What the rows last wrote: then the JSON changed by itself, and the cursor must stay where it is. */
  let written: string | undefined;
  let types = new Map<string, string>();

  const learnTypes = (): void => {
    fields().then(
      (all) => {
        types = new Map(all.map((field) => [field.value, field.type ?? '']));
      },
      () => undefined,
    );
  };

  const render = (state: Rows): void => {
    at.empty();
    const save = (): void => {
      written = JSON.stringify(domainOf(state));
      write(written);
    };
    const again = (): void => {
      save();
      render(state);
    };
    if (state.rows.length > 1) {
      const join = $('<select>').css({ width: 'auto', marginBottom: '4px' }).attr('aria-label', words('domain.join'));
      for (const kind of ['all', 'any'] as const)
        $('<option>')
          .val(kind)
          .text(words(`domain.${kind}`))
          .appendTo(join);
      join.val(state.join).on('change', () => {
        state.join = join.val() as Rows['join'];
        save();
      });
      at.append(join);
    }
    for (const [index, row] of state.rows.entries()) at.append(rowElement(row, index, state, save, again));
    const add = $('<button type="button">')
      .addClass('red-ui-button red-ui-button-small hf-odoo-domain-add')
      .append($('<i>').addClass('fa fa-plus'), ` ${words('domain.add')}`)
      .on('click', () => {
        state.rows.push({ field: '', operator: '=', value: '' });
        render(state);
        at.find('.hf-odoo-domain-field').last().trigger('focus');
      });
    at.append(add);
  };

  const rowElement = (row: Row, index: number, state: Rows, save: () => void, again: () => void): JQuery => {
    const line = $('<div>').addClass('hf-odoo-domain-row').css({ display: 'flex', gap: '4px', marginBottom: '4px' });
    const field = $('<input type="text">')
      .addClass('hf-odoo-domain-field')
      .css({ flex: '3 1 0', minWidth: '0', width: 'auto' })
      .attr({ placeholder: words('domain.field'), 'aria-label': words('domain.field') })
      .val(row.field);
    const operator = $('<select>')
      .css({ flex: '2 1 0', minWidth: '0', width: 'auto' })
      .attr('aria-label', words('domain.operator'));
    for (const one of operators)
      $('<option>')
        .val(one)
        .text(words(`domain.operators.${one}`))
        .appendTo(operator);
    operator.val(row.operator);
    const value = $('<input type="text">')
      .addClass('hf-odoo-domain-value')
      .css({ flex: '3 1 0', minWidth: '0', width: 'auto' })
      .attr({ placeholder: words('domain.value'), 'aria-label': words('domain.value') })
      .val(textOf(row.value))
      .toggle(takesValue(row.operator));
    const remove = $('<button type="button">')
      .addClass('red-ui-button red-ui-button-small')
      .attr({ title: words('domain.remove'), 'aria-label': words('domain.remove') })
      .append($('<i>').addClass('fa fa-trash-o'));
    line.append(field, operator, value, remove);
    const edited = (): void => {
      const typed = String(value.val() ?? '');
      row.field = String(field.val() ?? '').trim();
      row.operator = String(operator.val() ?? '=');
      row.value = typedValue(typed, row.operator, types.get(row.field) || undefined);
      value.toggle(takesValue(row.operator));
      save();
    };
    field.on('input change', edited);
    operator.on('change', edited);
    value.on('input change', edited);
    remove.on('click', () => {
      state.rows.splice(index, 1);
      again();
    });
    complete(field, fields);
    complete(value, async () => {
      const found = (await fields()).find((one) => one.value === String(field.val() ?? '').trim());
      return (found?.selection ?? []).map(([key, label]) => ({ value: key, label }));
    });
    return line;
  };

  return {
    show() {
      learnTypes();
      const json = read();
      if (json === written) return;
      written = undefined;
      let rows: Rows | undefined;
      try {
        rows = rowsOf(JSON.parse(json.trim() === '' ? '[]' : json));
      } catch {
        // While somebody types in the JSON view it is often not complete.
        rows = undefined;
      }
      if (rows !== undefined) render(rows);
      else at.empty().append($('<div>').text(words('domain.jsonOnly')));
    },
  };
}
