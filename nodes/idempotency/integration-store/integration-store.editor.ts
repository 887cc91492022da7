import type { EditorNodeProperties, EditorRED } from 'node-red';

declare const RED: EditorRED;

interface StoreFields extends EditorNodeProperties {
  engine: 'auto' | 'sqlite' | 'postgresql';
  file: string;
  url: string;
  tls: string;
  ca: string;
  schema: string;
  retention: number;
  configVersion: number;
}

/** A password has no place in a URL that stands in the flow file. */
function urlIsUsable(this: { engine?: string }, url: string): boolean {
  const shown = document.getElementById('node-config-input-engine') as HTMLSelectElement | null;
  if ((shown?.value ?? this.engine) !== 'postgresql') return true;
  if (/^\$\{\w+\}$/.test(url)) return true;
  return /^postgres(ql)?:\/\/[^/]+\/[^/?]+(\?.*)?$/.test(url) && !/^[a-z]+:\/\/[^/@]*:[^/@]*@/.test(url);
}

RED.nodes.registerType<StoreFields, { user: string; password: string }>('integration-store', {
  category: 'config',
  defaults: {
    name: { value: '' },
    engine: { value: 'auto', required: true },
    file: { value: 'healthflows.sqlite' },
    url: { value: '', validate: urlIsUsable },
    tls: { value: 'url' },
    ca: { value: '' },
    schema: { value: 'healthflows', required: true, validate: RED.validators.regex(/^[a-z_][a-z0-9_]{0,62}$/) },
    retention: { value: 14, required: true, validate: RED.validators.number() },
    configVersion: { value: 1 },
  },
  credentials: { user: { type: 'text' }, password: { type: 'password' } },
  label() {
    if (this.name) return this.name;
    return this.engine === 'postgresql' ? 'PostgreSQL' : this.file || 'integration-store';
  },
  labelStyle() {
    return this.name ? 'node_label_italic' : '';
  },
  oneditprepare() {
    const text = (key: string, options?: Record<string, unknown>): string =>
      this._(`integration-store.${key}`, options as Record<string, string>);
    const engine = $('#node-config-input-engine');
    const showRows = (): void => {
      $('.hf-store-row, .hf-store-tip').hide();
      $(`.hf-store-${String(engine.val())}`).show();
    };
    engine.on('change', showRows);
    showRows();

    // Where `auto` leads depends on the machine Node-RED runs on. Without an answer the tip says enough.
    $.getJSON('healthflows/integration-store/auto').done((answer: { engine: string }) => {
      $('<p>')
        .css({ margin: '6px 0 0' })
        .text(text(answer.engine === 'postgresql' ? 'tip.autoPostgresql' : 'tip.autoSqlite'))
        .appendTo('.hf-store-tip.hf-store-auto');
    });

    const result = $('#hf-store-result');
    const show = (ok: boolean, words: string): void => {
      result.empty();
      $('<i>')
        .addClass(ok ? 'fa fa-check-circle' : 'fa fa-exclamation-triangle')
        .appendTo(result);
      $('<span>').text(` ${words}`).appendTo(result);
    };
    const messageOf = (request: JQuery.jqXHR): string | undefined =>
      (request.responseJSON as { error?: { message?: string } } | undefined)?.error?.message;
    $('#hf-store-backup').on('click', () => {
      result.text(text('backup.running'));
      $.ajax({
        url: 'healthflows/integration-store/backup',
        method: 'POST',
        contentType: 'application/json',
        data: JSON.stringify({ id: this.id }),
      })
        .done(({ file, size }: { file: string; size: number }) =>
          show(true, text('backup.done', { file, size: (size / 1024 / 1024).toFixed(1) })),
        )
        .fail((request) => show(false, messageOf(request) ?? text('backup.failed')));
    });
    $('#hf-store-test').on('click', () => {
      result.text(text('test.running'));
      const field = (name: string): string => String($(`#node-config-input-${name}`).val() ?? '');
      const form = {
        id: this.id,
        ...Object.fromEntries(
          ['engine', 'file', 'url', 'tls', 'ca', 'schema', 'user', 'password'].map((name) => [name, field(name)]),
        ),
      };
      $.ajax({
        url: 'healthflows/integration-store/test',
        method: 'POST',
        contentType: 'application/json',
        data: JSON.stringify(form),
      })
        .done((answer: { kind: string; version?: string; file?: string; key?: string }) => {
          if (answer.kind === 'absent') show(true, text('test.absent', { file: answer.file }));
          else
            show(
              true,
              `${text('test.connected', { version: answer.version })} ${text(answer.key ? 'test.encrypted' : 'test.plain', { key: answer.key })}`,
            );
        })
        .fail((request) => {
          show(false, messageOf(request) ?? text('test.unreachable'));
        });
    });
  },
});
