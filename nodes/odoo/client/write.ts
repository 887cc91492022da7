/** Writing by id, creating without a key, deleting, attaching, posting, and calling any other method. */
import { createHash } from 'node:crypto';
import { Failure } from '../../kernel/failure.ts';
import { inChunks, type RowOutcome } from './batch.ts';
import type { CallerContext, OdooClient } from './client.ts';
import { refuseBadIds } from './read.ts';
import { checkRecord, toVals } from './records.ts';
import { resolveReferences } from './references.ts';
import { documentLimit } from './upsert.ts';

export interface WriteOptions extends CallerContext {
  /** Records in one call. Default 200. */
  chunk?: number;
}

/**
 * Creates records. Not safe to repeat: after a lost reply the outcome is unknown, and a person has to look; prefer
 * {@link upsert}. A record that is refused does not stop the others.
 */
export async function create(
  client: OdooClient,
  model: string,
  values: readonly unknown[],
  options: WriteOptions = {},
): Promise<RowOutcome<number>[]> {
  if (values.length > documentLimit) {
    throw new Failure(
      'data-quality',
      'ODOO_TOO_MANY_DOCUMENTS',
      `${values.length} records came at once; the limit is ${documentLimit}. Split them.`,
      { outcome: 'none' },
    );
  }
  await client.fields(model);
  return await inChunks(values, options.chunk ?? 200, async (chunk) => {
    const records = [];
    for (const one of chunk) records.push(await checkRecord(client, model, valuesOf(one)));
    await resolveReferences(client, records, options);
    const vals = records.map(toVals);
    return (await client.call(
      { model, method: 'create', args: { vals_list: vals } },
      { effect: 'write', ...options },
    )) as number[];
  });
}

/** Writes the same values to all of `ids`. Repeating it leaves the same values. */
export async function write(
  client: OdooClient,
  model: string,
  ids: unknown,
  values: unknown,
  options: CallerContext = {},
): Promise<void> {
  refuseBadIds(ids, 'write');
  const record = await checkRecord(client, model, valuesOf(values));
  if (record.values.length === 0) {
    throw new Failure('data-quality', 'ODOO_NO_VALUES', `There are no values to write to ${model}.`, {
      outcome: 'none',
    });
  }
  await resolveReferences(client, [record], options);
  const adds = record.values.some(
    ({ value }) => value.kind === 'records' && value.commands.some((command) => command.kind === 'create'),
  );
  await client.call(
    { model, method: 'write', ids, args: { vals: toVals(record) } },
    { effect: 'write', repeatable: !adds, ...options },
  );
}

/** Deletes records; those already gone do not count as failures, so that a repeat succeeds. */
export async function unlink(
  client: OdooClient,
  model: string,
  ids: unknown,
  options: CallerContext = {},
): Promise<{ deleted: number[]; missing: number[] }> {
  refuseBadIds(ids, 'unlink');
  const rows = (await client.call(
    {
      model,
      method: 'search_read',
      args: { domain: [['id', 'in', ids]], fields: ['id'] },
      context: { active_test: false },
    },
    { effect: 'read', ...options },
  )) as { id: number }[];
  const there = new Set(rows.map((row) => row.id));
  const deleted = ids.filter((id) => there.has(id));
  if (deleted.length > 0)
    await client.call({ model, method: 'unlink', ids: deleted }, { effect: 'write', repeatable: false, ...options });
  return { deleted, missing: ids.filter((id) => !there.has(id)) };
}

export interface Attachment {
  name: string;
  /** A Buffer, or base64 text. */
  content: unknown;
  mimetype?: string;
}

/**
 * Attaches a file to a record. Repeating it finds the same file by name and content (Odoo keeps its SHA-1) and adds
 * nothing.
 */
export async function attach(
  client: OdooClient,
  model: string,
  id: unknown,
  attachment: Attachment,
  options: CallerContext = {},
): Promise<{ id: number; effect: 'created' | 'unchanged' }> {
  refuseBadIds([id], 'attach');
  const recordId = id as number;
  const { name, content, mimetype } = attachment;
  if (typeof name !== 'string' || name === '' || name.length > 255) {
    throw new Failure('data-quality', 'ODOO_ATTACHMENT_NAME', 'A file to attach needs a name of 1 to 255 characters.', {
      outcome: 'none',
    });
  }
  const record = await checkRecord(client, 'ir.attachment', {
    name,
    datas: content,
    res_model: model,
    res_id: recordId,
    ...(mimetype === undefined ? {} : { mimetype }),
  });
  const vals = toVals(record);
  const checksum = createHash('sha1')
    .update(Buffer.from(String(vals.datas), 'base64'))
    .digest('hex');
  const key = `ir.attachment ${model},${recordId} ${checksum} ${name}`;
  return await client.locks.run([key], async () => {
    const [found] = (await client.call(
      {
        model: 'ir.attachment',
        method: 'search_read',
        args: {
          domain: [
            ['res_model', '=', model],
            ['res_id', '=', recordId],
            ['name', '=', name],
            ['checksum', '=', checksum],
          ],
          fields: ['id'],
          limit: 1,
          order: 'id',
        },
      },
      { effect: 'read', ...options },
    )) as { id: number }[];
    if (found !== undefined) return { id: found.id, effect: 'unchanged' };
    const ids = (await client.call(
      { model: 'ir.attachment', method: 'create', args: { vals_list: [vals] } },
      { effect: 'write', ...options },
    )) as number[];
    return { id: ids[0]!, effect: 'created' };
  });
}

/** Posts a message to the records' chatter. Not safe to repeat. @returns ids of the messages */
export async function postMessage(
  client: OdooClient,
  model: string,
  ids: unknown,
  body: unknown,
  options: CallerContext = {},
): Promise<number[]> {
  refuseBadIds(ids, 'post message');
  if (typeof body !== 'string' || body.trim() === '' || body.length > 100_000) {
    throw new Failure('data-quality', 'ODOO_MESSAGE', 'A message to post needs a text of 1 to 100,000 characters.', {
      outcome: 'none',
    });
  }
  const posted: number[] = [];
  // message_post works on one record at a time (`ensure_one`).
  for (const id of ids) {
    const answer = await client.call(
      { model, method: 'message_post', ids: [id], args: { body } },
      { effect: 'write', ...options },
    );
    posted.push(...(Array.isArray(answer) ? (answer as number[]) : typeof answer === 'number' ? [answer] : []));
  }
  return posted;
}

/** Methods of the ORM that have operations of their own here, with the checks they need. */
const ownOperations = new Set(['write', 'unlink', 'create', 'load']);

/**
 * Calls any public method with named arguments. What it does is not known here, so it is never repeated after a lost
 * reply.
 */
export async function callMethod(
  client: OdooClient,
  model: string,
  method: string,
  ids: unknown,
  args: unknown,
  options: CallerContext = {},
): Promise<unknown> {
  if (!/^[a-z][a-z0-9_]*$/i.test(method)) {
    throw new Failure(
      'configuration',
      'ODOO_METHOD',
      'The name of a method is letters, digits and underscores, and does not begin with an underscore (those are private in Odoo).',
      { outcome: 'none' },
    );
  }
  if (ownOperations.has(method)) {
    throw new Failure(
      'configuration',
      'ODOO_METHOD',
      `${method} is an operation of its own in this node, with the checks it needs. Choose that operation.`,
      { outcome: 'none' },
    );
  }
  if (ids !== undefined) refuseBadIds(ids, method);
  if (args !== undefined && (typeof args !== 'object' || args === null || Array.isArray(args))) {
    throw new Failure(
      'data-quality',
      'ODOO_ARGUMENTS',
      'Arguments of a method are an object: each argument by its name.',
      { outcome: 'none' },
    );
  }
  return await client.call(
    { model, method, ...(ids === undefined ? {} : { ids }), ...(args === undefined ? {} : { args: { ...args } }) },
    { effect: 'write', ...options },
  );
}

function valuesOf(given: unknown): Record<string, unknown> {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
    // A document made for upsert may be created or written as well.
    const { values } = given as Record<string, unknown>;
    if (typeof values === 'object' && values !== null && !Array.isArray(values))
      return values as Record<string, unknown>;
    return given as Record<string, unknown>;
  }
  throw new Failure('data-quality', 'ODOO_DOCUMENT', 'The values must be an object: each value by its field.', {
    outcome: 'none',
  });
}
