/** What each operation of the node does, as a table: inputs in, what to report and what to hand on out. */
import { Failure } from '../../kernel/failure.ts';
import type { OdooOutcome } from '../../kernel/message.ts';
import { type ActionResult, act, actions, isActionName, type Verdict } from '../client/actions.ts';
import type { RowOutcome } from '../client/batch.ts';
import type { CallerContext, OdooClient } from '../client/client.ts';
import { aggregate, count, read, searchRead } from '../client/read.ts';
import { upsert } from '../client/upsert.ts';
import { attach, callMethod, create, postMessage, unlink, write } from '../client/write.ts';
import { listOf } from './lists.ts';
import type { OdooRpcConfig, Operation } from './odoo-rpc.def.ts';

export interface Request {
  client: OdooClient;
  config: OdooRpcConfig;
  caller: CallerContext;
  values: () => Promise<unknown>;
  ids: () => Promise<unknown>;
  domain: () => Promise<unknown>;
  fileName: () => Promise<unknown>;
}

export interface Report {
  odoo: OdooOutcome;
  /** What the operation found or made, for `msg.payload`. */
  result: unknown;
  /** Set when part of it, or all, was refused: `msg.odoo` is written first, then this is thrown. */
  failure?: Failure;
}

interface OperationKind {
  /** Whether the result replaces the payload unless the node says otherwise. */
  reads: boolean;
  run(request: Request): Promise<Report>;
}

export const operations: Record<Operation, OperationKind> = {
  upsert: {
    reads: false,
    async run({ client, config: { model, verify, leftOut }, caller, values }) {
      const { list, single } = await documentsOf(values);
      const outcomes = await upsert(client, model, list, { ...caller, verify, leftOut });
      const done = outcomes.flatMap((outcome) => (outcome.kind === 'done' ? [outcome.value] : []));
      const first = done[0];
      return {
        odoo: {
          model,
          ids: done.map(({ id }) => id),
          effect: done.length > 0 && done.every(({ effect }) => effect === 'created') ? 'created' : 'updated',
          ...(single && first?.externalId !== undefined ? { externalId: first.externalId } : {}),
          ...(single && first?.altered !== undefined ? { altered: first.altered } : {}),
          ...(single && first?.removed !== undefined ? { removed: first.removed } : {}),
          ...(single ? {} : { results: outcomes.map(resultOf) }),
        },
        result: single ? first : outcomes.map(resultOf),
        ...failureOf(outcomes, single),
      };
    },
  },
  create: {
    reads: false,
    async run({ client, config: { model }, caller, values }) {
      const { list, single } = await documentsOf(values);
      const outcomes = await create(client, model, list, caller);
      const ids = outcomes.flatMap((outcome) => (outcome.kind === 'done' ? [outcome.value] : []));
      return {
        odoo: { model, ids, effect: 'created', ...(single ? {} : { results: outcomes.map(resultOf) }) },
        result: single ? ids[0] : ids,
        ...failureOf(outcomes, single),
      };
    },
  },
  write: {
    reads: false,
    async run({ client, config: { model }, caller, values, ids }) {
      const records = idsOf(await ids());
      await write(client, model, records, await values(), caller);
      return { odoo: { model, ids: records as number[], effect: 'updated' }, result: records };
    },
  },
  unlink: {
    reads: false,
    async run({ client, config: { model }, caller, ids }) {
      const { deleted, missing } = await unlink(client, model, idsOf(await ids()), caller);
      return {
        odoo: { model, ids: deleted, effect: deleted.length > 0 ? 'deleted' : 'unchanged', missing },
        result: deleted,
      };
    },
  },
  action: {
    reads: false,
    async run({ client, config: { action, backorder }, caller, ids }) {
      if (!isActionName(action)) {
        throw new Failure(
          'configuration',
          'ODOO_ACTION',
          `This odoo-rpc has an action "${action.slice(0, 40)}" that is not known. Pick one.`,
          {
            outcome: 'none',
          },
        );
      }
      const results = await act(client, action, idsOf(await ids()), { ...caller, backorder });
      const { model } = actions[action];
      const verdict = worst(results);
      const made = results.flatMap((result) => result.made ?? []);
      return {
        odoo: {
          model,
          ids: results.map(({ id }) => id),
          effect: results.some((result) => result.verdict === 'done') ? 'updated' : 'unchanged',
          verdict,
          ...(results.length === 1 ? { state: results[0]!.state } : {}),
          ...(made.length === 0 ? {} : { made }),
          ...(results.length === 1 ? {} : { results: results.map(withoutFailure) }),
        },
        result: results.map(withoutFailure),
        ...refusalOf(action, model, results),
      };
    },
  },
  'search-read': {
    reads: true,
    async run({ client, config: { model, fields, limit, order }, caller, domain }) {
      const records = await searchRead(client, model, await domain(), {
        ...caller,
        fields: listOf(fields),
        limit,
        ...(order.trim() === '' ? {} : { order }),
      });
      return { odoo: { model, ids: records.map(({ id }) => id), effect: 'read' }, result: records };
    },
  },
  read: {
    reads: true,
    async run({ client, config: { model, fields }, caller, ids }) {
      const { records, missing } = await read(client, model, idsOf(await ids()) as number[], listOf(fields), caller);
      return {
        odoo: { model, ids: records.map(({ id }) => id), effect: 'read', missing },
        result: records,
        ...(missing.length === 0
          ? {}
          : {
              failure: new Failure(
                'data-quality',
                'ODOO_MISSING_ERROR',
                `${missing.length} of the ${model} records to read do not exist in Odoo: ${missing.slice(0, 10).join(', ')}.`,
                { outcome: 'none', detail: { missing: missing.slice(0, 100) } },
              ),
            }),
      };
    },
  },
  count: {
    reads: true,
    async run({ client, config: { model }, caller, domain }) {
      return {
        odoo: { model, ids: [], effect: 'read' },
        result: await count(client, model, await domain(), caller),
      };
    },
  },
  aggregate: {
    reads: true,
    async run({ client, config: { model, groupBy, aggregates, limit }, caller, domain }) {
      const groups = await aggregate(client, model, await domain(), {
        ...caller,
        groupBy: listOf(groupBy),
        aggregates: listOf(aggregates),
        ...(limit > 0 ? { limit } : {}),
      });
      return { odoo: { model, ids: [], effect: 'read' }, result: groups };
    },
  },
  attach: {
    reads: false,
    async run({ client, config: { model }, caller, ids, values, fileName }) {
      const [id, ...more] = idsOf(await ids()) as unknown[];
      if (more.length > 0) {
        throw new Failure('data-quality', 'ODOO_IDS', 'A file is attached to one record; several ids were given.', {
          outcome: 'none',
        });
      }
      const name = (await fileName()) as string;
      const attached = await attach(client, model, id, { name, content: await values() }, caller);
      return {
        odoo: { model, ids: [id as number], effect: attached.effect, attachment: attached.id },
        result: attached,
      };
    },
  },
  'post-message': {
    reads: false,
    async run({ client, config: { model }, caller, ids, values }) {
      const records = idsOf(await ids());
      const messages = await postMessage(client, model, records, await values(), caller);
      return { odoo: { model, ids: records as number[], effect: 'called', messages }, result: messages };
    },
  },
  call: {
    reads: true,
    async run({ client, config: { model, method }, caller, ids, values }) {
      const given = await ids();
      const records = given === undefined || given === null ? undefined : idsOf(given);
      const result = await callMethod(client, model, method, records, (await values()) ?? undefined, caller);
      return { odoo: { model, ids: (records ?? []) as number[], effect: 'called' }, result };
    },
  },
};

function withoutFailure({ failure: _failure, ...rest }: ActionResult): Omit<ActionResult, 'failure'> {
  return rest;
}

/** One id may be given bare. */
function idsOf(given: unknown): unknown[] {
  return Array.isArray(given) ? given : given === undefined || given === null ? [] : [given];
}

async function documentsOf(values: () => Promise<unknown>): Promise<{ list: unknown[]; single: boolean }> {
  const given = await values();
  if (!Array.isArray(given)) return { list: [given], single: true };
  if (given.length > 0) return { list: given, single: false };
  throw new Failure('data-quality', 'ODOO_NO_DOCUMENTS', 'The list of documents for Odoo is empty.', {
    outcome: 'none',
  });
}

function resultOf(outcome: RowOutcome<unknown>): unknown {
  return outcome.kind === 'done' ? outcome.value : { failure: outcome.failure.toRecord() };
}

/** For one document its own failure; for a batch the failure that ended it, or how many rows were refused. */
function failureOf(outcomes: readonly RowOutcome<unknown>[], single: boolean): { failure?: Failure } {
  const failures = outcomes.flatMap((outcome, index) =>
    outcome.kind === 'failed' ? [{ index, failure: outcome.failure }] : [],
  );
  const first = failures[0];
  if (first === undefined) return {};
  if (single) return { failure: first.failure };
  const ending = failures.find(({ failure }) => failure.class !== 'data-quality');
  if (ending !== undefined) return { failure: ending.failure };
  return {
    failure: new Failure(
      'data-quality',
      'ODOO_BATCH_PARTLY_REFUSED',
      `${failures.length} of ${outcomes.length} documents were refused; the others are in Odoo. msg.odoo.results says which and why.`,
      {
        outcome: 'none',
        detail: failures.slice(0, 50).map(({ index, failure }) => ({
          document: index + 1,
          code: failure.code,
          message: failure.message,
        })),
      },
    ),
  };
}

/** From best to worst. */
const order: readonly Verdict[] = ['already', 'done', 'waiting-for-approval', 'waiting-for-wizard', 'refused'];

function worst(results: readonly ActionResult[]): Verdict {
  return results.reduce<Verdict>(
    (worst, { verdict }) => (order.indexOf(verdict) > order.indexOf(worst) ? verdict : worst),
    'already',
  );
}

/** Nothing is silent: a step that did not happen is a failure that somebody sees. */
function refusalOf(action: string, model: string, results: readonly ActionResult[]): { failure?: Failure } {
  const refused = results.find(({ verdict }) => verdict === 'refused');
  if (refused?.failure !== undefined) return { failure: refused.failure };
  if (refused !== undefined) {
    return {
      failure: new Failure(
        'data-quality',
        'ODOO_ACTION_REFUSED',
        `${action} is not possible for ${model} ${refused.id}: it is in state ${refused.state}. Look at it in Odoo.`,
        { outcome: 'none', detail: { id: refused.id, state: refused.state } },
      ),
    };
  }
  const waiting = results.find(({ verdict }) => verdict === 'waiting-for-wizard');
  if (waiting === undefined) return {};
  return {
    failure: new Failure(
      'data-quality',
      'ODOO_ACTION_WAITING',
      `Odoo asks a question (${waiting.wizard}) before ${action} of ${model} ${waiting.id}; nothing has happened. Answer it in Odoo, or choose the answer in the odoo-rpc node.`,
      { outcome: 'none', detail: { id: waiting.id, wizard: waiting.wizard } },
    ),
  };
}
