/**
 * The key that checkpoints of the audit trail are signed with (Ed25519, RFC 8032), from the environment: so that who
 * can write to the database cannot forge a past. Kept apart from the flows, as is the retention: who edits a flow does
 * not decide what an auditor finds.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { Failure } from '../failure.ts';
import { keyBytes } from '../key-bytes.ts';

export const auditKeyVariable = 'HEALTHFLOWS_AUDIT_KEY';
export const formerAuditKeysVariable = 'HEALTHFLOWS_AUDIT_KEYS_FORMER';
export const auditRetentionVariable = 'HEALTHFLOWS_AUDIT_RETENTION_DAYS';

/** Six years: as long as 45 CFR 164.316(b)(2)(i) asks for records of security. */
const defaultRetention = 2192;
const day = 86_400_000;

export interface AuditKey {
  /** First 8 hexadecimal digits of the SHA-256 of the public key. */
  readonly id: string;
  /** 32 bytes. */
  readonly publicKey: Buffer;
  sign(statement: Uint8Array): Buffer;
}

export interface AuditKeys {
  /** Undefined: nothing is signed, and so nothing removed. */
  readonly current: AuditKey | undefined;
  /** Ids of the keys whose signatures count: the present one and the former ones. Empty: any is taken as it comes. */
  readonly trusted: ReadonlySet<string>;
  /** Milliseconds that entries are kept. */
  readonly retention: number;
}

/** DER of RFC 8410 around the raw bytes. */
const privatePrefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const publicPrefix = Buffer.from('302a300506032b6570032100', 'hex');

export const auditKeyId = (publicKey: Uint8Array): string =>
  createHash('sha256').update(publicKey).digest('hex').slice(0, 8);

/**
 * Keys and retention as the environment has them.
 * @param more further public keys to trust, e.g. of a command's option
 * @throws Failure `configuration` `AUDIT_KEY_INVALID`, `AUDIT_RETENTION_INVALID`
 */
export function auditKeys(env: Readonly<Record<string, string | undefined>> = process.env, more = ''): AuditKeys {
  const seed = bytesOf(env[auditKeyVariable], auditKeyVariable);
  const current = seed === undefined ? undefined : keyOf(seed);
  const former = [env[formerAuditKeysVariable] ?? '', more]
    .flatMap((list) => list.split(','))
    .map((text) => bytesOf(text, formerAuditKeysVariable))
    .filter((bytes) => bytes !== undefined);
  const trusted = new Set([...former.map(auditKeyId), ...(current === undefined ? [] : [current.id])]);
  return { current, trusted, retention: retentionOf(env[auditRetentionVariable]) };
}

function keyOf(seed: Buffer): AuditKey {
  const key = createPrivateKey({ key: Buffer.concat([privatePrefix, seed]), format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(publicPrefix.length);
  return { id: auditKeyId(publicKey), publicKey, sign: (statement) => sign(null, statement, key) };
}

const bytesOf = (text: string | undefined, variable: string): Buffer | undefined =>
  keyBytes(
    text,
    variable,
    'AUDIT_KEY_INVALID',
    '. Former keys are given as public keys, which healthflows-store keys prints.',
  );

function retentionOf(text: string | undefined): number {
  if (text === undefined || text.trim() === '') return defaultRetention * day;
  const days = Number(text);
  if (Number.isInteger(days) && days >= 1 && days <= 36_500) return days * day;
  throw new Failure(
    'configuration',
    'AUDIT_RETENTION_INVALID',
    `${auditRetentionVariable} must be a whole number of days from 1 to 36500.`,
  );
}

/** True when the signature is of this statement by this key; false also for bytes that are no key. */
export function isSignedBy(publicKey: Uint8Array, statement: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32) return false;
  let key: KeyObject;
  try {
    key = createPublicKey({ key: Buffer.concat([publicPrefix, publicKey]), format: 'der', type: 'spki' });
  } catch {
    return false;
  }
  return verify(null, statement, key, signature);
}
