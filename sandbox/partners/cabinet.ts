/**
 * A medication and supply cabinet on a ward: it tells by signed webhooks (Standard Webhooks) what is low and what has
 * moved, and answers with what it counts. Each scenario is a button of the inventory flow.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type Flaw, send } from '../supplier/supplier.ts';
import type { Partner, PartnerReply, PartnerRequest } from './host.ts';

export interface CabinetOptions {
  /** Address of Node-RED; absent: nothing is sent. */
  flows?: string;
  /** `whsec_…` with which everything is signed. */
  secret: string;
  /** Keeps counters and contents over restarts. */
  file?: string;
}

export const ward = 'LOC-1-WARD 3 EAST';
export const theatre = 'LOC-1-OPERATING THEATRE';
export const store = 'LOC-1-STOCK';
export const quarantine = 'LOC-1-QUARANTINE';

export interface Sent {
  id: string;
  status: number;
  body: string;
}

interface Shelf {
  item: string;
  lot: string;
  quantity: number;
  /** Pieces in a box. */
  pack?: number;
}

interface State {
  /** The last number told of each item and lot. */
  sequences: Record<string, number>;
  movements: number;
  shelves: Shelf[];
  /** Recorded while the line was down, and not told yet: the nightly comparison learns of them. */
  pending: { item: string; lot: string; quantity: number; number: string; movement: Recorded }[];
  /** The next count comes out garbled. */
  garbled?: boolean;
}

/** What the sandbox Odoo begins with at the ward. */
const contents: readonly Shelf[] = [
  { item: 'GLOVE-M', lot: '', quantity: 12, pack: 10 },
  { item: 'SYR-10', lot: '', quantity: 80, pack: 100 },
  { item: 'SALINE-500', lot: 'SAL-2601', quantity: 24, pack: 6 },
  { item: 'SALINE-500', lot: 'SAL-2401', quantity: 3, pack: 6 },
  { item: 'MORPH-10', lot: 'MOR-2607', quantity: 8, pack: 10 },
];

export interface Movement {
  kind: 'consumption' | 'transfer' | 'return' | 'scrap' | 'expiry' | 'recall';
  item: string;
  quantity: number;
  lot?: string;
  to?: string;
  at?: Date;
}

/** As it goes out. */
type Recorded = ReturnType<Cabinet['record']>;

export interface AlarmOptions {
  /** Whose shelf. Default ward 3 East. */
  location?: string;
  /** Message id; the same for a repetition. */
  id?: string;
  at?: Date;
  flaw?: Flaw;
}

export class Cabinet implements Partner {
  readonly name = 'cabinet';
  readonly #options: CabinetOptions;
  readonly #state: State;

  constructor(options: CabinetOptions) {
    this.#options = options;
    const { file } = options;
    this.#state =
      file !== undefined && existsSync(file)
        ? (JSON.parse(readFileSync(file, 'utf8')) as State)
        : { sequences: {}, movements: 0, shelves: contents.map((shelf) => ({ ...shelf })), pending: [] };
  }

  async handle({ method, path, body }: PartnerRequest): Promise<PartnerReply> {
    const [, section = '', name = ''] = path.split('?')[0]!.split('/');
    if (method === 'GET' && section === '') return { status: 200, body: { cabinet: 'CAB-7', location: ward } };
    if (method === 'GET' && section === 'stock') return { status: 200, body: this.stock() };
    if (method === 'POST' && section === 'movements') {
      return { status: 200, body: { sent: await this.move(JSON.parse(body) as Movement) } };
    }
    if (method === 'POST' && section === 'scenarios') {
      const scenario = scenarios[decodeURIComponent(name)];
      if (scenario !== undefined) return { status: 200, body: { scenario: name, sent: await scenario(this) } };
      return { status: 404, body: { title: 'There is no such scenario', scenarios: Object.keys(scenarios) } };
    }
    return { status: 404, body: { title: `The cabinet has no ${method} ${path.slice(0, 80)}` } };
  }

  /** What is in the drawers now, as the cabinet weighs and counts it. */
  stock() {
    const { shelves, pending, garbled } = this.#state;
    delete this.#state.garbled;
    const row = ({ item, lot, quantity, pack }: Shelf) => ({
      product: item,
      location: ward,
      lot,
      quantity: garbled ? `${quantity} ?` : String(quantity),
      ...(pack === undefined ? {} : { pack: String(pack) }),
    });
    return {
      cabinet: 'CAB-7',
      location: ward,
      asOf: new Date().toISOString(),
      rows: shelves.map(row),
      pending: pending.map((each) => ({ ...row(each), document: each.number })),
    };
  }

  alarm(
    item: string,
    level: string,
    { id = `alarm_${randomUUID()}`, location = ward, at = new Date(), flaw }: AlarmOptions = {},
  ): Promise<Sent> {
    return this.#post(
      '/inventory/thresholds',
      id,
      {
        cabinet: 'CAB-7',
        location,
        item,
        level,
        unit: 'EA',
        packSize: '1',
        at: at.toISOString(),
      },
      flaw,
    );
  }

  /** Takes from the drawer, numbers the movement, and tells it. */
  async move(movement: Movement): Promise<Sent[]> {
    return [await this.tell(this.record(movement))];
  }

  /** A movement with its numbers, not told yet. */
  record({ kind, item, quantity, lot = '', to, at = new Date() }: Movement) {
    const key = `${item} ${lot}`;
    const sequence = (this.#state.sequences[key] ?? 0) + 1;
    this.#state.sequences[key] = sequence;
    const number = `CAB-7-${String(++this.#state.movements).padStart(6, '0')}`;
    const shelf = this.#state.shelves.find((each) => each.item === item && each.lot === lot);
    if (shelf !== undefined) shelf.quantity -= quantity;
    this.#keep();
    return {
      cabinet: 'CAB-7',
      number,
      sequence: String(sequence),
      kind,
      item,
      quantity: String(quantity),
      unit: 'EA',
      packSize: '1',
      location: ward,
      ...(lot === '' ? {} : { lot }),
      ...(to === undefined ? {} : { toLocation: to }),
      at: at.toISOString(),
    };
  }

  tell(movement: { number: string }, id = `move_${movement.number}`): Promise<Sent> {
    return this.#post('/inventory/movements', id, movement);
  }

  /** The maker of a product takes a lot back. */
  recall(item: string, lot: string, reason: string): Promise<Sent> {
    const number = `R-${randomUUID().slice(0, 8)}`;
    return this.#post('/inventory/recalls', `recall_${number}`, {
      number,
      item,
      lot,
      reason,
      issuedAt: new Date().toISOString(),
    });
  }

  /** Something has gone that nobody recorded; a negative quantity: something has come. */
  lose(item: string, quantity: number): void {
    const shelf = this.#state.shelves.find((each) => each.item === item);
    if (shelf !== undefined) shelf.quantity -= quantity;
    this.#keep();
  }

  /** A lot lies in the drawer that nobody booked in. */
  find(item: string, lot: string, quantity: number): void {
    this.#state.shelves.push({ item, lot, quantity });
    this.#keep();
  }

  /** The scale of a drawer fails: the next count cannot be read. */
  garble(): void {
    this.#state.garbled = true;
    this.#keep();
  }

  /** Recorded while the line to the hospital was down. */
  keepBack(movement: Movement): void {
    const recorded = this.record(movement);
    this.#state.pending.push({
      item: movement.item,
      lot: movement.lot ?? '',
      quantity: -movement.quantity,
      number: recorded.number,
      movement: recorded,
    });
    this.#keep();
  }

  /** The line is back: what was kept back is told. */
  async catchUp(): Promise<Sent[]> {
    const sent: Sent[] = [];
    for (const { movement } of this.#state.pending.splice(0)) sent.push(await this.tell(movement));
    this.#keep();
    return sent;
  }

  async #post(route: string, id: string, document: object, flaw?: Flaw): Promise<Sent> {
    const { flows, secret } = this.#options;
    if (flows === undefined) return { id, status: 0, body: 'no address to send to' };
    const [reply] = await send([{ id, body: JSON.stringify(document), ...(flaw === undefined ? {} : { flaw }) }], {
      url: new URL(route, flows).href,
      secret,
      tries: 5,
    });
    return { id, status: reply!.status, body: reply!.body };
  }

  #keep(): void {
    const { file } = this.#options;
    if (file === undefined) return;
    writeFileSync(`${file}.new`, JSON.stringify(this.#state));
    renameSync(`${file}.new`, file);
  }
}

const days = 86_400_000;

/** By the name in the address; each returns what was sent and how it was answered. */
export const scenarios: Readonly<Record<string, (cabinet: Cabinet) => Promise<Sent[]>>> = {
  'gloves-low': async (cabinet) => [await cabinet.alarm('GLOVE-M', '12')],
  'alarm-burst': (cabinet) => Promise.all([12, 11, 10, 9, 8].map((level) => cabinet.alarm('GLOVE-M', String(level)))),
  'store-short': async (cabinet) => [await cabinet.alarm('SYR-10', '80')],
  'over-budget': async (cabinet) => [await cabinet.alarm('CATH-18', '0')],
  controlled: async (cabinet) => [await cabinet.alarm('MORPH-10', '8')],
  negative: async (cabinet) => [await cabinet.alarm('DISINF-1L', '0', { location: theatre })],
  'no-supplier': async (cabinet) => [await cabinet.alarm('DRESS-KIT', '0', { location: theatre })],
  'no-rule': async (cabinet) => [await cabinet.alarm('GAUZE-10', '1')],
  'bad-signature': async (cabinet) => [await cabinet.alarm('GLOVE-M', '12', { flaw: 'bad-signature' })],
  consumption: (cabinet) => cabinet.move({ kind: 'consumption', item: 'SALINE-500', quantity: 2, lot: 'SAL-2601' }),
  transfer: (cabinet) =>
    cabinet.move({ kind: 'transfer', item: 'SALINE-500', quantity: 3, lot: 'SAL-2601', to: theatre }),
  return: (cabinet) => cabinet.move({ kind: 'return', item: 'SALINE-500', quantity: 1, lot: 'SAL-2601', to: store }),
  scrap: (cabinet) => cabinet.move({ kind: 'scrap', item: 'GLOVE-M', quantity: 1 }),
  expiry: (cabinet) => cabinet.move({ kind: 'expiry', item: 'SALINE-500', quantity: 1, lot: 'SAL-2401' }),
  pulled: (cabinet) =>
    cabinet.move({ kind: 'recall', item: 'SALINE-500', quantity: 1, lot: 'SAL-2601', to: quarantine }),
  'out-of-order': async (cabinet) => {
    const [first, second] = [1, 1].map((quantity) => cabinet.record({ kind: 'consumption', item: 'SYR-10', quantity }));
    return [await cabinet.tell(second!), await cabinet.tell(first!)];
  },
  twice: async (cabinet) => {
    const movement = cabinet.record({ kind: 'consumption', item: 'SYR-10', quantity: 1 });
    return [
      await cabinet.tell(movement),
      await cabinet.tell(movement),
      await cabinet.tell(movement, 'again_' + movement.number),
    ];
  },
  gap: async (cabinet) => {
    cabinet.keepBack({ kind: 'consumption', item: 'MORPH-10', quantity: 1, lot: 'MOR-2607' });
    return cabinet.move({ kind: 'consumption', item: 'MORPH-10', quantity: 1, lot: 'MOR-2607' });
  },
  late: (cabinet) => cabinet.catchUp(),
  'unknown-lot': (cabinet) => cabinet.move({ kind: 'consumption', item: 'SALINE-500', quantity: 1, lot: 'SAL-9999' }),
  'expired-lot': (cabinet) => cabinet.move({ kind: 'consumption', item: 'SALINE-500', quantity: 1, lot: 'SAL-2401' }),
  'more-than-there': (cabinet) => cabinet.move({ kind: 'consumption', item: 'GLOVE-M', quantity: 1000 }),
  'clock-ahead': (cabinet) =>
    cabinet.move({ kind: 'consumption', item: 'CATH-18', quantity: 1, at: new Date(Date.now() + days) }),
  'before-count': (cabinet) =>
    cabinet.move({ kind: 'consumption', item: 'SYR-10', quantity: 1, at: new Date(Date.now() - 30 * days) }),
  loss: async (cabinet) => {
    cabinet.lose('SYR-10', 7);
    return [];
  },
  surplus: async (cabinet) => {
    cabinet.lose('GLOVE-M', -2);
    return [];
  },
  'pack-short': async (cabinet) => {
    cabinet.lose('SALINE-500', 6);
    return [];
  },
  'strange-lot': async (cabinet) => {
    cabinet.find('SALINE-500', 'SAL-2602', 6);
    return [];
  },
  unreadable: async (cabinet) => {
    cabinet.garble();
    return [];
  },
  'recall-incomplete': async (cabinet) => [await cabinet.recall('SALINE-500', '', 'Particles found')],
  recall: async (cabinet) => [await cabinet.recall('SALINE-500', 'SAL-2601', 'Particles found')],
  'recall-unknown': async (cabinet) => [await cabinet.recall('SALINE-500', 'SAL-0000', 'Particles found')],
};
