/**
 * What people are told: a request waits for them, still waits, was escalated; a decided message could not go on. A
 * notice carries no document. Its subject and text suit a mail node; links are in `msg.approval.people`.
 */
import type { FlowMessage } from '../kernel/message.ts';
import { signTicket } from './link.ts';
import type { ApprovalRequest } from './request.ts';

export type NoticeKind = 'requested' | 'reminder' | 'escalation' | 'review' | 'review-overdue' | 'failed';

/** `msg.approval` of a notice. */
export interface NoticeFacts {
  notice: NoticeKind;
  id: string;
  process: string;
  title: string;
  amount?: string;
  currency?: string;
  requester?: string;
  /** RFC 3339. */
  deadline: string;
  /** Who is asked, each with a link of their own where links are signed. */
  people: { person: string; link: string }[];
  /** Of the inbox. */
  inbox: string;
}

type Subject = Pick<
  ApprovalRequest,
  'id' | 'process' | 'title' | 'amount' | 'currency' | 'requester' | 'deadlineAt' | 'correlationId'
>;

const openings: Record<NoticeKind, string> = {
  requested: 'Approval wanted',
  reminder: 'Approval still wanted',
  escalation: 'Approval wanted (escalated)',
  review: 'Passed in an emergency, to be reviewed',
  'review-overdue': 'Review of an emergency is overdue',
  failed: 'An approved message could not go on',
};

export interface LinkMaker {
  /** Of the editor, without a final slash; empty: links are relative. */
  address: string;
  /** Empty: links lead to the request and carry no ticket. */
  key: string;
}

export function inboxAddress({ address }: LinkMaker): string {
  return `${address}/healthflows/console#approvals`;
}

export function noticeOf(
  kind: NoticeKind,
  request: Subject,
  people: readonly string[],
  links: LinkMaker,
): FlowMessage & { approval: NoticeFacts } {
  const inbox = inboxAddress(links);
  const amount = request.amount === null ? '' : `, ${request.amount} ${request.currency ?? ''}`.trimEnd();
  const subject = `${openings[kind]}: ${request.title}${amount}`;
  const deadline = new Date(request.deadlineAt).toISOString();
  const linkFor = (person: string): string => {
    const one = `${inbox}?request=${encodeURIComponent(request.id)}`;
    if (links.key === '') return one;
    return `${one}&ticket=${signTicket(links.key, { requestId: request.id, person, expiresAt: request.deadlineAt })}`;
  };
  return {
    topic: subject,
    payload: [
      subject,
      request.requester === null ? '' : `Requested by ${request.requester}.`,
      kind === 'requested' || kind === 'reminder' || kind === 'escalation' ? `Decide until ${deadline}.` : '',
      `Inbox: ${inbox}?request=${encodeURIComponent(request.id)}`,
    ]
      .filter((line) => line !== '')
      .join('\n'),
    approval: {
      notice: kind,
      id: request.id,
      process: request.process,
      title: request.title,
      deadline,
      people: people.map((person) => ({ person, link: linkFor(person) })),
      inbox,
      ...(request.amount === null ? {} : { amount: request.amount }),
      ...(request.currency === null ? {} : { currency: request.currency }),
      ...(request.requester === null ? {} : { requester: request.requester }),
    },
    ...(request.correlationId === null ? {} : { correlationId: request.correlationId }),
  };
}
