/**
 * What Odoo's errors mean in the package's failure taxonomy. By the exception's name, never by its message, which is
 * translated. Names and statuses as measured on 18.0 and 19.0.
 */
import { Failure, type FailureClass } from '../../kernel/failure.ts';
import type { Call, Effect } from './transport.ts';

interface Meaning {
  class: FailureClass;
  /** What to do next, in a sentence. */
  advice: string;
  /** True where Odoo may have committed all the same. */
  ambiguous?: true;
}

const correctDocument = 'Correct the document and replay it.';
const grantRights = 'Give the integration user the rights, or use another company.';
const renewKey = 'Make a new API key for the integration user in Odoo and enter it in the odoo-server node.';
const tryAgain = 'It is tried again.';
const repairFlow = 'Open the odoo-rpc node and pick one that this Odoo has.';

const meanings: Record<string, Meaning> = {
  'odoo.exceptions.ValidationError': { class: 'data-quality', advice: correctDocument },
  'odoo.exceptions.UserError': { class: 'data-quality', advice: correctDocument },
  'odoo.exceptions.RedirectWarning': { class: 'data-quality', advice: correctDocument },
  'odoo.exceptions.MissingError': {
    class: 'data-quality',
    advice: 'A record it names was deleted in Odoo. ' + correctDocument,
  },
  'odoo.exceptions.AccessError': { class: 'policy-rejection', advice: grantRights },
  'odoo.exceptions.AccessDenied': { class: 'policy-rejection', advice: renewKey },
  'werkzeug.exceptions.Unauthorized': { class: 'policy-rejection', advice: renewKey },
  'werkzeug.exceptions.Forbidden': { class: 'policy-rejection', advice: grantRights },
  'odoo.http.SessionExpiredException': { class: 'policy-rejection', advice: renewKey },
  'werkzeug.exceptions.UnprocessableEntity': {
    class: 'configuration',
    advice: 'The method takes other arguments. Compare them with its documentation in Odoo.',
  },
  'werkzeug.exceptions.NotFound': { class: 'configuration', advice: repairFlow },
  'werkzeug.exceptions.BadRequest': { class: 'defect', advice: 'Report it with its correlation id.' },
  'werkzeug.exceptions.TooManyRequests': { class: 'saturation', advice: tryAgain },
  'builtins.AttributeError': { class: 'configuration', advice: repairFlow },
  'odoo.exceptions.ConcurrencyError': { class: 'conflict', advice: tryAgain },
  'odoo.exceptions.LockError': { class: 'conflict', advice: tryAgain },
  'psycopg2.errors.SerializationFailure': { class: 'conflict', advice: tryAgain },
  'psycopg2.errors.DeadlockDetected': { class: 'conflict', advice: tryAgain },
  'psycopg2.errors.LockNotAvailable': { class: 'conflict', advice: tryAgain },
  'psycopg2.pool.PoolError': { class: 'saturation', advice: tryAgain },
  'psycopg2.OperationalError': { class: 'dependency-outage', advice: tryAgain, ambiguous: true },
  'psycopg2.InterfaceError': { class: 'dependency-outage', advice: tryAgain, ambiguous: true },
  'psycopg2.errors.AdminShutdown': { class: 'dependency-outage', advice: tryAgain, ambiguous: true },
};

/** Everything else (`builtins.ValueError`, `builtins.TypeError`, `binascii.Error`, a module's own exception) blames the values. */
const valuesAreWrong: Meaning = { class: 'data-quality', advice: correctDocument };

/** An Odoo exception as JSON-2 sends it and as JSON-RPC has it in `error.data`; `debug` is a traceback and is never kept. */
export interface OdooException {
  name?: unknown;
  message?: unknown;
}

/**
 * The failure for an exception that Odoo reported. Odoo's own words are in `detail.odoo`, bounded and without the
 * traceback; they may quote values, so they are not part of the message.
 */
export function failureOf(exception: OdooException, call: Call, effect: Effect): Failure {
  const name = typeof exception.name === 'string' ? exception.name : 'unknown';
  const meaning = meanings[name] ?? valuesAreWrong;
  const short = name.slice(name.lastIndexOf('.') + 1);
  return new Failure(meaning.class, codeOf(short), `Odoo refused ${subjectOf(call)}: ${short}. ${meaning.advice}`, {
    // A reported exception rolled the transaction back, except where the connection to PostgreSQL itself was lost.
    outcome: meaning.ambiguous && effect === 'write' ? 'unknown' : 'none',
    detail: { odoo: { name, message: bounded(exception.message) } },
  });
}

/** `ValidationError` → `ODOO_VALIDATION_ERROR`. */
function codeOf(short: string): string {
  return `ODOO_${short
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/\W+/g, '_')
    .toUpperCase()}`;
}

/** `purchase.order/button_confirm of 8, 9`; ids, never names. */
export function subjectOf(call: Call): string {
  const ids = call.ids ?? [];
  const some = ids.length > 5 ? `${ids.slice(0, 5).join(', ')} and ${ids.length - 5} more` : ids.join(', ');
  return `${call.model}/${call.method}${some === '' ? '' : ` of ${some}`}`;
}

/** First 500 characters of Odoo's message, cut before a traceback (`load` on some versions puts one there). */
export function bounded(message: unknown): string {
  if (typeof message !== 'string') return '';
  const traceback = message.indexOf('Traceback (most recent call last)');
  return (traceback < 0 ? message : message.slice(0, traceback)).trim().slice(0, 500);
}
