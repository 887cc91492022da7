/** Reads the exact bytes of a request's body, bounded in size and time. */
import rawBody from 'raw-body';
import type { HttpRequest } from './http.ts';
import type { ProblemCode } from './problem.ts';

export interface BodyLimits {
  /** Bytes. */
  size: number;
  /** Milliseconds from the start of reading until the last byte. */
  time: number;
}

export type BodyResult = { kind: 'read'; bytes: Buffer } | { kind: 'refused'; code: ProblemCode } | { kind: 'aborted' };

/** The declared length in bytes; undefined for a chunked body, 0 for none. */
export function declaredLength(request: HttpRequest): number | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return undefined;
  return Number(request.headers['content-length'] ?? 0);
}

/**
 * A body that something in front has already read is usable only if it was kept as a Buffer (Node-RED's own
 * "Do not parse body", `express.raw`, `express.json({verify})`). A parsed or decoded body is refused: what was signed
 * are the bytes, and they cannot be had back.
 */
export async function readBody(request: HttpRequest, limits: BodyLimits): Promise<BodyResult> {
  const length = declaredLength(request);
  if (length !== undefined && length > limits.size) return { kind: 'refused', code: 'body-too-large' };
  if (request.readableDidRead || request.readableEnded) {
    const kept = Buffer.isBuffer(request.rawBody) ? request.rawBody : request.body;
    if (!Buffer.isBuffer(kept)) return { kind: 'refused', code: 'body-consumed-upstream' };
    return kept.length > limits.size ? { kind: 'refused', code: 'body-too-large' } : { kind: 'read', bytes: kept };
  }
  if (length === 0) return { kind: 'read', bytes: Buffer.alloc(0) };

  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<BodyResult>((resolve) => {
    timer = setTimeout(() => resolve({ kind: 'refused', code: 'body-timeout' }), limits.time);
  });
  const read = rawBody(request, { limit: limits.size, ...(length === undefined ? {} : { length }) }).then(
    (bytes): BodyResult => ({ kind: 'read', bytes }),
    (error: { type?: string }): BodyResult => {
      if (error.type === 'entity.too.large') return { kind: 'refused', code: 'body-too-large' };
      return error.type === 'request.aborted' ? { kind: 'aborted' } : { kind: 'refused', code: 'body-incomplete' };
    },
  );
  const result = await Promise.race([read, late]);
  clearTimeout(timer);
  return result;
}

/**
 * Lets a refused sender finish what it is sending for a moment, so that it reads our answer instead of a reset
 * connection, then hangs up on what is still coming.
 */
export function drain(request: HttpRequest, limits: BodyLimits): void {
  if (request.complete || request.destroyed) return;
  let left = Math.max(limits.size * 2, 256 * 1024);
  const timer = setTimeout(() => request.destroy(), Math.min(limits.time, 5_000));
  timer.unref();
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) request.destroy();
  });
  request.once('close', () => clearTimeout(timer));
  request.once('end', () => clearTimeout(timer));
  request.on('error', () => clearTimeout(timer));
  request.resume();
}
