import type { EditorNodeProperties, EditorRED } from 'node-red';
import { showDefaults } from '../../node/editor/absent.ts';

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

interface Topology {
  exchanges: string[];
  queues: { name: string; type: string; bindings: { exchange: string; routingKey: string }[] }[];
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

    $.getJSON('healthflows/amqp-connection/topology', { id: this.id }).done((topology: Topology) => {
      if (topology.queues.length === 0 && topology.exchanges.length === 0) return;
      const rows = $('#hf-amqp-topology tbody');
      for (const queue of topology.queues) {
        const keys = queue.bindings.map(({ exchange, routingKey }) => `${exchange}: ${routingKey}`).join(', ');
        $('<tr>').append($('<td>').text(queue.name), $('<td>').text(queue.type), $('<td>').text(keys)).appendTo(rows);
      }
      $('#hf-amqp-topology-row').show();
    });

    const result = $('#hf-amqp-result');
    const show = (ok: boolean, words: string): void => {
      result.empty();
      $('<i>')
        .addClass(ok ? 'fa fa-check-circle' : 'fa fa-exclamation-triangle')
        .appendTo(result);
      $('<span>').text(` ${words}`).appendTo(result);
    };
    $('#hf-amqp-test').on('click', () => {
      result.text(text('test.running'));
      const field = (name: string): string => String($(`#node-config-input-${name}`).val() ?? '');
      const names = ['engine', 'url', 'vhost', 'ca', 'certificate', 'key', 'namespace', 'store'];
      const secrets = ['username', 'password', 'passphrase'];
      $.ajax({
        url: 'healthflows/amqp-connection/test',
        method: 'POST',
        contentType: 'application/json',
        data: JSON.stringify({
          id: this.id,
          ...Object.fromEntries([...names, ...secrets].map((name) => [name, field(name)])),
        }),
      })
        .done(
          (answer: {
            embedded?: boolean;
            store?: { state: string; version?: string; problem?: string };
            server?: string;
            host?: string;
            vhost?: string;
            user?: string;
            missing?: string[];
            notes?: string[];
          }) => {
            if (answer.embedded) {
              const { store } = answer;
              if (store === undefined) show(false, text('test.noStore'));
              else if (store.state === 'ready') show(true, text('test.embedded', { version: store.version }));
              else show(false, store.problem ?? text('test.storeDown'));
              return;
            }
            const words = [text('test.connected', { ...answer })];
            const missing = answer.missing ?? [];
            if (missing.length > 0) words.push(text('test.missing', { what: missing.join('; ') }));
            show(missing.length === 0, [...words, ...(answer.notes ?? [])].join(' '));
          },
        )
        .fail((request) => {
          const message = (request.responseJSON as { error?: { message?: string } } | undefined)?.error?.message;
          show(false, message ?? text('test.unreachable'));
        });
    });
  },
});
