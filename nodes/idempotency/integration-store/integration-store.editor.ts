import type { EditorNodeProperties, EditorRED } from 'node-red';
import { connectionTest, findingsIn, problemIn } from '../../node/editor/server-dialog.ts';

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

/** What the Test button is told. */
interface Found {
  kind: 'at-work' | 'ready' | 'absent';
  version?: string;
  file?: string;
  pending?: number;
  key?: string;
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
    engine.on('change', () => {
      showRows();
      // What was found belongs to the other engine.
      $('#hf-store-result').empty();
    });
    showRows();

    // Where `auto` leads depends on the machine Node-RED runs on. Without an answer the tip says enough.
    $.getJSON('healthflows/integration-store/auto').done((answer: { engine: string }) => {
      $('<p>')
        .css({ margin: '6px 0 0' })
        .text(text(answer.engine === 'postgresql' ? 'tip.autoPostgresql' : 'tip.autoSqlite'))
        .appendTo('.hf-store-tip.hf-store-auto');
    });

    const result = $('#hf-store-result');
    const line = findingsIn(result);
    $('#hf-store-backup').on('click', () => {
      result.text(text('backup.running'));
      $.ajax({
        url: 'healthflows/integration-store/backup',
        method: 'POST',
        contentType: 'application/json',
        data: JSON.stringify({ id: this.id }),
      })
        .done(({ file, size }: { file: string; size: number }) => {
          result.empty();
          line(true, text('backup.done', { file, size: (size / 1024 / 1024).toFixed(1) }));
        })
        .fail((request) => {
          result.empty();
          line(false, problemIn(request) ?? text('backup.failed'));
        });
    });
    connectionTest<Found>({
      type: 'integration-store',
      id: this.id,
      button: $('#hf-store-test'),
      result,
      words: text,
      show(found, show) {
        const { kind, version, file, pending = 0, key } = found;
        if (version) show(true, text('test.answers', { version }));
        if (kind === 'at-work') show(true, text('test.atWork'));
        else if (kind === 'absent') show(true, file ? text('test.absentFile', { file }) : text('test.absent'));
        else show(true, text(pending > 0 ? 'test.older' : 'test.ready', { pending }));
        show(key !== undefined, text(key ? 'test.encrypted' : 'test.plain', { key }));
      },
    });
  },
});
