import type { ExpressionRow } from '../mapping/compile.ts';

export interface WorkerTask {
  /** Key of the mapping's expressions; the worker keeps them compiled. */
  key: string;
  expressions: readonly ExpressionRow[];
  document: unknown;
  /** Most characters that all results may have as JSON. */
  size: number;
}

/** Results as JSON text, so that nothing but data comes over: `[[row, [[positions, ExpressionValue], …]], …]`. */
export type WorkerReply = { kind: 'ready' } | { kind: 'done'; json: string } | { kind: 'too-large' };
