/** A TCP proxy on loopback, to cut a link, or to let it go silent as a broken network does. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class LinkProxy {
  readonly #server: Server;
  readonly #pairs = new Set<[Socket, Socket]>();
  #silent = false;
  #refusing = false;

  private constructor(host: string, port: number) {
    this.#server = createServer((client) => {
      if (this.#refusing) {
        client.destroy();
        return;
      }
      const upstream = connect(port, host);
      const pair: [Socket, Socket] = [client, upstream];
      this.#pairs.add(pair);
      for (const [from, to] of [pair, [upstream, client] as [Socket, Socket]]) {
        from.on('data', (chunk) => {
          if (!this.#silent) to.write(chunk);
        });
        from.on('error', () => undefined);
        from.on('close', () => {
          this.#pairs.delete(pair);
          to.destroy();
        });
      }
    });
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
    for (const [client, upstream] of this.#pairs) {
      client.destroy();
      upstream.destroy();
    }
  }

  /** Ends all connections and refuses new ones until {@link mend}. */
  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  /** Swallows every byte while the connections stay open. */
  silence(): void {
    this.#silent = true;
  }

  mend(): void {
    this.#refusing = false;
    this.#silent = false;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
