/**
 * The link to the broker is cut, half-open, silent, slow or narrow while messages flow in both directions.
 * `HEALTHFLOWS_FAULT_ROUNDS` sets the rounds of each fault, `HEALTHFLOWS_CAMPAIGN` the full number of messages.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { amqpUrl, until } from '../../amqp/engines.ts';
import { LinkProxy } from '../../amqp/proxy.ts';
import { inWords, startLoad } from './load.ts';

const rounds = Number(process.env.HEALTHFLOWS_FAULT_ROUNDS ?? 1);
/** In a round. */
const messages = process.env.HEALTHFLOWS_CAMPAIGN === undefined ? 600 : 10_000;
/** Milliseconds; the campaign runs beside other work. */
const patience = 600_000;

interface Fault {
  title: string;
  strike(proxy: LinkProxy): void;
  /** Milliseconds until the network is mended; a link that is broken for good stays so. */
  lasts: () => number;
  /** The client must find out by itself that nobody is there. */
  noticed: boolean;
}

const upTo = (milliseconds: number) => () => Math.random() * milliseconds;

const faults: Fault[] = [
  { title: 'cut', strike: (proxy) => proxy.cut(), lasts: () => 0, noticed: true },
  { title: 'cut and refused', strike: (proxy) => proxy.refuse(), lasts: upTo(3_000), noticed: true },
  { title: 'half-open', strike: (proxy) => proxy.halfOpen(), lasts: () => 0, noticed: true },
  { title: 'silent', strike: (proxy) => proxy.silence(), lasts: upTo(4_000), noticed: false },
  { title: 'slow by 300 ms', strike: (proxy) => proxy.delay(300), lasts: upTo(3_000), noticed: false },
  { title: 'narrowed to 50 kB/s', strike: (proxy) => proxy.throttle(50_000), lasts: upTo(3_000), noticed: false },
];

describe('A link in trouble', { skip: amqpUrl === undefined ? 'AMQP_URL is not set' : false }, () => {
  for (const { title, strike, lasts, noticed } of faults) {
    test(`${title}, ${rounds} times under load: nothing is lost, nothing has its effect twice`, async (t) => {
      const { proxy, url } = await LinkProxy.of(amqpUrl!);
      const load = await startLoad(url, rounds * messages, { heartbeat: 1 });
      for (let round = 0; round < rounds; round++) {
        const before = load.accepted;
        const sending = load.send(messages);
        const when = before + messages * (0.1 + Math.random() * 0.5);
        await until('some are accepted', () => load.accepted >= when, patience);
        strike(proxy);
        if (noticed) await until('it is noticed', () => !load.connected);
        await sleep(lasts());
        proxy.mend();
        await sending;
        await load.assertHandled();
      }
      const ledger = await load.assertHandled();
      assert.equal(ledger.accepted, rounds * messages);
      t.diagnostic(`campaign: link ${title} ${rounds} times, ${inWords(ledger)}`);
      await load.close();
      await proxy.close();
    });
  }
});
