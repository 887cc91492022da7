/** The page of the sandbox supplier: the orders it has and the documents it sent. Read-only, refreshes itself. */
import { htmlPage, table } from '../html.ts';
import type { BillAnswer, PlacedOrder, SentDocument } from './supplier.ts';

interface Shown {
  order: PlacedOrder;
  revision: number;
  answered: number;
  despatched: number;
  billed: number;
}

const columns = (...headings: string[]) => headings.map((heading) => ({ heading }));

export function supplierPage(
  orders: readonly Shown[],
  documents: readonly SentDocument[],
  answers: readonly BillAnswer[],
): string {
  const received = [...orders]
    .reverse()
    .map(({ order, revision, answered, despatched, billed }) => [
      order.number,
      revision === 0 ? 'as first placed' : `changed ${revision} ×`,
      order.lines
        .map(
          ({ quantity, description, unitPrice }) =>
            `${quantity.value} × ${description ?? ''}${unitPrice === undefined ? '' : ` at ${unitPrice.amount} ${unitPrice.currency}`}`,
        )
        .join(', '),
      `${answered} answers, ${despatched} despatches, ${billed} bills`,
    ]);
  const sent = [...documents]
    .reverse()
    .map(({ id, act, order, path, reply }) => [
      id,
      act,
      order,
      path,
      reply === undefined ? 'not sent' : reply.status === 0 ? 'no answer' : reply.status,
    ]);
  const heard = [...answers]
    .reverse()
    .map(({ invoice, code, reason, words, action }) => [invoice, code, reason ?? '', words ?? '', action ?? '']);
  return htmlPage(
    'Sandbox supplier (stand-in)',
    `Takes orders as UBL at <code>/supplier/orders</code> and answers them with signed webhooks; at
<code>/supplier/invoice-responses</code> it hears what becomes of its bills. This page is
read-only and refreshes every 3 seconds; <code>POST /supplier/act</code> makes the supplier do something.`,
    `${table('Orders', columns('Number', 'Revision', 'Lines', 'Done so far'), received, received.length)}
${table('Documents sent', columns('Message', 'Step', 'Order', 'To', 'Answer'), sent, sent.length)}
${table('Told about bills', columns('Bill', 'Status', 'Reason', 'In words', 'Action'), heard, heard.length)}`,
  );
}
