import type { EditorNodeProperties, EditorRED } from 'node-red';
import { limits, type LimitName, limitsByMode, type OwnedReason, usualOwners } from '../editor-tables.ts';

declare const RED: EditorRED;

type Condition = 'supplier' | 'category' | 'from' | 'below';
type Row = Record<Condition | LimitName, string>;

interface MatchFields extends EditorNodeProperties {
  mode: string;
  document: string;
  documentType: string;
  order: string;
  orderType: string;
  facts: string;
  factsType: string;
  profile: string;
  profileVersion: string;
  rules: Partial<Row>[];
  owners: { reason: string; owner: string }[];
  configVersion: number;
}

const words = (key: string, values?: Record<string, unknown>): string =>
  RED._(`@healthflows/node-red-integration/document-match:document-match.${key}`, values as Record<string, string>);

const conditions: readonly Condition[] = ['supplier', 'category', 'from', 'below'];

/** `any`, an amount, a share, or both divided by a semicolon. */
function isLimit(text: string): boolean {
  if (text === '' || /^any$/i.test(text)) return true;
  const parts = text.split(';').map((part) => part.trim());
  const shares = parts.filter((part) => /^\d+(\.\d+)?\s*%$/.test(part)).length;
  const amounts = parts.filter((part) => /^\d+(\.\d+)?$/.test(part)).length;
  return shares <= 1 && amounts <= 1 && shares + amounts === parts.length;
}

const isValue = (name: Condition | LimitName, text: string): boolean => {
  if (name === 'supplier' || name === 'category') return true;
  if (name === 'from' || name === 'below') return text === '' || /^\d+(\.\d+)?$/.test(text);
  return isLimit(text);
};

// Node-RED shows a returned text only when a validator declares two parameters.
function areRules(value: Partial<Row>[] | undefined, _options: unknown): true | string {
  const bad = (value ?? []).some((row) =>
    Object.entries(row).some(([name, text]) => !isValue(name as Condition, String(text ?? '').trim())),
  );
  return !bad || words('error.rules');
}

RED.nodes.registerType<MatchFields>('document-match', {
  category: 'healthflows',
  color: '#B5D3E7',
  defaults: {
    name: { value: '' },
    mode: { value: 'bill' },
    document: { value: 'payload' },
    documentType: { value: 'msg' },
    order: { value: 'order' },
    orderType: { value: 'msg' },
    facts: { value: 'facts' },
    factsType: { value: 'msg' },
    profile: { value: 'default' },
    profileVersion: { value: '1.0.0' },
    rules: { value: [], validate: areRules as never },
    owners: { value: [] },
    configVersion: { value: 1 },
  },
  inputs: 1,
  outputs: 4,
  outputLabels(index) {
    return this._(`document-match.output.${index}`);
  },
  icon: 'hf-document-match.svg',
  paletteLabel: 'document match',
  label() {
    return this.name || this._(`document-match.short.${this.mode}`);
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    for (const name of ['document', 'order', 'facts']) {
      $(`#node-input-${name}`).typedInput({
        default: 'msg',
        types: ['msg', 'jsonata', 'json'],
        typeField: $(`#node-input-${name}Type`),
      } as never);
    }

    // Rules stand beside one another: a dialog is higher than it is wide.
    const rules: Partial<Row>[] = (this.rules ?? []).map((row) => ({ ...row }));
    if (rules.length === 0) rules.push({});
    const table = $('#hf-match-rules');
    table.data('rules', rules);
    const problem = $('#hf-match-problem');
    const mode = (): string => String($('#node-input-mode').val() ?? 'bill');
    const check = (input: JQuery, name: Condition | LimitName): void => {
      const ok = isValue(name, String(input.val() ?? '').trim());
      input.toggleClass('input-error', !ok).attr('aria-invalid', String(!ok));
      problem.text(table.find('.input-error').length > 0 ? words('error.rules') : '');
    };
    const draw = (): void => {
      table.empty();
      const head = $('<tr>').appendTo($('<thead>').appendTo(table));
      $('<th>').appendTo(head);
      for (const [index] of rules.entries()) {
        const cell = $('<th scope="col">')
          .css({ textAlign: 'left', padding: '2px 4px', whiteSpace: 'nowrap' })
          .appendTo(head);
        $('<span>')
          .text(words('rule.title', { n: index + 1 }))
          .appendTo(cell);
        if (rules.length === 1) continue;
        $('<button type="button" class="red-ui-button red-ui-button-small"><i class="fa fa-remove"></i></button>')
          .attr({ title: words('rule.remove'), 'aria-label': `${words('rule.remove')} ${index + 1}` })
          .css({ marginLeft: '6px' })
          .on('click', () => {
            rules.splice(index, 1);
            draw();
          })
          .appendTo(cell);
      }
      const body = $('<tbody>').appendTo(table);
      const shown = limitsByMode[mode()] ?? [];
      for (const name of [...conditions, ...shown]) {
        const row = $('<tr>').appendTo(body);
        const isCondition = (conditions as readonly string[]).includes(name);
        $('<th scope="row">')
          .text(words(isCondition ? `condition.${name}` : `limit.${name}`))
          .css({ textAlign: 'left', fontWeight: 'normal', whiteSpace: 'nowrap', paddingRight: '8px' })
          .appendTo(row);
        for (const [index, rule] of rules.entries()) {
          const input = $('<input type="text">')
            .attr({
              placeholder: isCondition ? words(`condition.all.${name}`) : limits[name as LimitName],
              'aria-label': `${words('rule.title', { n: index + 1 })}: ${words(isCondition ? `condition.${name}` : `limit.${name}`)}`,
            })
            .css({ width: '112px', margin: '1px 2px' })
            .val(rule[name] ?? '')
            .appendTo($('<td>').appendTo(row));
          input.on('change keyup', () => {
            rule[name] = String(input.val() ?? '').trim();
            check(input, name);
          });
          check(input, name);
        }
      }
    };
    $('#hf-match-add').on('click', () => {
      if (rules.length < 50) rules.push({});
      draw();
      table.find('thead th').last().get(0)?.scrollIntoView({ block: 'nearest', inline: 'end' });
    });

    const owners = $('#hf-match-owners');
    const given = new Map((this.owners ?? []).map(({ reason, owner }) => [reason, owner]));
    for (const [reason, usual] of Object.entries(usualOwners) as [OwnedReason, string][]) {
      const row = $('<tr>').appendTo(owners);
      $('<th scope="row">')
        .text(`${reason} · ${words(`reason.${reason}`)}`)
        .css({ textAlign: 'left', fontWeight: 'normal', paddingRight: '8px' })
        .appendTo(row);
      $('<input type="text">')
        .attr({ placeholder: usual, 'data-reason': reason, 'aria-label': `${words('section.owners')}: ${reason}` })
        .css({ width: '100%' })
        .val(given.get(reason) ?? '')
        .appendTo($('<td>').css({ width: '45%' }).appendTo(row));
    }

    $('#node-input-mode').on('change', () => {
      $('.hf-match-order').toggle(mode() !== 'agreement');
      draw();
    });
    $('.hf-match-order').toggle(mode() !== 'agreement');
    draw();
  },
  oneditsave() {
    const rules = ($('#hf-match-rules').data('rules') ?? []) as Partial<Row>[];
    const filled = rules.filter((rule) => Object.values(rule).some((text) => text !== ''));
    this.rules = filled.map(
      (rule) => Object.fromEntries(Object.entries(rule).filter(([, text]) => text !== '')) as Partial<Row>,
    );
    const owners: MatchFields['owners'] = [];
    $('#hf-match-owners input').each(function () {
      const owner = String($(this).val() ?? '').trim();
      if (owner !== '') owners.push({ reason: String($(this).attr('data-reason')), owner });
    });
    this.owners = owners;
  },
});
