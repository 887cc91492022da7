/** Ed25519 keys that prove something (RFC 8032, RFC 8037). */
import type { KeyObject } from 'node:crypto';

/** The y coordinates of the points of small order, and their spellings above the field's prime, without the sign. */
const smallOrder: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

/**
 * What is wrong with an Ed25519 public key: one of small order has signatures that fit any text and that anybody can
 * make. OpenSSL 3.0.15 of Node.js 22.13 takes them, 3.5.8 of Node.js 24.21 does not.
 */
export function ed25519Problem(key: KeyObject): string | undefined {
  const y = Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url');
  y[31] = y[31]! & 0x7f;
  return smallOrder.has(y.toString('hex')) ? 'it is an Ed25519 key of small order, which proves nothing' : undefined;
}
