/** What a request says about itself, read from the message as the node's settings tell. */
import { toDecimal } from '../../kernel/decimal.ts';
import { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import type { NodeContext } from '../../node/index.ts';
import { personKey } from '../people.ts';
import type { ApprovalConfig, FactType } from './approval.def.ts';

export interface Facts {
  title: string;
  amount?: string;
  currency?: string;
  category?: string;
  costCentre?: string;
  requester?: string;
  reason?: string;
  emergency: boolean;
}

type Fact = 'subject' | 'amount' | 'currency' | 'category' | 'costCentre' | 'requester' | 'reason' | 'emergency';
const longest = 500;

/** @returns a reader of messages. @throws Failure `configuration` for an expression that cannot be read */
export function factReader(
  context: Pick<NodeContext<ApprovalConfig>, 'config' | 'RED' | 'node'>,
): (message: FlowMessage) => Promise<Facts> {
  const { config } = context;
  const readers = new Map<Fact, (message: FlowMessage) => unknown>();
  for (const fact of [
    'subject',
    'amount',
    'currency',
    'category',
    'costCentre',
    'requester',
    'reason',
    'emergency',
  ] as const) {
    readers.set(fact, readerOf(config[fact], config[`${fact}Type`], fact, context));
  }
  const value = async (fact: Fact, message: FlowMessage): Promise<unknown> => await readers.get(fact)!(message);
  const text = async (fact: Fact, message: FlowMessage): Promise<string | undefined> => {
    const found = await value(fact, message);
    if (found === undefined || found === null || found === '') return undefined;
    if (typeof found === 'object') throw unusable(fact, 'is no text');
    return String(found).trim().slice(0, longest);
  };
  return async (message) => {
    const [title, currency, category, costCentre, reason, emergency] = [
      (await text('subject', message)) ?? message.event?.id ?? message._msgid ?? 'without a title',
      await text('currency', message),
      await text('category', message),
      await text('costCentre', message),
      await text('reason', message),
      await value('emergency', message),
    ];
    const amount = amountOf(await value('amount', message));
    if (amount === undefined && config.amount !== '') throw unusable('amount', 'is missing');
    if (amount !== undefined && currency === undefined) throw unusable('currency', 'is missing');
    const requester = await text('requester', message);
    if (requester === undefined && config.requester !== '') {
      // Without it nobody could be kept from approving what they asked for themselves.
      throw unusable('requester', 'is missing');
    }
    return {
      title,
      emergency: emergency === true || emergency === 'true',
      ...(amount === undefined ? {} : { amount }),
      ...(currency === undefined ? {} : { currency: currency.toUpperCase() }),
      ...(category === undefined ? {} : { category }),
      ...(costCentre === undefined ? {} : { costCentre }),
      ...(requester === undefined ? {} : { requester: personKey(requester) }),
      ...(reason === undefined ? {} : { reason }),
    };
  };
}

function amountOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  try {
    return toDecimal(value);
  } catch {
    throw unusable('amount', 'is no decimal like "1500.00" (a number with a fraction has lost its exact digits)');
  }
}

function readerOf(
  value: string,
  type: FactType,
  fact: Fact,
  { RED, node }: Pick<NodeContext<ApprovalConfig>, 'RED' | 'node'>,
): (message: FlowMessage) => unknown {
  if (value === '') return () => undefined;
  if (type === 'str') return () => value;
  if (type === 'bool') return () => value === 'true';
  if (type === 'msg') {
    return (message) => {
      try {
        return RED.util.getMessageProperty(message, value);
      } catch {
        // Node-RED throws on the way through something that is not there.
        return undefined;
      }
    };
  }
  let expression: unknown;
  try {
    expression = RED.util.prepareJSONataExpression(value, node);
  } catch (cause) {
    throw new Failure('configuration', 'APPROVAL_EXPRESSION', `The expression for the ${fact} cannot be read.`, {
      cause,
    });
  }
  return (message) =>
    new Promise((resolve, reject) =>
      RED.util.evaluateJSONataExpression(expression, message, (error, result) => {
        if (error) reject(unusable(fact, 'could not be computed by its expression'));
        else resolve(result);
      }),
    );
}

function unusable(fact: string, problem: string): Failure {
  return new Failure(
    'data-quality',
    'APPROVAL_FACT',
    `The ${fact} of the request for approval ${problem}. Correct the document, or where the approval node looks for it.`,
  );
}
