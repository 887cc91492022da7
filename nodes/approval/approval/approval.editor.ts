import type { EditorNodeProperties, EditorRED } from 'node-red';
import { type ApprovalConfig, approvalDefinition, type GroupRow, type RuleRow } from './approval.def.ts';

declare const RED: EditorRED;

type Fields = EditorNodeProperties & ApprovalConfig & { configVersion: number };
type Translate = (key: string, values?: Record<string, string>) => string;

const { defaults } = approvalDefinition;
const facts = ['subject', 'amount', 'currency', 'requester', 'category', 'costCentre', 'reason'] as const;

const ruleColumns: [name: keyof RuleRow, width: string][] = [
  ['name', '15%'],
  ['upTo', '15%'],
  ['currency', '11%'],
  ['category', '16%'],
  ['costCentre', '16%'],
  ['approvers', '27%'],
];
const groupColumns: [name: keyof GroupRow, width: string][] = [
  ['name', '30%'],
  ['people', '70%'],
];

function within(least: number, most: number): (value: unknown) => boolean {
  return (value) => value !== '' && Number(value) >= least && Number(value) <= most;
}

function isAmount(value: string): boolean {
  return value === '' || /^\d{1,15}(\.\d{1,6})?$/.test(value);
}

function usesFile(node: Partial<ApprovalConfig>): boolean {
  const shown = document.getElementById('node-input-policySource') as HTMLSelectElement | null;
  return (shown?.value ?? node.policySource) === 'file';
}

// The typings know validators of text only; Node-RED hands over the value as it is.
function rulesAreUsable(this: Partial<ApprovalConfig>, value: unknown): boolean {
  if (usesFile(this)) return true;
  const rules = (value ?? []) as RuleRow[];
  return (
    rules.length > 0 &&
    rules.every(
      ({ upTo, currency, approvers }) =>
        isAmount(upTo) && (upTo === '' || /^[A-Za-z]{3}$/.test(currency)) && approvers.trim() !== '',
    )
  );
}

RED.nodes.registerType<Fields, { linkKey: string }>('approval', {
  category: 'healthflows',
  color: '#E3D48F',
  defaults: {
    name: { value: '' },
    store: { value: '', type: 'integration-store', required: true },
    process: { value: '', validate: (value: string) => /^\w[\w .-]{0,99}$/.test(String(value ?? '').trim()) },
    policySource: { value: 'node', required: true },
    policyFile: {
      value: '',
      validate(this: Partial<ApprovalConfig>, value: string) {
        return !usesFile(this) || /^[\w-][\w.-]{0,99}$/.test(value);
      },
    },
    rules: { value: [], validate: rulesAreUsable },
    groups: { value: [] },
    escalateTo: { value: '' },
    emergencyPeople: { value: '' },
    emergencyUpTo: { value: '', validate: isAmount },
    editable: { value: '' },
    show: { value: '' },
    subject: { value: 'event.subject' },
    subjectType: { value: 'msg' },
    amount: { value: 'payload.amount' },
    amountType: { value: 'msg' },
    currency: { value: 'payload.currency' },
    currencyType: { value: 'msg' },
    category: { value: '' },
    categoryType: { value: 'str' },
    costCentre: { value: '' },
    costCentreType: { value: 'str' },
    requester: { value: 'payload.requester' },
    requesterType: { value: 'msg' },
    reason: { value: '' },
    reasonType: { value: 'str' },
    emergency: { value: '' },
    emergencyType: { value: 'str' },
    remind: { value: 24, validate: within(0, 8760) },
    escalate: { value: 48, validate: within(0, 8760) },
    deadline: { value: 72, validate: within(0.0001, 8760) },
    onDeadline: { value: 'expire', required: true },
    reviewWithin: { value: 24, validate: within(0.0001, 8760) },
    address: {
      value: '',
      validate: (value: string) => value === '' || /^(https?:\/\/[^\s?#]+|\$\{\w+\})$/.test(value),
    },
    settleDeadline: { value: 10, validate: within(0.01, 1440) },
    limit: { value: 10000, validate: within(1, 1_000_000) },
    maxSize: { value: 256, validate: within(1, 16_384) },
    retention: { value: 365, validate: within(1, 36_500) },
    configVersion: { value: 1 },
  } as never,
  credentials: { linkKey: { type: 'password' } },
  inputs: 1,
  outputs: 5,
  outputLabels(index) {
    return this._(`approval.output.${['approved', 'rejected', 'expired', 'changed', 'notice'][index]}`);
  },
  icon: 'approval.svg',
  paletteLabel: 'approval',
  label() {
    return this.name || (this.process ? `approve ${this.process}` : 'approval');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    const text: Translate = (key, values) => this._(`approval.${key}`, values as Record<string, string>);
    showTabs(text);
    fillIn(this);
    for (const fact of facts) {
      const value = { type: `${fact}Type` as keyof ApprovalConfig };
      const types = fact === 'amount' ? ['msg', 'jsonata', 'str'] : ['msg', 'str', 'jsonata'];
      $(`#node-input-${fact}`).typedInput({
        default: String(defaults[value.type]) as never,
        types: types as never,
        typeField: `#node-input-${fact}Type`,
      });
    }
    $('#node-input-emergency').typedInput({
      default: 'str',
      types: [{ value: 'str', label: '–', hasValue: false }, 'msg', 'jsonata', 'bool'] as never,
      typeField: '#node-input-emergencyType',
    });

    const source = $('#node-input-policySource');
    const showSource = (): void => {
      const file = source.val() === 'file';
      $('.hf-approval-file').toggle(file);
      $('.hf-approval-node').toggle(!file);
    };
    source.on('change', showSource);
    showSource();
    showFiles(text);
    table('#hf-approval-rules', ruleColumns, 'rule', this.rules ?? [], text);
    table('#hf-approval-groups', groupColumns, 'group', this.groups ?? [], text);

    const onDeadline = $('#node-input-onDeadline');
    const explain = (): void =>
      void $('#hf-approval-deadline-tip').text(text(`tip.deadline.${String(onDeadline.val())}`));
    onDeadline.on('change', explain);
    explain();

    $('#hf-approval-generate').on('click', () => {
      const bytes = crypto.getRandomValues(new Uint8Array(32));
      const key = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
      $('#node-input-linkKey').val(key).trigger('change');
    });
  },
  oneditsave() {
    this.rules = readTable<RuleRow>('#hf-approval-rules', ruleColumns);
    this.groups = readTable<GroupRow>('#hf-approval-groups', groupColumns);
  },
});

function showTabs(text: Translate): void {
  const tabs = RED.tabs.create({
    element: $('#hf-approval-tabs'),
    onchange: ((tab: { id: string }) => {
      $('.hf-approval-tab').hide();
      $(`#${tab.id}`).show();
    }) as never,
  }) as unknown as { addTab(tab: { id: string; label: string }): void };
  for (const name of ['request', 'policy', 'time', 'more']) {
    tabs.addTab({ id: `hf-approval-tab-${name}`, label: text(`tab.${name}`) });
  }
}

/** A flow written by hand leaves out what the runtime fills in: the dialog shows, and saves, the same. */
function fillIn(node: Fields): void {
  for (const [name, value] of Object.entries(defaults)) {
    if (name === 'store' || node[name as keyof Fields] !== undefined || typeof value === 'object') continue;
    $(`#node-input-${name}`).val(value).trigger('change');
  }
}

/** The files that are there, and what the named one holds; the dialog opens without an answer too. */
function showFiles(text: Translate): void {
  const input = $('#node-input-policyFile');
  const tip = $('#hf-approval-file-tip');
  $.getJSON('healthflows/approval/policies', ({ policies }: { policies: string[] }) => {
    const list = $('#hf-approval-files').empty();
    for (const name of policies) $('<option>').val(name).appendTo(list);
  });
  const look = (): void => {
    const name = String(input.val() ?? '').trim();
    tip.text(text('tip.file', { folder: 'healthflows-approvals/' }));
    if (name === '') return;
    $.getJSON(`healthflows/approval/policies/${encodeURIComponent(name)}`)
      .done((policy: { rules: unknown[]; groups: object; version: string }) => {
        const { length } = Object.keys(policy.groups);
        const words = text('tip.fileIs', {
          rules: String(policy.rules.length),
          groups: String(length),
          version: policy.version === '' ? '–' : policy.version,
        });
        tip.text(`${text('tip.file', { folder: 'healthflows-approvals/' })} ${words}`);
      })
      .fail((response: { responseJSON?: { error?: { message?: string } } }) => {
        tip.text(text('tip.fileBad', { problem: response.responseJSON?.error?.message ?? '' }));
      });
  };
  input.on('change', look);
  look();
}

function table<R extends object>(
  place: string,
  columns: [name: keyof R & string, width: string][],
  kind: 'rule' | 'group',
  rows: R[],
  text: Translate,
): void {
  const list = $(place).css({ 'min-height': kind === 'rule' ? '130px' : '80px', 'min-width': '480px' });
  // As wide as the rows between their handle and their button.
  const header = $('<div>').css({ display: 'flex', gap: '4px', padding: '0 32px 0 24px' });
  for (const [name, width] of columns)
    $('<div>')
      .css({ width, 'min-width': '0', overflow: 'hidden' })
      .text(text(`${kind}.${name}`))
      .appendTo(header);
  list.editableList({
    header,
    addItem(container: JQuery, _index: number, row: Partial<R>) {
      const line = $('<div>').css({ display: 'flex', gap: '4px' }).appendTo(container);
      for (const [name, width] of columns) {
        $('<input>')
          .attr({ type: 'text', 'aria-label': text(`${kind}.${name}`), 'data-column': name })
          .css({ width, 'min-width': '0' })
          .val(String(row[name] ?? ''))
          .appendTo(line);
      }
    },
    height: 'auto',
    removable: true,
    sortable: true,
  } as never);
  for (const row of rows) list.editableList('addItem', row as never);
}

/** Rows in which something is written. */
function readTable<R extends object>(place: string, columns: [name: keyof R & string, width: string][]): R[] {
  const rows: R[] = [];
  $(place)
    .editableList('items')
    .each(function () {
      const row = Object.fromEntries(
        columns.map(([name]) => [name, String($(this).find(`[data-column="${name}"]`).val() ?? '').trim()]),
      );
      if (Object.values(row).some((value) => value !== '')) rows.push(row as R);
    });
  return rows;
}
