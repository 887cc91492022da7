/** The sender's side of Standard Webhooks, for tests. */
import { createHmac } from 'node:crypto';

/** The secret of the specification's own example. */
export const exampleSecret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

export interface SignOptions {
  id?: string;
  /** Unix seconds. */
  timestamp?: number | string;
  secret?: string;
  prefix?: string;
}

let counter = 0;

export function signStandard(body: Buffer | string, options: SignOptions = {}): Record<string, string> {
  const id = options.id ?? `msg_${process.pid}_${++counter}`;
  const timestamp = String(options.timestamp ?? Math.floor(Date.now() / 1000));
  const key = Buffer.from((options.secret ?? exampleSecret).replace('whsec_', ''), 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64');
  const prefix = options.prefix ?? 'webhook';
  return {
    [`${prefix}-id`]: id,
    [`${prefix}-timestamp`]: timestamp,
    [`${prefix}-signature`]: `v1,${signature}`,
  };
}
