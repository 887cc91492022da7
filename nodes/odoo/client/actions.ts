/**
 * Business steps in Odoo with a verdict. What their methods return says nothing (`action_post` answers `false` after
 * posting; a validated picking or scrap may answer with a wizard and have done nothing), so each reads the state before and
 * after, and repeating one that has happened is `already`.
 */
import { Failure, toFailure } from '../../kernel/failure.ts';
import { fullJitter } from '../../kernel/resilience/backoff.ts';
import { sleep } from '../../kernel/resilience/deadline.ts';
import type { CallerContext, OdooClient } from './client.ts';
import { refuseBadIds } from './read.ts';

export type Verdict =
  /** The step happened now. */
  | 'done'
  /** It had happened before; nothing was called. */
  | 'already'
  /** Odoo took it and wants a person's approval (purchase double validation). */
  | 'waiting-for-approval'
  /** Odoo asks something first; nothing has happened. */
  | 'waiting-for-wizard'
  /** The record is in a state, or lacks something, that does not allow the step. */
  | 'refused';

export interface ActionResult {
  id: number;
  verdict: Verdict;
  /** State of the record afterwards. */
  state: string;
  /** Model of the wizard that waits. */
  wizard?: string;
  /** Records the step made: bills, payments, backorders. */
  made?: number[];
  /** Why it was refused. */
  failure?: Failure;
}

export interface ActionOptions extends CallerContext {
  /** Validate picking, when less was done than planned: keep a backorder, cancel the rest, or leave the question. Default `create`. */
  backorder?: 'create' | 'cancel' | 'ask';
  /** Validate picking: skip the question about a text message. Default true. */
  skipSms?: boolean;
}

interface Row {
  id: number;
  state: string;
  [field: string]: unknown;
}

interface Action {
  model: string;
  /** Further fields to read beside the state. */
  fields?: readonly string[];
  /** The step has happened. */
  isDone(row: Row): boolean;
  /** The step may be called. */
  isReady(row: Row): boolean;
  isWaiting?(row: Row): boolean;
  call(client: OdooClient, row: Row, options: ActionOptions): Promise<unknown>;
  made?(row: Row): number[];
  /** Says better than Odoo's exception why it refused. */
  explain?(client: OdooClient, row: Row, failure: Failure, options: CallerContext): Promise<Failure>;
}

/** A step that is one method of the record. */
function method(
  name: string,
  context?: (row: Row, options: ActionOptions) => Record<string, unknown>,
): (this: Action, client: OdooClient, row: Row, options: ActionOptions) => Promise<unknown> {
  return function (client, row, options) {
    return client.call(
      {
        model: this.model,
        method: name,
        ids: [row.id],
        ...(context === undefined ? {} : { context: context(row, options) }),
      },
      { effect: 'write', ...options },
    );
  };
}

/** Days up to which a company's books may be closed; which of them there are depends on the version. */
const lockDates = [
  'fiscalyear_lock_date',
  'period_lock_date',
  'tax_lock_date',
  'sale_lock_date',
  'purchase_lock_date',
  'hard_lock_date',
] as const;

/**
 * Odoo refuses an entry of a closed period with the same UserError as a wrong document, in words that are translated.
 * So the days are compared: who closes books decides here, not who corrects documents.
 */
async function periodLocked(client: OdooClient, row: Row, failure: Failure, options: CallerContext): Promise<Failure> {
  const read = async (model: string, ids: number[], fields: string[]) =>
    (await client.call({ model, method: 'read', ids, args: { fields, load: null } }, { effect: 'read', ...options })) as
      | Record<string, unknown>[]
      | undefined;
  try {
    const [move] = (await read('account.move', [row.id], ['date', 'company_id', 'move_type'])) ?? [];
    if (typeof move?.date !== 'string' || typeof move.company_id !== 'number') return failure;
    const known = await client.fields('res.company');
    const other = String(move.move_type).startsWith('in_') ? 'sale_lock_date' : 'purchase_lock_date';
    const names = lockDates.filter((name) => known.has(name) && name !== other);
    const [company] = (await read('res.company', [move.company_id], names)) ?? [];
    const days = names.map((name) => company?.[name]).filter((day): day is string => typeof day === 'string');
    const last = days.sort().at(-1);
    if (last === undefined || move.date > last) return failure;
    return new Failure(
      'policy-rejection',
      'ODOO_PERIOD_LOCKED',
      `Odoo's books are closed up to ${last}, and account.move ${row.id} is of ${move.date}. Accounting opens the period or dates it later; then replay.`,
      { outcome: 'none', detail: failure.detail, cause: failure },
    );
  } catch {
    // Whoever may not read the company gets Odoo's own answer.
    return failure;
  }
}

const oneOf =
  (...states: string[]) =>
  (row: Row) =>
    states.includes(row.state);
const idsOf = (value: unknown): number[] => (Array.isArray(value) ? (value as number[]) : []);

export const actions = {
  'confirm-purchase': {
    model: 'purchase.order',
    isDone: oneOf('purchase', 'done'),
    isWaiting: oneOf('to approve'),
    isReady: oneOf('draft', 'sent'),
    call: method('button_confirm'),
  },
  'confirm-sale': {
    model: 'sale.order',
    isDone: oneOf('sale', 'done'),
    isReady: oneOf('draft', 'sent'),
    call: method('action_confirm'),
  },
  'post-move': {
    model: 'account.move',
    isDone: oneOf('posted'),
    isReady: oneOf('draft'),
    call: method('action_post'),
    explain: periodLocked,
  },
  'draft-move': {
    model: 'account.move',
    isDone: oneOf('draft'),
    isReady: oneOf('posted', 'cancel'),
    call: method('button_draft'),
    explain: periodLocked,
  },
  'cancel-move': {
    model: 'account.move',
    isDone: oneOf('cancel'),
    isReady: oneOf('draft', 'posted'),
    call: method('button_cancel'),
    explain: periodLocked,
  },
  'confirm-picking': {
    model: 'stock.picking',
    // Confirmed is not reserved: the state tells (`assigned`), and it says so of a transfer that is reserved in part.
    isDone: oneOf('waiting', 'confirmed', 'assigned', 'done'),
    isReady: oneOf('draft'),
    call: method('action_confirm'),
  },
  'validate-picking': {
    model: 'stock.picking',
    fields: ['backorder_ids'],
    isDone: oneOf('done'),
    isReady: oneOf('draft', 'waiting', 'confirmed', 'assigned'),
    call: method('button_validate', (row, { backorder = 'create', skipSms = true }) => ({
      ...(skipSms ? { skip_sms: true } : {}),
      ...(backorder === 'ask' ? {} : { skip_backorder: true }),
      ...(backorder === 'cancel' ? { picking_ids_not_to_backorder: [row.id] } : {}),
    })),
    made: (row) => idsOf(row.backorder_ids),
  },
  'validate-scrap': {
    model: 'stock.scrap',
    // Odoo's own method does not look: called again on a scrap that is done, it scraps once more.
    isDone: oneOf('done'),
    isReady: oneOf('draft'),
    call: method('action_validate'),
  },
  'bill-purchase': {
    model: 'purchase.order',
    fields: ['invoice_ids'],
    isDone: (row) => idsOf(row.invoice_ids).length > 0,
    isReady: oneOf('purchase', 'done'),
    call: method('action_create_invoice'),
    made: (row) => idsOf(row.invoice_ids),
  },
  'register-payment': {
    model: 'account.move',
    fields: ['payment_state'],
    isDone: (row) => row.payment_state === 'paid' || row.payment_state === 'in_payment',
    isReady: (row) => row.state === 'posted',
    async call(client, row, options) {
      const context = {
        active_model: 'account.move',
        active_ids: [row.id],
        active_id: row.id,
        dont_redirect_to_payments: true,
      };
      const [wizard] = (await client.call(
        { model: 'account.payment.register', method: 'create', args: { vals_list: [{}] }, context },
        // A wizard that nobody runs changes nothing.
        { effect: 'write', repeatable: true, ...options },
      )) as number[];
      return await client.call(
        { model: 'account.payment.register', method: 'action_create_payments', ids: [wizard!], context },
        { effect: 'write', ...options },
      );
    },
  },
  'post-payment': {
    model: 'account.payment',
    // `posted` on 17; later versions say whether the money is on the bank statement.
    isDone: oneOf('posted', 'in_process', 'paid'),
    isReady: oneOf('draft'),
    call: method('action_post'),
  },
} as const satisfies Record<string, Action>;

export type ActionName = keyof typeof actions;

export function isActionName(name: string): name is ActionName {
  return Object.hasOwn(actions, name);
}

/** Tries of one step whose reply was lost, or that lost against another transaction. */
const tries = 4;

/**
 * Takes a step on each record in turn.
 * @throws Failure when Odoo does not answer or may not be asked; a record that refuses is a verdict, not an exception
 */
export async function act(
  client: OdooClient,
  name: ActionName,
  ids: unknown,
  options: ActionOptions = {},
): Promise<ActionResult[]> {
  refuseBadIds(ids, name);
  const action: Action = actions[name];
  const results: ActionResult[] = [];
  for (const id of ids) {
    results.push(await client.locks.run([`${action.model} ${id}`], () => actOnOne(client, action, id, options)));
  }
  return results;
}

async function actOnOne(client: OdooClient, action: Action, id: number, options: ActionOptions): Promise<ActionResult> {
  let called = false;
  for (let attempt = 1; ; attempt++) {
    const before = await stateOf(client, action, id, options);
    // After a lost reply of our own call the step is ours: it is done, not found done.
    if (action.isDone(before)) return result(action, before, called ? 'done' : 'already');
    if (action.isWaiting?.(before)) return result(action, before, 'waiting-for-approval');
    if (!action.isReady(before)) return result(action, before, 'refused');
    let answer: unknown;
    try {
      answer = await action.call(client, before, options);
      called = true;
    } catch (error) {
      const failure = toFailure(error);
      const lost = failure.outcome === 'unknown';
      called ||= lost;
      if (attempt < tries && (lost || failure.class === 'conflict')) {
        await sleep(fullJitter(attempt, { base: 200, cap: 3_000 }), options.signal);
        continue;
      }
      if (failure.class !== 'data-quality') throw called ? repeatable(failure) : failure;
      const after = await stateOf(client, action, id, options);
      if (action.isDone(after)) return result(action, after, 'already');
      const why = (await action.explain?.(client, after, failure, options)) ?? failure;
      return { ...result(action, after, 'refused'), failure: why };
    }
    const after = await stateOf(client, action, id, options);
    if (action.isDone(after)) return result(action, after, 'done');
    if (action.isWaiting?.(after)) return result(action, after, 'waiting-for-approval');
    const wizard = wizardOf(answer);
    return wizard === undefined
      ? result(action, after, 'refused')
      : { ...result(action, after, 'waiting-for-wizard'), wizard };
  }
}

/** A step that may have happened: repeating it is safe, as it begins by reading the state. */
function repeatable(failure: Failure): Failure {
  return new Failure(failure.class, failure.code, failure.message, {
    retryable: failure.retryable || failure.outcome === 'unknown',
    outcome: 'unknown',
    detail: failure.detail,
    cause: failure,
    ...(failure.retryAfter === undefined ? {} : { retryAfter: failure.retryAfter }),
  });
}

async function stateOf(client: OdooClient, action: Action, id: number, options: CallerContext): Promise<Row> {
  const known = await client.fields(action.model);
  const fields = ['state', ...(action.fields ?? []).filter((name) => known.has(name))];
  const [row] = (await client.call(
    { model: action.model, method: 'read', ids: [id], args: { fields } },
    { effect: 'read', ...options },
  )) as Row[];
  if (row === undefined) {
    throw new Failure('data-quality', 'ODOO_MISSING_ERROR', `${action.model} ${id} does not exist in Odoo.`, {
      outcome: 'none',
    });
  }
  return row;
}

function result(action: Action, row: Row, verdict: Verdict): ActionResult {
  const made = action.made?.(row) ?? [];
  return { id: row.id, verdict, state: row.state, ...(made.length === 0 ? {} : { made }) };
}

/** The model of a dialog that Odoo would open now (`target: "new"`); a plain window is only where to look. */
function wizardOf(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { type, target, res_model } = answer as Record<string, unknown>;
  return type === 'ir.actions.act_window' && target === 'new' && typeof res_model === 'string' ? res_model : undefined;
}
