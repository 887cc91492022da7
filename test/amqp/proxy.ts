/** A TCP proxy on loopback that does to a link what networks do: cut, silent, half-open, slow, narrow. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

interface Pair {
  client: Socket;
  upstream: Socket;
  /** The broker's side is gone, and nobody tells the client. */
  abandoned: boolean;
}

export class LinkProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #silent = false;
  #refusing = false;
  /** Milliseconds that each byte is on its way. */
  #delay = 0;
  /** Bytes a second in each direction of each connection. */
  #rate = Number.POSITIVE_INFINITY;

  private constructor(host: string, port: number) {
    this.#server = createServer((client) => {
      if (this.#refusing) {
        client.destroy();
        return;
      }
      const pair: Pair = { client, upstream: connect(port, host), abandoned: false };
      this.#pairs.add(pair);
      this.#carry(pair, client, pair.upstream);
      this.#carry(pair, pair.upstream, client);
    });
  }

  #carry(pair: Pair, from: Socket, to: Socket): void {
    let arrivals = Promise.resolve();
    from.on('data', (chunk: Buffer) => {
      if (pair.abandoned) return;
      const due = Date.now() + this.#delay;
      if (this.#rate !== Number.POSITIVE_INFINITY) from.pause();
      // One after the other, so that a delay that is lifted lets nothing overtake.
      arrivals = arrivals.then(async () => {
        const wait = Math.max(due - Date.now(), (chunk.length / this.#rate) * 1_000);
        if (wait > 0) await sleep(wait);
        while (this.#silent && !to.destroyed) await sleep(20);
        if (!to.destroyed) to.write(chunk);
        from.resume();
      });
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      if (pair.abandoned && from === pair.upstream) return;
      this.#pairs.delete(pair);
      to.destroy();
    });
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** In front of the broker of an `amqp://` URL. */
  static async of(amqpUrl: string): Promise<{ proxy: LinkProxy; url: string }> {
    const url = new URL(amqpUrl);
    const proxy = new LinkProxy(url.hostname, Number(url.port || 5672));
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    const address = proxy.#server.address() as { port: number };
    url.hostname = '127.0.0.1';
    url.port = String(address.port);
    return { proxy, url: url.href };
  }

  /** Ends all connections at once; new ones are let through. */
  cut(): void {
    for (const { client, upstream } of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
  }

  /** Ends all connections and refuses new ones until {@link mend}. */
  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  /** Holds every byte back while the connections stay open, new ones too; after {@link mend} they arrive, as TCP's do. */
  silence(): void {
    this.#silent = true;
  }

  /** The broker's end of each connection is gone and the client is not told, as after a firewall's restart. */
  halfOpen(): void {
    for (const pair of this.#pairs) {
      pair.abandoned = true;
      pair.upstream.destroy();
    }
  }

  /** @param milliseconds for every byte, in each direction */
  delay(milliseconds: number): void {
    this.#delay = milliseconds;
  }

  throttle(bytesPerSecond: number): void {
    this.#rate = bytesPerSecond;
  }

  mend(): void {
    this.#refusing = false;
    this.#silent = false;
    this.#delay = 0;
    this.#rate = Number.POSITIVE_INFINITY;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
