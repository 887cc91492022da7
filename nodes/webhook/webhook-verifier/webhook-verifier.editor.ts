import type { EditorNodeProperties, EditorRED } from 'node-red';
import { type SchemeField, type SchemeForm, schemeForms } from '../schemes/catalog.ts';
import { type KeyConfig, type WebhookVerifierConfig, webhookVerifier } from './webhook-verifier.def.ts';

declare const RED: EditorRED;

type Fields = EditorNodeProperties & WebhookVerifierConfig & { configVersion: number };
type Secrets = Record<`secret${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8}`, string>;
type Translate = (key: string, values?: Record<string, string>) => string;

const slots = [1, 2, 3, 4, 5, 6, 7, 8] as const;
const password = { type: 'password' } as const;

function formOf(scheme: string): SchemeForm {
  return schemeForms.find(({ id }) => id === scheme) ?? schemeForms[0]!;
}

function within(least: number, most: number): (value: unknown) => boolean {
  return (value) => value !== '' && Number(value) >= least && Number(value) <= most;
}

function pathIsUsable(value: string): boolean {
  return (
    value === '' || /^\/(?:(?::[A-Za-z_]\w{0,63}|(?:[\w\-.~!$&'()*+,;=@]|%[0-9A-Fa-f]{2})+)(?:\/|$))+$/.test(value)
  );
}

function originsAreUsable(value: unknown): boolean {
  return String(value ?? '')
    .split(/[\s,]+/)
    .every((origin) => origin === '' || /^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@A-Z]+$/.test(origin));
}

/** Whether keys come from a key set, so that none need be in the node. */
function hasKeySet(options: Readonly<Record<string, unknown>> | undefined): boolean {
  return typeof options?.jwksUrl === 'string' && options.jwksUrl.trim() !== '';
}

// The typings know validators of text only; Node-RED hands over the value as it is.
function keysAreUsable(this: { options?: Record<string, unknown> }, value: unknown): boolean {
  const keys = (value ?? []) as KeyConfig[];
  if (keys.length === 0) return hasKeySet(this.options);
  return keys.length <= 8 && new Set(keys.map(({ id }) => id)).size === keys.length;
}

function fullPath(method: string | undefined, url: string): string {
  const root = String(RED.settings.httpNodeRoot ?? '/').replace(/\/$/, '');
  return `[${method ?? 'post'}] ${root}${url.startsWith('/') ? '' : '/'}${url}`;
}

/** A flow written by hand leaves out what the runtime fills in: the dialog shows, and saves, the same. */
function fillIn(node: Fields): void {
  for (const [name, value] of Object.entries(webhookVerifier.defaults)) {
    // Node-RED itself shows a config node that is not chosen.
    if (name === 'store' || node[name as keyof Fields] !== undefined) continue;
    const input = $(`#node-input-${name}`);
    if (typeof value === 'boolean') input.prop('checked', value);
    else if (typeof value !== 'object') input.val(value).trigger('change');
  }
}

RED.nodes.registerType<Fields, Secrets>('webhook-verifier', {
  category: 'healthflows',
  color: '#A6D8C9',
  defaults: {
    name: { value: '' },
    method: { value: 'post', required: true },
    url: { value: '/hooks/orders', validate: pathIsUsable },
    scheme: { value: 'standard-webhooks', required: true },
    options: { value: {} },
    keys: { value: [], validate: keysAreUsable },
    source: { value: '' },
    sourceType: { value: 'str' },
    eventType: { value: '' },
    eventTypeType: { value: 'str' },
    publicUrl: { value: '', validate: (value: string) => value === '' || /^https?:\/\/[^\s?#]+$/.test(value) },
    contentTypes: { value: 'application/json, application/*+json', required: true },
    corsOrigins: { value: '', validate: originsAreUsable },
    bodyLimit: { value: 1024, validate: within(1, 65_536) },
    bodyTimeout: { value: 10, validate: within(1, 300) },
    replyTimeout: { value: 30, validate: within(1, 300) },
    maxPending: { value: 1000, validate: within(1, 10_000) },
    maxDepth: { value: 64, validate: within(1, 256) },
    maxMembers: { value: 10_000, validate: within(1, 1_000_000) },
    answer: { value: true },
    failureLimit: { value: 60, validate: within(1, 100_000) },
    replay: { value: false },
    replayHours: { value: 100, validate: within(1, 2160) },
    store: { value: '', type: 'integration-store', required: false },
    originals: {
      value: false,
      validate(value: unknown, options?: unknown) {
        return options === undefined || value !== true || Boolean(this.store);
      },
    },
    configVersion: { value: 1 },
  },
  credentials: {
    secret1: password,
    secret2: password,
    secret3: password,
    secret4: password,
    secret5: password,
    secret6: password,
    secret7: password,
    secret8: password,
  },
  inputs: 1,
  outputs: 2,
  outputLabels: ['verified', 'rejected'],
  icon: 'webhook-verifier.svg',
  paletteLabel: 'webhook verifier',
  label() {
    return this.name || (this.url ? fullPath(this.method, this.url) : 'webhook verifier');
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    const text: Translate = (key, values) => this._(`webhook-verifier.${key}`, values as Record<string, string>);
    showTabs(text);
    fillIn(this);

    const showUrl = (): void => {
      const url = String($('#node-input-url').val() ?? '').trim();
      const method = String($('#node-input-method').val() ?? 'post');
      $('#hf-webhook-url').text(url === '' ? text('tip.noRoute') : fullPath(method.toUpperCase(), url));
    };
    $('#node-input-url, #node-input-method').on('change input', showUrl);
    showUrl();

    const types = [{ value: 'str', label: text('type.text'), icon: 'red/images/typedInput/az.svg' }, 'msg'] as never[];
    $('#node-input-source').typedInput({ default: 'str', types, typeField: '#node-input-sourceType' });
    $('#node-input-eventType').typedInput({ default: 'str', types, typeField: '#node-input-eventTypeType' });

    const scheme = $('#node-input-scheme');
    for (const { id } of schemeForms)
      $('<option>')
        .val(id)
        .text(text(`scheme.${id}`))
        .appendTo(scheme);
    scheme.val(this.scheme ?? webhookVerifier.defaults.scheme);
    let pathOfOdoo = false;
    const showScheme = (): void => {
      const form = formOf(String(scheme.val()));
      showOptions(form, form.id === this.scheme ? (this.options ?? {}) : {}, text);
      $('#hf-webhook-key-tip').text(text(`keyTip.${form.key}`));
      // The path that Odoo's token needs, as long as nobody has written another; and back again.
      const [from, to] = form.id === 'odoo' ? [usualPath, odooPath] : [odooPath, usualPath];
      const isOurs = form.id === 'odoo' || pathOfOdoo;
      if (isOurs && String($('#node-input-url').val()) === from) {
        $('#node-input-url').val(to).trigger('change');
        pathOfOdoo = form.id === 'odoo';
      }
    };
    scheme.on('change', showScheme);
    showScheme();
    showKeys(this.keys ?? [], hasKeySet(this.options), text);

    const replay = $('#node-input-replay');
    const showReplay = (): void => void $('.hf-webhook-replay').toggle(replay.is(':checked'));
    replay.on('change', showReplay);
    showReplay();
    $('#hf-webhook-check').on('click', () => check(this.id, text));
  },
  oneditsave() {
    this.options = readOptions();
    // An empty line is no key where a key set has the keys.
    const keySet = hasKeySet(this.options);
    const isEmpty = ({ slot, env }: KeyConfig): boolean =>
      env === undefined && String($(`#node-input-secret${slot}`).val() ?? '') === '';
    this.keys = readKeys().filter((key) => !(keySet && isEmpty(key)));
    const used = new Set(this.keys.map(({ slot }) => slot));
    for (const slot of slots) if (!used.has(slot)) $(`#node-input-secret${slot}`).val('');
  },
});

const usualPath = webhookVerifier.defaults.url;
const odooPath = '/hooks/odoo/:token';

function showTabs(text: Translate): void {
  const tabs = RED.tabs.create({
    element: $('#hf-webhook-tabs'),
    onchange: ((tab: { id: string }) => {
      $('.hf-webhook-tab').hide();
      $(`#${tab.id}`).show();
    }) as never,
  }) as unknown as { addTab(tab: { id: string; label: string }): void };
  for (const name of ['route', 'proof', 'event', 'limits', 'check']) {
    tabs.addTab({ id: `hf-webhook-tab-${name}`, label: text(`tab.${name}`) });
  }
}

function showOptions(form: SchemeForm, values: Record<string, unknown>, text: Translate): void {
  const rows = $('#hf-webhook-options').empty();
  for (const field of form.fields) {
    const row = $('<div>').addClass('form-row').appendTo(rows);
    const id = `hf-webhook-option-${field.name}`;
    $('<label>')
      .attr('for', id)
      .text(text(`option.${field.name}`))
      .appendTo(row);
    row.append(' ');
    inputFor(field, text)
      .attr({ id, 'data-option': field.name, 'data-kind': field.kind })
      .val(String(values[field.name] ?? field.value))
      .appendTo(row);
    if (field.unit !== undefined)
      $('<span>')
        .text(` ${text(`unit.${field.unit}`)}`)
        .appendTo(row);
  }
}

function inputFor(field: SchemeField, text: Translate): JQuery<HTMLElement> {
  if (field.kind === 'select') {
    const select = $('<select>').css('width', '70%');
    for (const choice of field.choices ?? [])
      $('<option>')
        .val(choice)
        .text(text(`choice.${choice}`))
        .appendTo(select);
    return select;
  }
  if (field.kind === 'number') return $('<input type="number" min="0">').css('width', '100px');
  return $('<input type="text">').attr('placeholder', field.placeholder ?? '');
}

function readOptions(): Record<string, string | number | boolean> {
  const options: Record<string, string | number | boolean> = {};
  $('#hf-webhook-options [data-option]').each(function () {
    const value = String($(this).val() ?? '');
    const number = $(this).attr('data-kind') === 'number' && value !== '';
    options[String($(this).attr('data-option'))] = number ? Number(value) : value;
  });
  return options;
}

function showKeys(keys: KeyConfig[], keySet: boolean, text: Translate): void {
  const list = $('#hf-webhook-keys').css({ 'min-height': '120px', 'min-width': '450px' });
  const taken = (): Set<number> => new Set(readKeys().map(({ slot }) => slot));
  list.editableList({
    addItem(container: JQuery, index: number, given: Partial<KeyConfig>) {
      const used = taken();
      const slot = given.slot ?? slots.find((candidate) => !used.has(candidate)) ?? 0;
      container.closest('li').attr('data-slot', slot);
      const first = $('<div>').css({ display: 'flex', gap: '6px', 'margin-bottom': '4px' }).appendTo(container);
      const second = $('<div>').css({ display: 'flex', gap: '6px', 'margin-bottom': '4px' }).appendTo(container);
      const third = $('<div>').css({ display: 'flex', gap: '6px' }).appendTo(container);
      const field = (row: JQuery, kind: string, value: string, type = 'text'): JQuery =>
        $('<input>')
          .attr({
            type,
            placeholder: text(`key.${kind}`),
            'aria-label': text(`key.${kind}`),
            autocomplete: 'new-password',
          })
          .addClass(`hf-webhook-key-${kind}`)
          .css({ flex: '1', 'min-width': '0' })
          .val(value)
          .appendTo(row);
      field(first, 'id', given.id ?? `key-${index + 1}`);
      const secret = field(first, 'secret', String($(`#node-input-secret${slot}`).val() ?? ''), 'password');
      secret.on('input change', () => $(`#node-input-secret${slot}`).val(String(secret.val() ?? '')));
      field(second, 'env', given.env ?? '');
      const from = field(third, 'notBefore', given.notBefore ?? '');
      const until = field(third, 'notAfter', given.notAfter ?? '');
      const window = $('<div>').addClass('hf-webhook-key-window').css('margin-top', '4px').appendTo(container);
      const showWindow = (): void => {
        const state = keyWindow(String(from.val() ?? ''), String(until.val() ?? ''), Date.now());
        window.empty().toggle(state !== undefined);
        if (state === undefined) return;
        $('<i>').addClass(`fa ${windowIcons[state.kind]}`).appendTo(window);
        const at = state.at === undefined ? '' : new Date(state.at).toLocaleString();
        $('<span>')
          .text(` ${text(`window.${state.kind}`, { at, days: String(state.days ?? '') })}`)
          .appendTo(window);
      };
      from.add(until).attr('title', text('key.timeHint')).on('input change', showWindow);
      showWindow();
    },
    height: 'auto',
    removable: true,
    sortable: true,
  });
  for (const key of keys) list.editableList('addItem', key as never);
  if (keys.length === 0 && !keySet) list.editableList('addItem', {} as never);
}

interface KeyWindow {
  kind: 'unreadable' | 'reversed' | 'future' | 'ended' | 'ending' | 'valid' | 'open';
  at?: number;
  /** Whole days from now. */
  days?: number;
}

const windowIcons: Record<KeyWindow['kind'], string> = {
  unreadable: 'fa-exclamation-triangle',
  reversed: 'fa-exclamation-triangle',
  future: 'fa-clock-o',
  ended: 'fa-times',
  ending: 'fa-exclamation-triangle',
  valid: 'fa-check',
  open: 'fa-check',
};

const day = 86_400_000;

/** What the times of a key mean now; undefined when it has none. */
function keyWindow(from: string, until: string, now: number): KeyWindow | undefined {
  if (from.trim() === '' && until.trim() === '') return undefined;
  const begin = from.trim() === '' ? -Infinity : Date.parse(from);
  const end = until.trim() === '' ? Infinity : Date.parse(until);
  if (Number.isNaN(begin) || Number.isNaN(end)) return { kind: 'unreadable' };
  if (begin >= end) return { kind: 'reversed' };
  if (now < begin) return { kind: 'future', at: begin, days: Math.ceil((begin - now) / day) };
  if (end === Infinity) return { kind: 'open' };
  const days = Math.floor((end - now) / day);
  return { kind: now >= end ? 'ended' : days < 30 ? 'ending' : 'valid', at: end, days };
}

function readKeys(): KeyConfig[] {
  const keys: KeyConfig[] = [];
  $('#hf-webhook-keys')
    .editableList('items')
    .each(function () {
      const value = (kind: string): string => String($(this).find(`.hf-webhook-key-${kind}`).val() ?? '').trim();
      const slot = Number($(this).closest('li').attr('data-slot'));
      if (slot < 1) return;
      const [env, notBefore, notAfter] = [value('env'), value('notBefore'), value('notAfter')];
      keys.push({
        id: value('id'),
        slot,
        ...(env === '' ? {} : { env }),
        ...(notBefore === '' ? {} : { notBefore }),
        ...(notAfter === '' ? {} : { notAfter }),
      });
    });
  return keys;
}

interface CheckAnswer {
  verdict: 'verified' | 'rejected';
  reason?: string;
  keyId?: string;
  steps: { step: string; passed: boolean; note?: string }[];
}

function check(id: string, text: Translate): void {
  const field = (name: string): string => String($(`#node-input-${name}`).val() ?? '');
  const result = $('#hf-webhook-check-result').empty().text(text('check.running'));
  $.ajax({
    url: 'healthflows/webhook-verifier/check',
    method: 'POST',
    contentType: 'application/json',
    data: JSON.stringify({
      id,
      config: {
        method: field('method'),
        url: field('url'),
        publicUrl: field('publicUrl'),
        scheme: field('scheme'),
        options: readOptions(),
        keys: readKeys(),
        maxDepth: Number(field('maxDepth')),
        maxMembers: Number(field('maxMembers')),
      },
      secrets: Object.fromEntries(slots.map((slot) => [`secret${slot}`, field(`secret${slot}`)])),
      capture: String($('#hf-webhook-capture').val() ?? ''),
      base64: $('#hf-webhook-capture-base64').is(':checked'),
      at: String($('#hf-webhook-capture-at').val() ?? '').trim(),
    }),
  })
    .done((answer: CheckAnswer) => {
      result.empty();
      const list = $('<ul>').css({ 'list-style': 'none', margin: '0 0 8px' }).appendTo(result);
      for (const { step, passed, note } of answer.steps) {
        const item = $('<li>').appendTo(list);
        $('<i>')
          .addClass(passed ? 'fa fa-check' : 'fa fa-times')
          .appendTo(item);
        $('<span>')
          .text(` ${step}${note === undefined ? '' : `: ${note}`}`)
          .appendTo(item);
      }
      $('<strong>')
        .text(text(`check.${answer.verdict}`, { key: answer.keyId ?? '' }))
        .appendTo(result);
    })
    .fail((request) => {
      const message = (request.responseJSON as { error?: { message?: string } } | undefined)?.error?.message;
      result.text(message ?? text('check.unreachable'));
    });
}
