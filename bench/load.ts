/**
 * A load generator for one HTTP route, in a process of its own so that its work is not counted as the server's.
 * Requests are made (and signed) before the clock starts; each connection keeps one request in flight.
 *
 * Started by `generateLoad`; talks over the IPC channel.
 */
import { fork } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

export interface LoadOrder {
  port: number;
  path: string;
  connections: number;
  /** Requests in total. */
  count: number;
  /** `whsec_…`: signs each request by Standard Webhooks; plain requests when absent. */
  secret?: string;
  /** Makes the bodies of this run differ from every other run's. */
  run: string;
}

export interface LoadResult {
  /** Requests answered per second. */
  rate: number;
  seconds: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  statuses: Record<string, number>;
}

export function generateLoad(order: LoadOrder): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['--generate'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.on('message', (result) => resolve(result as LoadResult));
    child.on('error', reject);
    child.on('exit', (code) => code !== 0 && reject(new Error(`load generator ended with ${code}`)));
    child.send(order);
  });
}

/** A supplier order of about 1 KB, as the procurement flow takes it. */
export function orderDocument(number: string): string {
  const skus = ['GLOVE-M', 'SYR-10', 'GLOVE-M', 'SYR-10'];
  return JSON.stringify({
    orderNumber: number,
    orderDate: '2026-11-23T10:15:00+01:00',
    currency: 'EUR',
    supplier: { code: 'ACME' },
    deliverTo: { siteCode: 'WH' },
    lines: skus.map((sku, index) => ({
      lineNo: index + 1,
      sku,
      description: `Line ${index + 1}: consumable for the operating theatre, sterile, packed, as agreed in the frame contract`,
      qty: String(10 + index),
      unit: 'EA',
      unitPrice: `${4 + index}.20`,
      needBy: '2026-12-01',
    })),
    note: 'Deliver to the goods-in dock before noon.',
  });
}

function requestOf(order: LoadOrder, index: number, key: Buffer | undefined): Buffer {
  const number = `B-${order.run}-${index}`;
  const body = orderDocument(number);
  const lines = [
    `POST ${order.path} HTTP/1.1`,
    `host: 127.0.0.1:${order.port}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  if (key !== undefined) {
    const id = `msg_${number}`;
    const timestamp = Math.floor(Date.now() / 1000);
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
    lines.push(`webhook-id: ${id}`, `webhook-timestamp: ${timestamp}`, `webhook-signature: v1,${signature}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

async function generate(order: LoadOrder): Promise<LoadResult> {
  const key = order.secret === undefined ? undefined : Buffer.from(order.secret.replace(/^whsec_/, ''), 'base64');
  const requests = Array.from({ length: order.count }, (_, index) => requestOf(order, index, key));
  const latencies: number[] = [];
  const statuses: Record<string, number> = {};
  let next = 0;

  const connection = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(order.port, '127.0.0.1');
      socket.setNoDelay(true);
      let pending = Buffer.alloc(0);
      let sentAt = 0;
      const send = () => {
        const request = requests[next++];
        if (request === undefined) {
          socket.end();
          resolve();
          return;
        }
        sentAt = performance.now();
        socket.write(request);
      };
      socket.on('connect', send);
      socket.on('data', (chunk) => {
        pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
        const head = pending.indexOf('\r\n\r\n');
        if (head < 0) return;
        const headers = pending.toString('latin1', 0, head);
        const length = Number(/content-length: (\d+)/i.exec(headers)?.[1] ?? 0);
        if (pending.length < head + 4 + length) return;
        latencies.push(performance.now() - sentAt);
        const status = headers.slice(9, 12);
        statuses[status] = (statuses[status] ?? 0) + 1;
        pending = pending.subarray(head + 4 + length);
        send();
      });
      socket.on('error', reject);
    });

  const started = performance.now();
  await Promise.all(Array.from({ length: order.connections }, connection));
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (quantile: number) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * quantile))] ?? 0;
  return { rate: latencies.length / seconds, seconds, p50: at(0.5), p99: at(0.99), statuses };
}

if (process.argv.includes('--generate')) {
  process.once('message', (order) => {
    generate(order as LoadOrder)
      .then((result) => {
        process.send?.(result, () => process.exit(0));
      })
      .catch((error: unknown) => {
        console.error(error);
        process.exit(1);
      });
  });
}
