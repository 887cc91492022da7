/** What the dialogs of servers share: what an address may be, and Test connection with its answer in lines. */

type Words = (key: string, values?: Record<string, unknown>) => string;

/** Node-RED puts the variable's value in when it starts the node. */
export const isVariable = (value: string | undefined): boolean => /^\$\{\w+\}$/.test(value ?? '');

export const isHttpAddress = (value: string | undefined): boolean => /^https?:\/\/[^\s/@]+(\/\S*)?$/.test(value ?? '');

/** Without a password: that belongs in an environment variable, not in the flow. */
export const isHttpProxy = (value: string): boolean => /^http:\/\/[^\s/@]+\/?$/.test(value);

export interface ConnectionTest<R extends object> {
  /** Palette type; its endpoint is `healthflows/<type>/test`, which answers a failed test with `error`. */
  type: string;
  id: string;
  button: JQuery;
  result: JQuery;
  words: Words;
  /** Says what the server answered; `line` adds one finding, with a tick or a warning. */
  show(report: R, line: (ok: boolean, text: string) => void): void;
}

/** Adds one finding to a result, with a tick or a warning. */
export const findingsIn =
  (result: JQuery) =>
  (ok: boolean, text: string): void => {
    const row = $('<div>').css({ margin: '2px 0' }).appendTo(result);
    $('<i>')
      .addClass(ok ? 'fa fa-check-circle' : 'fa fa-exclamation-triangle')
      .appendTo(row);
    $('<span>').text(` ${text}`).appendTo(row);
  };

/** What an admin endpoint of ours said is wrong; undefined when it was not reached. */
export const problemIn = (request: JQuery.jqXHR): string | undefined =>
  (request.responseJSON as { error?: { message?: string } } | undefined)?.error?.message;

/** Tests with what the dialog shows, saved or not. */
export function connectionTest<R extends object>({ type, id, button, result, words, show }: ConnectionTest<R>): void {
  const line = findingsIn(result);
  button.on('click', () => {
    result.text(words('test.running'));
    const form: Record<string, unknown> = { id };
    $('[id^="node-config-input-"]').each(function () {
      form[this.id.slice('node-config-input-'.length)] = $(this).val();
    });
    $.ajax({
      url: `healthflows/${type}/test`,
      method: 'POST',
      contentType: 'application/json',
      data: JSON.stringify(form),
    })
      .done((report: R | { error: { message: string } }) => {
        result.empty();
        if ('error' in report) line(false, report.error.message);
        else show(report, line);
      })
      .fail((request) => {
        result.empty();
        line(false, problemIn(request) ?? words('test.unreachable'));
      });
  });
}
