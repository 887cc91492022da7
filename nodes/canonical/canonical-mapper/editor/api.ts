/** Calls of the mapper's admin endpoints; relative, so that they work under any admin root and with a login. */
const base = 'healthflows/canonical-mapper/';

export function get<T>(path: string): Promise<T> {
  return request<T>({ url: base + path, method: 'GET', dataType: 'json' });
}

export function post<T>(path: string, body: Record<string, string>): Promise<T> {
  return request<T>({
    url: base + path,
    method: 'POST',
    dataType: 'json',
    contentType: 'application/json; charset=utf-8',
    data: JSON.stringify(body),
  });
}

/** A call that got no answer is made again: all of them only ask. */
function request<T>(settings: JQuery.AjaxSettings, tries = 3): Promise<T> {
  return new Promise((resolve, reject) => {
    $.ajax({ timeout: 15_000, ...settings })
      .done((answer: unknown) => resolve(answer as T))
      .fail((response: JQuery.jqXHR) => {
        if (response.status === 0 && tries > 1) {
          window.setTimeout(() => {
            request<T>(settings, tries - 1).then(resolve, reject);
          }, 500);
          return;
        }
        const told = (response.responseJSON as { error?: { message?: string } } | undefined)?.error?.message;
        reject(new Error(told ?? `${response.status} ${response.statusText}`));
      });
  });
}

/** Runs `work` once input has been quiet for 300 ms; an answer that a later call has overtaken is dropped. */
export function debounced<T>(
  work: () => Promise<T>,
  show: (answer: T) => void,
  fail: (error: Error) => void,
): () => void {
  let timer: number | undefined;
  let latest = 0;
  return () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(() => {
      const call = ++latest;
      work().then(
        (answer) => {
          if (call === latest) show(answer);
        },
        (error: Error) => {
          if (call === latest) fail(error);
        },
      );
    }, 300);
  };
}
