/**
 * Lines that an earlier version of a document made and this one no longer has. `load()` updates and adds lines and
 * never removes any, so that a supplier's revised order of two lines would stay one of three.
 */
import { Failure } from '../../kernel/failure.ts';
import type { CallerContext, OdooClient } from './client.ts';
import type { LoadDocument } from './load-rows.ts';
import { unlink } from './write.ts';

/**
 * Deletes lines that this document made before and leaves out now: those whose external id begins with the document's
 * own and an underscore (`hf_orders.po_1` made `hf_orders.po_1_3`). Lines that a person added in Odoo have no such id
 * and stay, and so do those of fields that the document does not mention.
 *
 * @returns the number of lines deleted; 0 when it is repeated
 * @throws Failure `data-quality` (`ODOO_LINE_KEPT`) when Odoo keeps one, e.g. because the order is confirmed
 */
export async function removeLeftOut(
  client: OdooClient,
  id: number,
  { externalId, record }: LoadDocument,
  caller: CallerContext,
): Promise<number> {
  let removed = 0;
  for (const { field, path, value } of record.values) {
    if (value.kind !== 'records' || field.type !== 'one2many') continue;
    const sent = new Set(
      value.commands.flatMap((command) => (command.kind === 'create' ? [command.externalId ?? ''] : [])),
    );
    const [row] = (await client.call(
      { model: record.fields.model, method: 'read', ids: [id], args: { fields: [field.name] } },
      { effect: 'read', ...caller },
    )) as Record<string, number[]>[];
    const lines = row?.[field.name] ?? [];
    if (lines.length === 0) continue;
    const names = (await client.call(
      { model: field.relation!, method: 'get_external_id', ids: lines },
      { effect: 'read', ...caller },
    )) as Record<string, string>;
    const gone = lines.filter((line) => {
      const name = names[String(line)] ?? '';
      return name.startsWith(`${externalId}_`) && !sent.has(name);
    });
    if (gone.length === 0) continue;
    try {
      removed += (await unlink(client, field.relation!, gone, caller)).deleted.length;
    } catch (error) {
      if (!(error instanceof Failure) || error.class !== 'data-quality') throw error;
      throw new Failure(
        'data-quality',
        'ODOO_LINE_KEPT',
        `${record.fields.model} ${externalId} was written, but Odoo keeps ${gone.length} of its ${path} that the document no longer has. Remove them in Odoo, or reset the record to draft and replay the document.`,
        {
          detail: { model: record.fields.model, id, field: path, externalIds: gone.map((line) => names[String(line)]) },
          cause: error,
        },
      );
    }
  }
  return removed;
}
