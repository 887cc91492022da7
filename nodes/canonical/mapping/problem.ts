/** A value that a transform or lookup cannot take. The message says what was expected, never what was there. */
export class TransformProblem extends Error {
  readonly code: string;
  constructor(message: string, code = 'MAPPING_INVALID_VALUE') {
    super(message);
    this.code = code;
  }
}
