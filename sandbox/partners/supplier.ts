/**
 * A supplier that takes orders as UBL and answers as suppliers do: order response, despatch advice and bill, signed
 * (Standard Webhooks), at once or when asked, right or with a fault.
 */
import { timingSafeEqual } from 'node:crypto';
import { readDocument, writeDocument } from '../../nodes/canonical/formats/index.ts';
import { MappingLibrary } from '../../nodes/canonical/index.ts';
import { blockedSupplier } from '../odoo/index.ts';
import { type Delivery, type DeliveryReply, type Flaw, send } from '../supplier/supplier.ts';
import type { Partner, PartnerReply, PartnerRequest } from './host.ts';
import { supplierPage } from './supplier-page.ts';

/** What is read of an order. */
export interface PlacedOrder {
  number: string;
  currency: string;
  note?: string;
  buyer?: unknown;
  supplier: unknown;
  lines: {
    number: string;
    product: unknown;
    description?: string;
    quantity: { value: string; unit: string; pack?: unknown };
    unitPrice?: { amount: string; currency: string };
    neededBy?: string;
  }[];
}

/** What the supplier does with an order. */
export const acts = [
  'accept',
  'short',
  'dearer',
  'late',
  'reject',
  'reject-line',
  'despatch',
  'despatch-part',
  'despatch-over',
  'despatch-late',
  'bill',
  'bill-dearer',
  'bill-over',
  'bill-unordered',
  'bill-unknown-order',
  'bill-no-order',
  'bill-wrong-sum',
  // Dated in a year that the books of the sandbox are closed for.
  'bill-old',
  // Another number, but the amount, day and order of the last bill.
  'bill-alike',
  // With a tax that Odoo does not know of.
  'bill-other-total',
  // By a supplier that is archived in Odoo, and for no order.
  'bill-lapsed',
  // The last bill once more, with the letter O in the place of a zero.
  'bill-twin',
  // What happens at the hospital's dock when the lorry is there: goods-in counts.
  'arrive',
  'arrive-part',
  'arrive-over',
  'arrive-refused',
  'arrive-scrap',
] as const;
export type Act = (typeof acts)[number];

export interface SupplierOptions {
  /** Address of Node-RED, under which `/procurement/responses`, `/despatches` and `/bills` stand; absent: nothing is sent. */
  flowsUrl?: string;
  /** `whsec_…` with which the documents are signed. */
  secret: string;
  /** `whsec_…` with which goods-in signs its counts; absent: as the documents. */
  goodsInSecret?: string;
  /** Key that an order has to bring in `X-API-Key`. Absent: anybody may order. */
  apiKey?: string;
  /** Milliseconds after which each step follows by itself. Absent: only when asked. */
  stepsAfter?: number;
}

interface Known {
  order: PlacedOrder;
  /** How often it came with another content. */
  revision: number;
  answered: number;
  despatched: number;
  billed: number;
  counted: number;
  /** Quantity and price by line, as promised last. */
  promised: Map<string, { quantity: number; price: number }>;
  sent: Map<string, number>;
  arrived: Map<string, number>;
}

export interface SentDocument {
  id: string;
  act: Act;
  order: string;
  path: string;
  body: string;
  reply?: DeliveryReply;
}

/** What we were told about a bill of ours (Peppol Invoice Response). */
export interface BillAnswer {
  invoice: string;
  /** UNCL4343: IP, UQ, AP, RE, … */
  code: string;
  reason?: string;
  words?: string;
  action?: string;
}

interface Command {
  act?: Act;
  /** Absent: the last order. */
  order?: string;
  flaw?: Flaw;
  /** How often the same message is sent. */
  times?: number;
  /** Sends the last document again, under its own message id. */
  again?: boolean;
}

const documents = {
  responses: 'order-response-to-ubl-order-response',
  despatches: 'despatch-to-ubl-despatch',
  bills: 'invoice-to-ubl-invoice',
  // The canonical receipt, as JSON.
  receipts: undefined,
} as const;

type Tree = Record<string, unknown>;

/** Text of an element, which is an object where it has attributes. */
const textOf = (element: unknown): string | undefined =>
  typeof element === 'object' && element !== null
    ? String((element as Tree)['#text'] ?? '')
    : (element as string | undefined);

/** Documents that are remembered. */
const kept = 1_000;

export class Supplier implements Partner {
  readonly name = 'supplier';
  readonly orders = new Map<string, Known>();
  readonly sent: SentDocument[] = [];
  readonly answers: BillAnswer[] = [];
  readonly #options: SupplierOptions;
  readonly #library = new MappingLibrary();
  readonly #replies = new Map<string, PartnerReply>();
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(options: SupplierOptions) {
    this.#options = options;
  }

  async handle(request: PartnerRequest): Promise<PartnerReply> {
    const [, section = ''] = request.path.split('?')[0]!.split('/');
    if (request.method === 'GET' && section === '') {
      return {
        status: 200,
        body: supplierPage([...this.orders.values()], this.sent, this.answers),
        headers: { 'content-type': 'text/html; charset=utf-8' },
      };
    }
    if (request.method === 'GET' && section === 'state') return { status: 200, body: this.state() };
    if (request.method !== 'POST') return { status: 405, body: { title: 'Use GET or POST' } };
    if (section === 'orders') return this.#once(request, () => this.#receive(request.body));
    if (section === 'invoice-responses') return this.#once(request, () => this.#hear(request.body));
    if (section === 'act') return this.#obey(request);
    return { status: 404, body: { title: 'The supplier has /orders, /invoice-responses, /act and /state' } };
  }

  state(): unknown {
    return {
      orders: [...this.orders.values()].map(({ order, promised, sent, arrived, ...rest }) => ({
        ...rest,
        order,
        promised: Object.fromEntries(promised),
        sent: Object.fromEntries(sent),
        arrived: Object.fromEntries(arrived),
      })),
      answers: this.answers,
      documents: this.sent.map(({ reply, ...document }) => ({ ...document, status: reply?.status })),
    };
  }

  /** Does one step with an order and sends what comes of it. @returns the reply of each delivery */
  async act(
    act: Act,
    number: string | undefined,
    fault: { flaw?: Flaw; times?: number } = {},
  ): Promise<DeliveryReply[]> {
    const known = number === undefined ? [...this.orders.values()].at(-1) : this.orders.get(number);
    if (known === undefined) return [];
    const { kind, value } = this.#document(act, known);
    const document: SentDocument = {
      id: `msg_${String(value.number).replace(/[^A-Za-z0-9_-]/g, '_')}`,
      act,
      order: known.order.number,
      path: `/procurement/${kind}`,
      body: this.#write(documents[kind], value),
    };
    this.sent.push(document);
    if (this.sent.length > kept) this.sent.shift();
    return this.#post(document, fault);
  }

  #write(mappingId: string | undefined, value: Record<string, unknown>): string {
    if (mappingId === undefined) return JSON.stringify(value);
    const mapping = this.#library.get(mappingId);
    const { value: tree, violations } = mapping.run(value, {});
    const { target } = mapping.mapping;
    if (violations.length > 0 || !('format' in target)) throw new Error(JSON.stringify(violations));
    return writeDocument(target.format, tree, target.options);
  }

  /** The last document once more, under the id of its message. */
  async again(fault: { flaw?: Flaw; times?: number } = {}): Promise<DeliveryReply[]> {
    const last = this.sent.at(-1);
    return last === undefined ? [] : this.#post(last, fault);
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  /** A document that comes again under its key is answered as before. */
  #once(request: PartnerRequest, take: () => PartnerReply): PartnerReply {
    const { apiKey } = this.#options;
    if (apiKey !== undefined && !same(String(request.headers['x-api-key'] ?? ''), apiKey)) {
      return { status: 401, body: { title: 'X-API-Key is missing or not yours' } };
    }
    const key = String(request.headers['idempotency-key'] ?? '');
    if (key === '') return { status: 400, body: { title: 'Idempotency-Key is missing' } };
    const before = this.#replies.get(key);
    if (before !== undefined) return before;
    const reply = take();
    if (reply.status >= 300) return reply;
    this.#replies.set(key, reply);
    if (this.#replies.size > kept) this.#replies.delete(this.#replies.keys().next().value!);
    return reply;
  }

  #hear(body: string): PartnerReply {
    let response: Tree;
    try {
      const tree = readDocument('xml', body, this.#ublOptions()) as Tree;
      response = tree.ApplicationResponse as Tree;
      const answered = (response.DocumentResponse ?? {}) as Tree;
      const { ResponseCode, Status = [] } = answered.Response as Tree;
      const clarified = new Map(
        (Array.isArray(Status) ? Status : [Status]).map((status: Tree) => {
          const { '@listID': list, '#text': code } = status.StatusReasonCode as Record<string, string>;
          return [list, { code, words: textOf(status.StatusReason) }];
        }),
      );
      const reason = clarified.get('OPStatusReason');
      const action = clarified.get('OPStatusAction');
      this.answers.push({
        invoice: textOf((answered.DocumentReference as Tree).ID)!,
        code: textOf(ResponseCode)!,
        ...(reason === undefined ? {} : { reason: reason.code!, words: reason.words! }),
        ...(action === undefined ? {} : { action: action.code! }),
      });
    } catch (error) {
      return { status: 400, body: { title: error instanceof Error ? error.message : 'No UBL ApplicationResponse' } };
    }
    if (this.answers.length > kept) this.answers.shift();
    return { status: 202, body: { status: 'noted' } };
  }

  #ublOptions() {
    const { source } = this.#library.get('ubl-order-to-order').mapping;
    if (!('format' in source)) throw new Error('An order comes as a document');
    return source.options;
  }

  #receive(body: string): PartnerReply {
    let order: PlacedOrder;
    try {
      const tree = readDocument('xml', body, this.#ublOptions());
      const { value, violations } = this.#library.get('ubl-order-to-order').run(tree, {});
      if (violations.length > 0) return { status: 422, body: { title: 'Not a UBL order', violations } };
      order = value as unknown as PlacedOrder;
    } catch (error) {
      return { status: 400, body: { title: error instanceof Error ? error.message : 'The body is no UBL order' } };
    }
    const known = this.orders.get(order.number);
    this.orders.delete(order.number);
    this.orders.set(order.number, {
      ...(known ?? {
        answered: 0,
        despatched: 0,
        billed: 0,
        counted: 0,
        promised: new Map(),
        sent: new Map(),
        arrived: new Map(),
      }),
      order,
      revision: known === undefined ? 0 : known.revision + 1,
    });
    if (this.orders.size > kept) this.orders.delete(this.orders.keys().next().value!);
    this.#goOn(order.number);
    return { status: 202, body: { number: order.number, status: 'received' } };
  }

  async #obey(request: PartnerRequest): Promise<PartnerReply> {
    let command: Command;
    try {
      command = JSON.parse(request.body === '' ? '{}' : request.body) as Command;
    } catch {
      return { status: 400, body: { title: 'The body is no JSON' } };
    }
    const { act, order, again, ...fault } = command;
    if (again !== true && (act === undefined || !acts.includes(act))) {
      return { status: 400, body: { title: `act is one of ${acts.join(', ')}` } };
    }
    const replies = again === true ? await this.again(fault) : await this.act(act!, order, fault);
    return replies.length === 0
      ? { status: 404, body: { title: 'There is no such order, or nobody to send to' } }
      : { status: 200, body: replies };
  }

  /** What follows an order by itself. Its note may ask for a fault: `SANDBOX: short`, `dearer`, `late`, `reject`, `silent`, `unbilled`. */
  #goOn(number: string): void {
    const { stepsAfter } = this.#options;
    if (stepsAfter === undefined) return;
    const known = this.orders.get(number)!;
    const wish = /SANDBOX:\s*([a-z-]+)/.exec(known.order.note ?? '')?.[1];
    if (wish === 'silent') return;
    // What we have offered and they have agreed to, we accept.
    const fault = known.answered === 0 && wish !== undefined ? acts.find((act) => act === wish) : undefined;
    this.#later(stepsAfter, () => this.act(fault ?? 'accept', number));
    if (fault !== undefined) return;
    this.#later(3 * stepsAfter, () => this.act('despatch', number));
    this.#later(5 * stepsAfter, () => this.act('arrive', number));
    if (wish !== 'unbilled') this.#later(8 * stepsAfter, () => this.act('bill', number));
  }

  #later(wait: number, step: () => Promise<unknown>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      step().catch((error: unknown) => console.error(error));
    }, wait);
    this.#timers.add(timer);
  }

  async #post(document: SentDocument, { flaw, times = 1 }: { flaw?: Flaw; times?: number }): Promise<DeliveryReply[]> {
    const { flowsUrl, secret, goodsInSecret = secret } = this.#options;
    if (flowsUrl === undefined) return [];
    const isCount = document.act.startsWith('arrive');
    const delivery: Delivery = {
      id: document.id,
      body: document.body,
      contentType: isCount ? 'application/json' : 'application/xml',
      ...(flaw === undefined ? {} : { flaw }),
    };
    const replies = await send(
      Array.from({ length: Math.min(10, times) }, () => delivery),
      {
        url: new URL(document.path, flowsUrl).href,
        secret: isCount ? goodsInSecret : secret,
        tries: flaw === undefined ? 5 : 1,
      },
    );
    document.reply = replies[0]!;
    return replies;
  }

  #document(act: Act, known: Known): { kind: keyof typeof documents; value: Record<string, unknown> } {
    const { order, promised, sent } = known;
    const today = new Date().toISOString().slice(0, 10);
    const ours = order.number;
    const parties = {
      order: { identifiers: [{ type: 'ORDER', value: ours }] },
      supplier: order.supplier,
    };
    const buyer = order.buyer === undefined ? {} : { buyer: order.buyer };
    const asked = (line: PlacedOrder['lines'][number]) =>
      promised.get(line.number) ?? {
        quantity: Number(line.quantity.value),
        price: Number(line.unitPrice?.amount ?? 0),
      };
    const euro = (amount: string) => ({ amount, currency: order.currency });
    const inSixtyDays = new Date(Date.now() + 60 * 86_400_000).toISOString().slice(0, 10);
    if (act.startsWith('despatch')) {
      known.despatched += 1;
      const lines = order.lines.map((line) => {
        const rest = asked(line).quantity - (sent.get(line.number) ?? 0);
        const quantity = act === 'despatch-part' ? Math.floor(rest / 2) : act === 'despatch-over' ? rest + 2 : rest;
        return { line, quantity, rest: rest - quantity };
      });
      for (const { line, quantity } of lines) sent.set(line.number, (sent.get(line.number) ?? 0) + quantity);
      return {
        kind: 'despatches',
        value: {
          number: `DN-${ours}-${known.despatched}`,
          issueDate: today,
          expectedDate: act === 'despatch-late' ? inSixtyDays : today,
          ...parties,
          ...buyer,
          lines: lines
            .filter(({ quantity }) => quantity > 0)
            .map(({ line, quantity, rest }) => ({
              number: line.number,
              orderLine: line.number,
              product: line.product,
              description: line.description,
              quantity: { ...line.quantity, value: String(quantity) },
              ...(rest > 0 ? { backordered: { ...line.quantity, value: String(rest) } } : {}),
            })),
        },
      };
    }
    if (act.startsWith('arrive')) {
      known.counted += 1;
      const { arrived } = known;
      const lines = order.lines.map((line, at) => {
        const due = (sent.get(line.number) ?? asked(line).quantity) - (arrived.get(line.number) ?? 0);
        const counted = act === 'arrive-part' ? Math.floor(due / 2) : act === 'arrive-over' ? due + 2 : due;
        const damaged = at === 0 && (act === 'arrive-refused' || act === 'arrive-scrap') ? Math.min(2, counted) : 0;
        return { line, accepted: counted - damaged, damaged };
      });
      for (const { line, accepted } of lines) arrived.set(line.number, (arrived.get(line.number) ?? 0) + accepted);
      return {
        kind: 'receipts',
        value: {
          number: `GR-${ours}-${known.counted}`,
          ...parties,
          receivedAt: new Date().toISOString(),
          lines: lines.map(({ line, accepted, damaged }) => ({
            number: line.number,
            orderLine: line.number,
            product: line.product,
            accepted: { ...line.quantity, value: String(accepted) },
            ...(damaged === 0
              ? {}
              : {
                  rejected: { ...line.quantity, value: String(damaged) },
                  reason: {
                    system: 'urn:healthflows:receipt-reason',
                    code: act === 'arrive-scrap' ? 'scrap' : 'return',
                    display: 'damaged',
                  },
                }),
          })),
        },
      };
    }
    if (act.startsWith('bill')) {
      const twin = act === 'bill-twin';
      if (!twin) known.billed += 1;
      const number = `INV-${ours}-${Math.max(1, known.billed)}`;
      const priced = order.lines.map((line) => {
        const price = asked(line).price * (act === 'bill-dearer' ? 1.08 : 1);
        const quantity = (sent.get(line.number) ?? asked(line).quantity) + (act === 'bill-over' ? 2 : 0);
        const unitPrice = act === 'bill-dearer' ? price.toFixed(2) : String(price);
        return { line, quantity, unitPrice, net: (quantity * Number(unitPrice)).toFixed(2) };
      });
      const net = (priced.reduce((total, line) => total + Math.round(Number(line.net) * 100), 0) / 100).toFixed(2);
      const tax = act === 'bill-other-total' ? (Number(net) / 10).toFixed(2) : '0.00';
      const gross = (Number(net) + Number(tax) + (act === 'bill-wrong-sum' ? 1 : 0)).toFixed(2);
      const withoutOrder = act === 'bill-no-order' || act === 'bill-lapsed';
      const quoted =
        act === 'bill-unknown-order' ? { identifiers: [{ type: 'ORDER', value: 'P99999' }] } : parties.order;
      return {
        kind: 'bills',
        value: {
          number: twin ? number.replace(/0(?=[^0]*$)/, 'O') : number,
          direction: 'in',
          kind: 'invoice',
          issueDate: act === 'bill-old' ? `${Number(today.slice(0, 4)) - 2}${today.slice(4, 8)}15` : today,
          currency: order.currency,
          issuer: act === 'bill-lapsed' ? { identifiers: [{ type: 'CODE', value: blockedSupplier }] } : order.supplier,
          recipient: order.buyer ?? { identifiers: [{ type: 'CODE', value: 'SITE-1' }] },
          ...(withoutOrder ? {} : { order: quoted }),
          netAmount: euro(net),
          taxAmount: euro(tax),
          grossAmount: euro(gross),
          dueAmount: euro(gross),
          lines: priced.map(({ line, quantity, unitPrice, net: amount }) => ({
            number: line.number,
            ...(withoutOrder || act === 'bill-unordered' ? {} : { orderLine: line.number }),
            product:
              act === 'bill-unordered'
                ? { identifiers: [{ type: 'SKU', value: 'STENT-35' }], name: 'Stent' }
                : line.product,
            description: line.description,
            quantity: { ...line.quantity, value: String(quantity) },
            unitPrice: euro(unitPrice),
            netAmount: euro(amount),
          })),
        },
      };
    }
    known.answered += 1;
    const lines = order.lines.map((line, at) => {
      const wanted = { quantity: Number(line.quantity.value), price: Number(line.unitPrice?.amount ?? 0) };
      const first = at === 0;
      const quantity = act === 'short' && first ? Math.max(1, Math.floor(wanted.quantity * 0.6)) : wanted.quantity;
      const price = act === 'dearer' && first ? Number((wanted.price * 1.08).toFixed(2)) : wanted.price;
      const rejected = act === 'reject' || (act === 'reject-line' && first);
      if (!rejected) promised.set(line.number, { quantity, price });
      const changed = quantity !== wanted.quantity || price !== wanted.price || act === 'late';
      return {
        number: line.number,
        orderLine: line.number,
        response: rejected ? 'rejected' : changed ? 'changed' : 'accepted',
        product: line.product,
        quantity: { ...line.quantity, value: String(quantity) },
        unitPrice: euro(String(price)),
        ...(act === 'late' ? { promisedDate: inSixtyDays } : {}),
        ...(rejected ? { reason: 'No longer made' } : {}),
      };
    });
    return {
      kind: 'responses',
      value: {
        number: `OR-${ours}-${known.answered}`,
        response: act === 'accept' ? 'accepted' : act === 'reject' ? 'rejected' : 'changed',
        issueDate: today,
        currency: order.currency,
        ...parties,
        ...buyer,
        lines,
      },
    };
  }
}

/** Keys are compared in a time that says nothing about them. */
function same(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}
