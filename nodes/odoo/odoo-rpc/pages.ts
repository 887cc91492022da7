/**
 * Reading in pages, the flow setting the pace: a page goes out, and the next one is read when the message comes back
 * to the node's input. Where reading stands travels in the message (`msg.pages`), so nothing is held here however many
 * records there are, and a message that waited out a redeploy still knows how to go on.
 */
import { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { BoundedCache } from '../client/bounded-cache.ts';
import type { CallerContext, OdooClient } from '../client/client.ts';
import { searchPage } from '../client/read.ts';
import { listOf } from './lists.ts';
import type { OdooRpcConfig } from './odoo-rpc.def.ts';

/** `msg.pages[<node id>]`: where reading stands. */
interface Cursor {
  /** Of the pages that belong together, for `msg.parts`. */
  id: string;
  /** Pages so far. */
  index: number;
  /** Records so far. */
  records: number;
  /** The last record's id: the next page begins behind it. */
  after: number;
  /** There is no further page. */
  last: boolean;
  /** `msg.parts` as it was, given back at the end. */
  parts?: unknown;
}

/** Which of the node's outputs. */
export const pageOutput = 0;
export const endOutput = 1;

export const pageSizes = { least: 1, most: 5_000 } as const;

export interface PagedRead {
  /**
   * Makes the message the next page, or the end.
   * @returns the output it leaves by
   */
  next(message: FlowMessage, domain: () => Promise<unknown>, caller: CallerContext): Promise<number>;
}

/**
 * @param node id of the node, under which the cursor is kept
 * @param newId makes an id for a series of pages
 * @throws Failure `configuration` for another order than by id: rows that move would be skipped or given twice
 */
export function pagedRead(node: string, config: OdooRpcConfig, client: OdooClient, newId: () => string): PagedRead {
  const { model, order, limit } = config;
  if (!['', 'id', 'id asc'].includes(order.trim().toLowerCase())) {
    throw new Failure(
      'configuration',
      'ODOO_PAGE_ORDER',
      'Pages are read in the order of the ids. Leave Order empty, or read all records in one message.',
      { outcome: 'none' },
    );
  }
  const fields = listOf(config.fields);
  const size = Math.min(pageSizes.most, Math.max(pageSizes.least, Math.floor(config.pageSize)));
  /** Messages whose pages are under way: one that comes without its cursor would begin again, for ever. */
  const underWay = new BoundedCache<string, true>(1_000, 3_600_000);

  return {
    async next(message, domain, caller) {
      const cursor = cursorOf(message, node) ?? begin(message);
      if (cursor.last) return end(message, cursor);
      const left = limit > 0 ? limit - cursor.records : Number.POSITIVE_INFINITY;
      const page = await searchPage(client, model, await domain(), {
        ...caller,
        fields,
        after: cursor.after,
        size: Math.min(size, left),
      });
      const next: Cursor = {
        ...cursor,
        index: cursor.index + 1,
        records: cursor.records + page.records.length,
        after: page.records.at(-1)?.id ?? cursor.after,
        last: !page.more || page.records.length >= left,
      };
      if (page.records.length === 0) return end(message, cursor);
      message.payload = page.records;
      message.odoo = { model, ids: page.records.map(({ id }) => id), effect: 'read' };
      message.pages = { ...(message.pages as object | undefined), [node]: next };
      message.parts = {
        id: cursor.id,
        index: cursor.index,
        type: 'array',
        len: size,
        ...(next.last ? { count: next.index } : {}),
        ...(cursor.parts === undefined ? {} : { parts: cursor.parts }),
      };
      if (message._msgid !== undefined) underWay.set(message._msgid, true);
      return pageOutput;
    },
  };

  function begin(message: FlowMessage): Cursor {
    if (message._msgid !== undefined && underWay.get(message._msgid)) {
      underWay.delete(message._msgid);
      throw new Failure(
        'configuration',
        'ODOO_PAGE_MARK_LOST',
        'A message came back for its next page without msg.pages, and would have begun at the first page again. Send the same message back, e.g. with "return msg" in a function node.',
        { outcome: 'none' },
      );
    }
    const { parts } = message;
    return { id: newId(), index: 0, records: 0, after: 0, last: false, ...(parts === undefined ? {} : { parts }) };
  }

  function end(message: FlowMessage, { index, records, parts }: Cursor): number {
    if (message._msgid !== undefined) underWay.delete(message._msgid);
    const { [node]: _done, ...others } = (message.pages ?? {}) as Record<string, unknown>;
    if (Object.keys(others).length > 0) message.pages = others;
    else delete message.pages;
    if (parts === undefined) delete message.parts;
    else message.parts = parts;
    message.payload = records;
    message.odoo = { model, ids: [], effect: 'read', pages: index, records };
    return endOutput;
  }
}

/** @throws Failure `data-quality` when the flow changed it */
function cursorOf(message: FlowMessage, node: string): Cursor | undefined {
  const cursor = (message.pages as Record<string, unknown> | undefined)?.[node] as Partial<Cursor> | undefined;
  if (cursor === undefined) return undefined;
  const { id, index, records, after, last } = cursor;
  const counts = [index, records, after];
  if (typeof id === 'string' && typeof last === 'boolean' && counts.every((n) => Number.isSafeInteger(n) && n! >= 0))
    return cursor as Cursor;
  throw new Failure(
    'data-quality',
    'ODOO_PAGE_MARK',
    'msg.pages, which says where reading stands, was changed on the way. Send the message back as it came.',
    { outcome: 'none' },
  );
}
