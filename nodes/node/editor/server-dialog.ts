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
  /** Says what the server answered; `line` adds one finding. */
  show(report: R, line: (kind: Finding, text: string) => void): void;
}

/** Well, wrong, or neither: something to know. */
export type Finding = boolean | 'note';

/** Adds one finding to a result, with a tick, a warning or a note's mark. */
export const findingsIn =
  (result: JQuery) =>
  (kind: Finding, text: string): void => {
    const row = $('<div>').css({ margin: '2px 0' }).appendTo(result);
    $('<i>')
      .addClass(`fa fa-${kind === 'note' ? 'info-circle' : kind ? 'check-circle' : 'exclamation-triangle'}`)
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
