// Dialogs for acts: each has a reason, says where it is recorded, and sends one token however often it is pressed.
import { actToken } from './api.js';
import { errorBox, h, render } from './dom.js';

const dialog = () => document.getElementById('dialog');

/** Shows content in the modal; resolves when it closes. `build(close)` returns the nodes. */
export function openDialog(build, size = '') {
  return new Promise((resolve) => {
    const element = dialog();
    element.className = size;
    let result;
    const close = (value) => {
      result = value;
      element.close();
    };
    render(element, build(close));
    element.addEventListener('close', () => resolve(result), { once: true });
    if (!element.open) element.showModal();
    // What a dialog says begins at its top, wherever its first control is.
    (element.querySelector('[autofocus]') ?? element.querySelector('button, textarea, input'))?.focus({ preventScroll: true });
    element.scrollTop = 0;
  });
}

/**
 * Asks for a reason and performs `act({token, reason, ...extra()})`.
 * @returns what the act answered, undefined when the person changed their mind
 */
export function askReason({ title, text, body, button, danger, confirm, session, extra, act }) {
  const token = actToken();
  return openDialog((close) => {
    const reason = h('textarea', { name: 'reason', required: true, minlength: '3', maxlength: '500', autofocus: confirm === undefined });
    const typed = confirm === undefined ? undefined : h('input', { name: 'confirm', inputmode: 'numeric', autocomplete: 'off', autofocus: true });
    const go = h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, button);
    const trouble = h('div', {});
    const ready = () => {
      go.disabled = reason.value.trim().length < 3 || (typed !== undefined && typed.value.trim() !== String(confirm));
    };
    const form = h(
      'form',
      {
        method: 'dialog',
        oninput: ready,
        onsubmit: async (event) => {
          event.preventDefault();
          if (go.disabled) return;
          go.disabled = true;
          go.setAttribute('aria-busy', 'true');
          try {
            close(await act({ token, reason: reason.value.trim(), ...extra?.() }));
          } catch (error) {
            render(trouble, errorBox(error));
            go.removeAttribute('aria-busy');
            ready();
          }
        },
      },
      h('h2', { id: 'dialog-title' }, title),
      text && h('p', {}, text),
      body,
      typed && h('label', {}, `Type ${confirm} to confirm the number`, typed),
      h('label', {}, 'Reason', reason),
      h('p', { class: 'quiet small' }, `Recorded in the audit trail under “${session.user}”; everybody who may read the trail sees it.`),
      trouble,
      h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => close() }, 'Cancel'), go),
    );
    ready();
    return form;
  }, body === undefined ? 'narrow' : '');
}
