/**
 * A payer's portal: takes invoices, decides about them by the service that was billed, posts signed remittances
 * (Standard Webhooks) and keeps what it is told about them.
 */
import { randomUUID } from 'node:crypto';
import { type DeliveryReply, send } from '../supplier/supplier.ts';
import type { Partner, PartnerReply, PartnerRequest } from './host.ts';

interface Money {
  amount: string;
  currency: string;
}

interface Reference {
  identifiers: { type: string; value: string }[];
}

/** What is read of a canonical invoice. */
interface Invoice {
  number: string;
  kind: string;
  currency: string;
  grossAmount: Money;
  credited?: Reference;
  lines: { product?: Reference }[];
}

export type Answer = 'paid' | 'short' | 'denied' | 'reversed' | 'over' | 'unknown' | 'wrong-total' | 'forwarded';

export interface Remittance {
  number: string;
  payer: Reference;
  issueDate: string;
  amount: Money;
  claims: RemittedClaim[];
}

interface RemittedClaim {
  claim: Reference;
  status: string;
  billed: Money;
  paid: Money;
  adjustments?: { group: string; reason: string; amount: Money }[];
  denialReason?: string;
}

export interface PayerOptions {
  /** Where remittances are posted; absent: none are sent. */
  remittancesUrl?: string;
  /** `whsec_…` with which they are signed. */
  secret: string;
  /** Milliseconds after which an invoice is answered by itself. Absent: only when asked. */
  answersAfter?: number;
}

/**
 * What this payer thinks of a service, so that each button of the flow has its answer. A credit note is noted and
 * never paid.
 */
const decisions: Readonly<Record<string, Answer>> = { 'SVC-XRAY': 'short', 'SVC-PHYSIO': 'denied' };

export class Payer implements Partner {
  readonly name = 'payer';
  readonly invoices = new Map<string, Invoice>();
  /** Remittances in the order in which they were made. */
  readonly remittances: { id: string; document: Remittance; reply?: DeliveryReply }[] = [];
  /** What we were told: by remittance and claim. */
  readonly told: { key: string; body: unknown }[] = [];
  readonly #options: PayerOptions;
  readonly #keys = new Map<string, PartnerReply>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: PayerOptions) {
    this.#options = options;
  }

  async handle(request: PartnerRequest): Promise<PartnerReply> {
    const [, section = ''] = request.path.split('?')[0]!.split('/');
    if (request.method === 'GET' && section === '') return { status: 200, body: { payer: 'PAYER1' } };
    if (request.method === 'GET' && section === 'state') return { status: 200, body: this.state() };
    if (request.method !== 'POST') return { status: 405, body: { title: 'Use GET or POST' } };
    let document: unknown;
    try {
      document = JSON.parse(request.body);
    } catch {
      return { status: 400, body: { title: 'The body is no JSON' } };
    }
    if (section === 'invoices') return this.#once(request, () => this.#take(document as Invoice));
    if (section === 'answers') {
      return this.#once(request, () => {
        this.told.push({ key: keyOf(request), body: document });
        return { status: 202, body: { noted: true } };
      });
    }
    if (section === 'remit') {
      // Stands for a person at the payer who presses a button.
      const { invoices = [], answer, again } = document as { invoices?: string[]; answer?: Answer; again?: boolean };
      const sent = again === true ? await this.sendAgain() : await this.remit(invoices, answer);
      return sent === undefined
        ? { status: 404, body: { title: 'There is no remittance yet' } }
        : { status: 200, body: sent };
    }
    return { status: 404, body: { title: 'Not a resource of this portal' } };
  }

  state(): unknown {
    return {
      invoices: [...this.invoices.values()],
      remittances: this.remittances.map(({ document, reply }) => ({ ...document, status: reply?.status })),
      told: this.told.map(({ body }) => body),
    };
  }

  /** Makes one remittance for the invoices and posts it. Without an answer each is decided by its service, without numbers the last invoice is. */
  async remit(numbers: readonly string[], answer?: Answer): Promise<DeliveryReply | undefined> {
    const last = [...this.invoices.values()].filter(({ kind }) => kind !== 'credit').at(-1)?.number;
    const named = numbers.length > 0 || last === undefined ? numbers : [last];
    if (named.length === 0) return undefined;
    const claims = named.map((number) => this.#decide(number, answer));
    const amount = inCents(claims.reduce((sum, { paid }) => sum + cents(paid.amount), 0));
    const document: Remittance = {
      number: `R-${randomUUID().slice(0, 8).toUpperCase()}`,
      payer: reference('CODE', 'PAYER1'),
      issueDate: new Date().toISOString().slice(0, 10),
      amount: euro(answer === 'wrong-total' ? inCents(cents(amount) + 100) : amount),
      claims,
    };
    this.remittances.push({ id: `msg_${document.number}`, document });
    return this.sendAgain();
  }

  /** Posts the last remittance (once more) under the same message id, or under a new one. */
  async sendAgain(id?: string): Promise<DeliveryReply | undefined> {
    const last = this.remittances.at(-1);
    const { remittancesUrl: url, secret } = this.#options;
    if (last === undefined || url === undefined) return undefined;
    const delivery = { id: id ?? last.id, body: JSON.stringify(last.document) };
    const [reply] = await send([delivery], { url, secret, tries: 5 });
    last.reply = reply!;
    return reply;
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #take(invoice: Invoice): PartnerReply {
    const known = this.invoices.get(invoice.number);
    if (known !== undefined && known.grossAmount.amount !== invoice.grossAmount.amount) {
      return { status: 422, body: { title: `The invoice ${invoice.number} is known with another amount` } };
    }
    this.invoices.set(invoice.number, invoice);
    const { answersAfter } = this.#options;
    if (answersAfter !== undefined && invoice.kind !== 'credit' && known === undefined) {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void this.remit([invoice.number]);
      }, answersAfter);
      this.#timers.add(timer);
    }
    return { status: 202, body: { number: invoice.number, status: 'received' } };
  }

  /** A document that comes again under its key is answered as before. */
  #once(request: PartnerRequest, take: () => PartnerReply): PartnerReply {
    const key = keyOf(request);
    if (key === '') return { status: 400, body: { title: 'Idempotency-Key is missing' } };
    const place = `${request.path} ${key}`;
    const reply = this.#keys.get(place) ?? take();
    if (reply.status < 300) this.#keys.set(place, reply);
    return reply;
  }

  #decide(number: string, given?: Answer): RemittedClaim {
    const invoice = this.invoices.get(number);
    const services = (invoice?.lines ?? []).flatMap(({ product }) => product?.identifiers ?? []);
    const usual = services.map(({ value }) => decisions[value]).find((decision) => decision !== undefined);
    const answer = given ?? usual ?? 'paid';
    const billed = cents(invoice?.grossAmount.amount ?? '10.00');
    const claim = reference('CLAIM', answer === 'unknown' ? `${number}-UNKNOWN` : number);
    const money = { claim, billed: euro(inCents(billed)) };
    switch (answer) {
      case 'short': {
        const less = Math.round(billed / 5);
        return {
          ...money,
          status: 'paid',
          paid: euro(inCents(billed - less)),
          adjustments: [{ group: 'CO', reason: '45', amount: euro(inCents(less)) }],
        };
      }
      case 'denied':
        return {
          ...money,
          status: 'denied',
          paid: euro('0.00'),
          adjustments: [{ group: 'CO', reason: '197', amount: euro(inCents(billed)) }],
          denialReason: 'Authorisation absent',
        };
      case 'reversed':
        return {
          ...money,
          status: 'reversed',
          paid: euro(inCents(-billed)),
          adjustments: [{ group: 'CO', reason: '129', amount: euro(inCents(2 * billed)) }],
        };
      case 'forwarded':
        return {
          ...money,
          status: 'forwarded',
          paid: euro('0.00'),
          adjustments: [{ group: 'OA', reason: '22', amount: euro(inCents(billed)) }],
        };
      case 'over':
        return {
          ...money,
          status: 'paid',
          paid: euro(inCents(billed + 500)),
          adjustments: [{ group: 'OA', reason: '23', amount: euro(inCents(-500)) }],
        };
      default:
        return { ...money, status: 'paid', paid: euro(inCents(billed)) };
    }
  }
}

const keyOf = ({ headers }: PartnerRequest): string => String(headers['idempotency-key'] ?? '');
const reference = (type: string, value: string): Reference => ({ identifiers: [{ type, value }] });
const euro = (amount: string): Money => ({ amount, currency: 'EUR' });
/** Amounts of this stand-in are euro with at most two decimals. */
const cents = (amount: string): number => Math.round(Number(amount) * 100);
const inCents = (amount: number): string => (amount / 100).toFixed(2);
