import type { EditorNodeProperties, EditorRED } from 'node-red';
import { showDefaults } from '../../node/editor/absent.ts';
import { connectionTest } from '../../node/editor/server-dialog.ts';
import type { TopologyRow } from './topology-table.ts';

declare const RED: EditorRED;

interface ConnectionFields extends EditorNodeProperties {
  engine: 'auto' | 'rabbitmq' | 'embedded';
  url: string;
  vhost: string;
  ca: string;
  certificate: string;
  key: string;
  namespace: string;
  store: string;
  outboxLimit: number;
  retryShare: number;
  retryFloor: number;
  claimLimit: number;
  claimRetention: number;
  configVersion: number;
}

interface Secrets {
  username: string;
  password: string;
  passphrase: string;
}

interface Report {
  embedded?: boolean;
  store?: { state: string; version?: string; problem?: string };
  server?: string;
  host?: string;
  vhost?: string;
  user?: string;
  missing?: string[];
  notes?: string[];
}

/** A password has no place in a URL that stands in the flow file. */
function urlIsUsable(this: { engine?: string }, url: string): boolean {
  const shown = document.getElementById('node-config-input-engine') as HTMLSelectElement | null;
  if ((shown?.value ?? this.engine) !== 'rabbitmq') return true;
  if (/^\$\{\w+\}$/.test(url)) return true;
  return /^amqps?:\/\/[^\s]+$/.test(url) && !/:\/\/[^/@]*:[^/@]*@/.test(url);
}

/** A flow from before the setting existed has none, and then the default. */
function within(least: number, most: number): (value: unknown) => boolean {
  return (value) => value === undefined || (value !== '' && Number(value) >= least && Number(value) <= most);
}

/** A name that does not fit goes on in the next line behind a dot, not within a word. */
function breakable(cell: JQuery, name: string): JQuery {
  for (const part of name.split(/(?<=\.)/)) cell.append(document.createTextNode(part), $('<wbr>'));
  return cell;
}

RED.nodes.registerType<ConnectionFields, Secrets>('amqp-connection', {
  category: 'config',
  defaults: {
    name: { value: '' },
    engine: { value: 'auto', required: true },
    url: { value: '', validate: urlIsUsable },
    vhost: { value: '' },
    ca: { value: '' },
    certificate: { value: '' },
    key: { value: '' },
    namespace: { value: 'healthflows', required: true, validate: RED.validators.regex(/^[A-Za-z0-9_-]{1,60}$/) },
    store: { value: '', type: 'integration-store', required: false },
    outboxLimit: { value: 10000, required: true, validate: RED.validators.number() },
    retryShare: { value: 20, validate: within(0, 1000) },
    retryFloor: { value: 120, validate: within(1, 100_000) },
    claimLimit: { value: 256, validate: within(0, 16_384) },
    claimRetention: { value: 30, validate: within(1, 3650) },
    configVersion: { value: 1 },
  },
  credentials: { username: { type: 'text' }, password: { type: 'password' }, passphrase: { type: 'password' } },
  label() {
    if (this.name) return this.name;
    return this.engine === 'rabbitmq' ? 'RabbitMQ' : `messaging ${this.namespace || ''}`.trim();
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    showDefaults(this, 'node-config-input');
    const text = (key: string, options?: Record<string, unknown>): string =>
      this._(`amqp-connection.${key}`, options as Record<string, string>);
    const engine = $('#node-config-input-engine');
    const showRows = (): void => {
      $('.hf-amqp-row, .hf-amqp-tip').hide();
      $(`.hf-amqp-${String(engine.val())}`).show();
    };
    engine.on('change', showRows);
    showRows();

    // Where `auto` leads depends on the machine Node-RED runs on. Without an answer the tip says enough.
    $.getJSON('healthflows/amqp-connection/auto').done((answer: { engine: string }) => {
      $('<p>')
        .css({ margin: '6px 0 0' })
        .text(text(answer.engine === 'rabbitmq' ? 'tip.autoRabbitmq' : 'tip.autoEmbedded'))
        .appendTo('.hf-amqp-tip.hf-amqp-auto');
    });

    $.getJSON('healthflows/amqp-connection/topology', { id: this.id }).done((answer: { rows: TopologyRow[] }) => {
      if (answer.rows.length === 0) return;
      const table = $('#hf-amqp-topology tbody');
      for (const { name, role, type, bindings, terms } of answer.rows) {
        const bound = bindings.map(({ exchange, routingKey }) => `${exchange}: ${routingKey}`);
        const kind = [text(`topology.role.${role}`), type === undefined ? '' : text(`topology.type.${type}`)];
        $('<tr>')
          .addClass(`hf-amqp-${role}`)
          .append(
            breakable($('<td>').addClass('hf-amqp-name'), name),
            $('<td>').text(kind.filter(Boolean).join(', ')),
            $('<td>').text(bound.join(', ') || text(role === 'exchange' ? 'topology.none' : 'topology.byName')),
            $('<td>').text(terms.map(({ key, values }) => text(`topology.term.${key}`, values)).join(' ')),
          )
          .appendTo(table);
      }
      $('#hf-amqp-topology-row').show();
    });

    connectionTest<Report>({
      type: 'amqp-connection',
      id: this.id,
      button: $('#hf-amqp-test'),
      result: $('#hf-amqp-result'),
      words: text,
      show(report, line) {
        const { embedded, store, missing = [], notes = [] } = report;
        if (embedded === true) {
          if (store === undefined) line(false, text('test.noStore'));
          else if (store.state === 'ready') line(true, text('test.embedded', { version: store.version }));
          else line(false, store.problem ?? text('test.storeDown'));
          return;
        }
        line(true, text('test.connected', { ...report }));
        for (const what of missing) line(false, text('test.missing', { what }));
        for (const note of notes) line('note', note);
      },
    });
  },
});
