/** One GET of a key set: no redirects, bounded in size and time. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Failure } from '../../kernel/failure.ts';

/** @returns the body; rejects when it cannot be had */
export type Load = (url: URL) => Promise<Buffer>;

/** Bytes. */
export const largestKeySet = 256 * 1024;
/** Milliseconds from the first packet to the last byte. */
const longest = 5_000;

/** @throws Failure `dependency-outage` `KEY_SET_NOT_FETCHED` */
export const loadKeySet: Load = (url) =>
  new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(
        new Failure('dependency-outage', 'KEY_SET_NOT_FETCHED', `The key set of ${url.host} cannot be had: ${why}.`),
      );
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, {
      agent: false,
      headers: { accept: 'application/jwk-set+json, application/json' },
      signal: AbortSignal.timeout(longest),
    });
    request.on('error', (error: NodeJS.ErrnoException) =>
      fail(error.name === 'AbortError' ? `no answer within ${longest / 1000} s` : (error.code ?? 'no connection')),
    );
    request.on('response', (response) => {
      if (response.statusCode !== 200) {
        response.destroy();
        fail(`status ${response.statusCode}`);
        return;
      }
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size <= largestKeySet) chunks.push(chunk);
        else {
          fail(`it is larger than ${largestKeySet / 1024} KiB`);
          response.destroy();
        }
      });
      response.on('error', () => fail('the connection broke'));
      response.on('end', () => resolve(Buffer.concat(chunks)));
    });
    request.end();
  });
