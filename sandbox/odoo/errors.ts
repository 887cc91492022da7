/** Errors under the Python names that Odoo puts on the wire: clients classify by name, never by message. */

/** Stands in every traceback, so that a test can prove that a client never lets `debug` out. */
export const secretMarker = 'SANDBOX-SECRET';

export class OdooError extends Error {
  /** Qualified Python class, e.g. `odoo.exceptions.UserError`. */
  readonly odooName: string;
  /** Status over JSON-2; JSON-RPC always answers 200. */
  readonly httpStatus: number;

  constructor(odooName: string, httpStatus: number, message: string) {
    super(message);
    this.name = 'OdooError';
    this.odooName = odooName;
    this.httpStatus = httpStatus;
  }
}

const exception = (name: string, status: number) => (message: string) => new OdooError(name, status, message);

export const userError = exception('odoo.exceptions.UserError', 422);
export const validationError = exception('odoo.exceptions.ValidationError', 422);
export const missingError = exception('odoo.exceptions.MissingError', 404);
export const accessError = exception('odoo.exceptions.AccessError', 403);
export const accessDenied = exception('odoo.exceptions.AccessDenied', 403);
export const unauthorized = exception('werkzeug.exceptions.Unauthorized', 401);
export const notFound = exception('werkzeug.exceptions.NotFound', 404);
export const unprocessable = exception('werkzeug.exceptions.UnprocessableEntity', 422);
export const badRequest = exception('werkzeug.exceptions.BadRequest', 400);
export const valueError = exception('builtins.ValueError', 500);
export const typeError = exception('builtins.TypeError', 500);
export const keyError = exception('builtins.KeyError', 500);
export const attributeError = exception('builtins.AttributeError', 500);
export const assertionError = exception('builtins.AssertionError', 500);
export const binasciiError = exception('binascii.Error', 500);
export const operationalError = exception('psycopg2.OperationalError', 500);
export const serializationFailure = exception('psycopg2.errors.SerializationFailure', 500);

/** PostgreSQL's text, which `load()` passes on in its messages. */
export const serializationText = 'could not serialize access due to concurrent update';

/** An unforeseen error of the sandbox itself keeps its own text: a bug here must not look like an Odoo answer. */
export function toOdooError(thrown: unknown): OdooError {
  if (thrown instanceof OdooError) return thrown;
  const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  return new OdooError('sandbox.InternalError', 500, `The sandbox itself failed: ${text}`);
}

export interface SerializedException {
  name: string;
  message: string;
  arguments: unknown[];
  context: Record<string, never>;
  debug: string;
}

/** `serialize_exception` of Odoo's http layer: the body of a JSON-2 error and `error.data` of JSON-RPC. */
export function serializeException(error: OdooError): SerializedException {
  return {
    name: error.odooName,
    message: error.message,
    arguments: [error.message],
    context: {},
    debug: [
      'Traceback (most recent call last):',
      `  File "/opt/${secretMarker}/odoo/http.py", line 2275, in _serve_db`,
      `    connect(host='db.internal', user='odoo', password='${secretMarker}')`,
      `${error.odooName}: ${error.message}`,
      '',
    ].join('\n'),
  };
}
