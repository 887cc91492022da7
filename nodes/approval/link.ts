/**
 * Links to one request for one person: signed, so that nobody makes one; of one use and for a time, so that an old
 * mail opens nothing; and for the person who signs in, so that a forwarded one helps nobody else.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { Failure } from '../kernel/failure.ts';
import { personKey } from './people.ts';

export const linkKeyVariable = 'HEALTHFLOWS_LINK_KEY';
const shortestKey = 32;

export interface Ticket {
  requestId: string;
  person: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** Spent with the decision. */
  nonce: string;
}

/** @throws Failure `configuration` `APPROVAL_LINK_KEY` for a key that could be guessed */
export function checkLinkKey(key: string): string {
  if (key === '' || key.length >= shortestKey) return key;
  throw new Failure(
    'configuration',
    'APPROVAL_LINK_KEY',
    `The key for links has fewer than ${shortestKey} characters. Let the dialog generate one, or set ${linkKeyVariable}.`,
  );
}

export function signTicket(key: string, ticket: Omit<Ticket, 'nonce'>): string {
  const person = personKey(ticket.person);
  const nonce = randomBytes(12).toString('base64url');
  const content = Buffer.from(JSON.stringify([ticket.requestId, person, ticket.expiresAt, nonce])).toString(
    'base64url',
  );
  return `${content}.${macOf(key, content)}`;
}

/** @throws Failure `policy-rejection` `APPROVAL_LINK_INVALID` or `APPROVAL_LINK_EXPIRED` */
export function readTicket(key: string, text: string, now: number): Ticket {
  const [content, mac, ...more] = text.split('.');
  if (content === undefined || mac === undefined || more.length > 0 || text.length > 2_000 || key === '')
    throw invalid();
  const expected = Buffer.from(macOf(key, content));
  const given = Buffer.from(mac);
  if (expected.byteLength !== given.byteLength || !timingSafeEqual(expected, given)) throw invalid();
  const [requestId, person, expiresAt, nonce] = JSON.parse(Buffer.from(content, 'base64url').toString('utf8')) as [
    string,
    string,
    number,
    string,
  ];
  if (expiresAt <= now) {
    throw new Failure('policy-rejection', 'APPROVAL_LINK_EXPIRED', 'This link has expired. Open the inbox instead.');
  }
  return { requestId, person, expiresAt, nonce };
}

function macOf(key: string, content: string): string {
  return createHmac('sha256', key).update(`approval-link-1 ${content}`).digest('base64url');
}

function invalid(): Failure {
  return new Failure(
    'policy-rejection',
    'APPROVAL_LINK_INVALID',
    'This link was not made by this Node-RED, or was cut short on its way. Open the inbox instead.',
  );
}
