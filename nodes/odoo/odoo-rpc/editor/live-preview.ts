/** What the server says about the settings in the dialog: names it does not have, and how many records match. */

export interface Preview {
  findings: { kind: 'unknown' | 'renamed'; where: string; problem: string }[];
  count?: number;
  example?: { payload?: unknown; odoo: unknown };
}

export interface LivePreviewOptions {
  counted: JQuery;
  problems: JQuery;
  /** Holds a `pre`; hidden while there is nothing to show. */
  example: JQuery;
  /** Where to ask; undefined while there is nothing to ask about. */
  url(): string | undefined;
  form(): Record<string, string>;
  words(key: string, values?: Record<string, unknown>): string;
}

function outputText({ payload, odoo }: NonNullable<Preview['example']>): string {
  const lines = payload === undefined ? [] : [`msg.payload = ${JSON.stringify(payload, null, 2)}`];
  return [...lines, `msg.odoo = ${JSON.stringify(odoo, null, 2)}`].join('\n\n');
}

/** Milliseconds after the last key. */
const pause = 600;

/** @returns to be called on every change */
export function livePreview({ counted, problems, example, url, form, words }: LivePreviewOptions): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let nth = 0;
  const show = ({ findings, count, example: output }: Preview): void => {
    counted.text(count === undefined ? '' : words(count === 1 ? 'preview.one' : 'preview.count', { count }));
    example.toggle(output !== undefined);
    if (output !== undefined) example.find('pre').text(outputText(output));
    problems.empty();
    for (const { kind, problem } of findings) {
      const line = $('<div>').css({ margin: '3px 0' }).appendTo(problems);
      $('<i>')
        .addClass(kind === 'unknown' ? 'fa fa-exclamation-triangle' : 'fa fa-info-circle')
        .appendTo(line);
      $('<span>').text(` ${problem}`).appendTo(line);
    }
  };
  const ask = (): void => {
    const address = url();
    const mine = ++nth;
    if (address === undefined) {
      show({ findings: [] });
      return;
    }
    $.ajax({ url: address, method: 'POST', contentType: 'application/json', data: JSON.stringify(form()) })
      .done((answer: Preview) => mine === nth && show(answer))
      // The dialog works without the server; nothing is said of what is not known.
      .fail(() => {
        if (mine !== nth) return;
        show({ findings: [] });
        counted.text(words('preview.unknown'));
      });
  };
  return () => {
    clearTimeout(timer);
    timer = setTimeout(ask, pause);
  };
}
