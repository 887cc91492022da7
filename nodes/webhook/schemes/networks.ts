/** Source networks as a second factor: CIDR lists (RFC 4632, RFC 4291). */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { Failure } from '../../kernel/failure.ts';
import { rejected, type Verify } from './scheme.ts';

/** @throws Failure `configuration` `NETWORK_INVALID` */
export function parseNetworks(list: string): ((address: string) => boolean) | undefined {
  const entries = list.split(/[\s,]+/).filter((entry) => entry !== '');
  if (entries.length === 0) return undefined;
  const networks = new BlockList();
  for (const entry of entries) {
    const [address = '', length] = entry.split('/');
    const family = isIP(address);
    const bits = length === undefined ? (family === 4 ? 32 : 128) : /^\d{1,3}$/.test(length) ? Number(length) : -1;
    if (family === 0 || bits < 0 || bits > (family === 4 ? 32 : 128)) {
      throw new Failure(
        'configuration',
        'NETWORK_INVALID',
        `"${entry.slice(0, 64)}" is not a network like 10.1.0.0/16 or 2001:db8::/32.`,
      );
    }
    networks.addSubnet(address, bits, family === 4 ? 'ipv4' : 'ipv6');
  }
  return (sent) => {
    const address = sent.startsWith('::ffff:') && isIPv4(sent.slice(7)) ? sent.slice(7) : sent;
    return isIP(address) !== 0 && networks.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
  };
}

/** Refuses requests from elsewhere before anything else is looked at. */
export function within(list: string, verify: Verify): Verify {
  const allowed = parseNetworks(list);
  if (allowed === undefined) return verify;
  const guarded: Verify = (request, now, trace) => {
    if (!allowed(request.client)) return rejected('not-allowed', 'source network', trace, request.client);
    trace?.('source network', true, request.client);
    return verify(request, now, trace);
  };
  guarded.ready = (request) => (request === undefined || allowed(request.client) ? verify.ready?.(request) : undefined);
  return guarded;
}
