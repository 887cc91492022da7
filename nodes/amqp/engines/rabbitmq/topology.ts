/**
 * Declaring exchanges and queues. Everything runs on a throw-away channel, because a refused declare closes the
 * channel it ran on, and with a deadline, because a quorum queue without a leader never answers.
 */
import type { Channel, ChannelModel, Options } from 'amqplib';
import { Failure } from '../../../kernel/failure.ts';
import { words } from '../../retry-policy.ts';
import type { QueueTopology } from '../engine.ts';
import { withDeadline } from '../waiting.ts';

export const setupDeadline = 20_000;
export const defaultDeliveryLimit = 20;

type QueueArguments = Record<string, string | number | boolean>;

export function deadQueueOf(queue: string): string {
  return `${queue}.dead`;
}

export function retryQueueOf(queue: string, step: number): string {
  return `${queue}.retry.${words(step)}`;
}

/** The step a copy waits in: the shortest that is at least `delay`, else the longest. */
export function stepFor(steps: readonly number[], delay: number): number {
  return steps.find((step) => step >= delay) ?? steps.at(-1) ?? 0;
}

export interface BrokerVersion {
  major: number;
  minor: number;
}

export function versionOf(model: ChannelModel): BrokerVersion {
  const [major = 0, minor = 0] = String(model.connection.serverProperties.version).split('.').map(Number);
  return { major, minor };
}

export function workQueueArguments(queue: QueueTopology): QueueArguments {
  const named: QueueArguments = {
    'x-queue-type': queue.type,
    ...(queue.retrySteps === undefined
      ? {}
      : { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': deadQueueOf(queue.name) }),
    ...(queue.maxLength === undefined ? {} : { 'x-max-length': queue.maxLength, 'x-overflow': 'reject-publish' }),
    ...(queue.singleActiveConsumer === true ? { 'x-single-active-consumer': true } : {}),
  };
  if (queue.type === 'classic') {
    return { ...named, ...(queue.maxPriority === undefined ? {} : { 'x-max-priority': queue.maxPriority }) };
  }
  return {
    ...named,
    'x-delivery-limit': queue.deliveryLimit ?? defaultDeliveryLimit,
    // At-least-once dead lettering: with the default strategy a letter vanishes when its queue is missing.
    ...(queue.retrySteps === undefined
      ? {}
      : { 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' }),
  };
}

export function retryQueueArguments(queue: string, step: number, type: QueueTopology['type']): QueueArguments {
  return {
    'x-queue-type': type,
    'x-message-ttl': step,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': queue,
    ...(type === 'quorum' ? { 'x-dead-letter-strategy': 'at-least-once', 'x-overflow': 'reject-publish' } : {}),
  };
}

/** Looking at a quorum queue counts as a delivery and, at its limit, deletes the letters; so no limit there. */
export function deadQueueArguments({ major }: BrokerVersion): QueueArguments {
  return major >= 4 ? { 'x-queue-type': 'quorum', 'x-delivery-limit': -1 } : { 'x-queue-type': 'classic' };
}

/**
 * RabbitMQ 4.1 and 4.2 do not free the segments of quorum queues with a time limit (rabbitmq-server#14522). But what
 * comes back from a classic retry queue to a classic queue that is full, the broker drops; a quorum one keeps it until
 * there is room, and that is worth the space.
 */
function retryQueueType({ type, maxLength }: QueueTopology, { major, minor }: BrokerVersion): QueueTopology['type'] {
  if (type === 'classic') return maxLength === undefined ? 'classic' : 'quorum';
  return major === 4 && (minor === 1 || minor === 2) ? 'classic' : 'quorum';
}

/** Durable topic exchange. The name '' and `amq.*` exist on every broker. */
export async function declareExchange(model: ChannelModel, name: string): Promise<void> {
  if (name === '' || name.startsWith('amq.')) return;
  try {
    await onChannel(model, `declaring exchange "${name}"`, (channel) =>
      channel.assertExchange(name, 'topic', { durable: true }),
    );
  } catch (error) {
    throw translated(error, `exchange "${name}"`, 'a durable topic exchange');
  }
}

export async function declareQueue(model: ChannelModel, queue: QueueTopology): Promise<void> {
  const version = versionOf(model);
  if (queue.name.endsWith('.dead')) {
    await declareAuxiliary(model, queue.name, deadQueueArguments(version));
  } else {
    if (queue.retrySteps !== undefined) {
      await declareAuxiliary(model, deadQueueOf(queue.name), deadQueueArguments(version));
    }
    await assertQueue(model, queue.name, workQueueArguments(queue));
    for (const step of queue.retrySteps ?? []) {
      const type = retryQueueType(queue, version);
      await declareAuxiliary(model, retryQueueOf(queue.name, step), retryQueueArguments(queue.name, step, type));
    }
  }
  for (const { exchange, routingKey } of queue.bindings) {
    if (exchange === '') continue;
    try {
      await onChannel(model, `binding queue "${queue.name}"`, (channel) =>
        channel.bindQueue(queue.name, exchange, routingKey),
      );
    } catch (error) {
      throw translated(error, `binding of queue "${queue.name}" to exchange "${exchange}"`, routingKey);
    }
  }
}

/** How a queue may differ from what a newer or older broker version would get, without changing what it is for. */
const harmless = new Set(['x-queue-type', 'x-dead-letter-strategy', 'x-overflow', 'x-delivery-limit']);

async function declareAuxiliary(model: ChannelModel, name: string, args: QueueArguments): Promise<void> {
  try {
    await assertQueue(model, name, args);
  } catch (error) {
    const differing = error instanceof Failure ? (error.detail as { differences?: Difference[] })?.differences : [];
    if (!differing?.length || !differing.every(({ argument }) => harmless.has(argument))) throw error;
  }
}

async function assertQueue(model: ChannelModel, name: string, args: QueueArguments): Promise<void> {
  const options: Options.AssertQueue = { durable: true, arguments: args };
  try {
    await onChannel(model, `declaring queue "${name}"`, (channel) => channel.assertQueue(name, options));
  } catch (error) {
    if ((error as { code?: number }).code !== 406) throw translated(error, `queue "${name}"`, inWords(args));
    throw await mismatch(model, name, args, error as Error);
  }
}

interface Difference {
  argument: string;
  wanted: string;
  existing: string;
}

const inequivalent = /inequivalent arg '([^']+)' for queue .*: received (?:.+) but current is (.+?)"?$/;

/** `none`, `'20'` or `the value '20' of type 'byte'`; an argument goes back with the type it came with. */
function argumentValue(text: string): string | number | undefined {
  const match = /'(.*?)'(?: of type '(\w+)')?$/.exec(text);
  if (match === null) return undefined;
  const value = match[1]!;
  return match[2] !== 'longstr' && /^-?\d+$/.test(value) ? Number(value) : value;
}

/**
 * RabbitMQ names one differing argument at a time. Taking over its value and asking again finds them all; the queue
 * exists, so that no declare here creates or changes anything.
 */
async function mismatch(model: ChannelModel, name: string, wanted: QueueArguments, first: Error): Promise<Failure> {
  const probe: QueueArguments = { ...wanted };
  const differences: Difference[] = [];
  let error: Error | undefined = first;
  let durable = true;
  for (let round = 0; round < 12 && error !== undefined; round++) {
    const match = inequivalent.exec(error.message);
    if (match === null) break;
    const argument = match[1]!;
    const existing = argumentValue(match[2]!);
    if (differences.some((known) => known.argument === argument)) break;
    differences.push({
      argument,
      wanted: argument === 'durable' ? 'true' : String(wanted[argument] ?? 'none'),
      existing: String(existing ?? 'none'),
    });
    if (argument === 'durable') durable = existing === 'true';
    else if (existing === undefined) delete probe[argument];
    else probe[argument] = existing;
    error = await onChannel(model, `comparing queue "${name}"`, async (channel) => {
      await channel.checkQueue(name);
      await channel.assertQueue(name, { durable, arguments: probe });
    }).then(
      () => undefined,
      (next: Error & { code?: number }) => (next.code === 406 ? next : undefined),
    );
  }
  const compared = differences.map(
    ({ argument, wanted: ours, existing }) => `${argument} is ${existing}, this flow wants ${ours}`,
  );
  return new Failure(
    'configuration',
    'AMQP_QUEUE_DIFFERS',
    `The queue "${name}" exists with other arguments: ${compared.join('; ') || first.message}. Wanted in all: ${inWords(wanted)}. Nothing was changed. Choose the existing settings in the node, or another queue name, or empty and delete the queue.`,
    { detail: { queue: name, differences }, cause: first },
  );
}

function inWords(args: QueueArguments): string {
  return Object.entries(args)
    .map(([name, value]) => `${name} ${value === '' ? '""' : value}`)
    .join(', ');
}

function translated(error: unknown, what: string, wanted: string): Failure {
  if (error instanceof Failure) return error;
  const { code, message } = error as { code?: number; message: string };
  if (code === 403) {
    return new Failure(
      'configuration',
      'AMQP_ACCESS_REFUSED',
      `The broker refuses to declare the ${what}: the user lacks the "configure", "write" or "read" permission for it. Broker: ${message}`,
      { cause: error },
    );
  }
  if (code === 406) {
    return new Failure(
      'configuration',
      'AMQP_DIFFERS',
      `The ${what} exists and is not ${wanted}. Nothing was changed. Broker: ${message}`,
      { cause: error },
    );
  }
  if (code === 404) {
    return new Failure('configuration', 'AMQP_NOT_FOUND', `The ${what} failed: ${message}`, { cause: error });
  }
  return new Failure('dependency-outage', 'AMQP_SETUP', `The ${what} could not be declared now: ${message}`, {
    cause: error,
  });
}

/** Runs `work` on a channel of its own; a channel that the broker closed throws its error. */
export async function onChannel<T>(
  model: ChannelModel,
  what: string,
  work: (channel: Channel) => Promise<T>,
  deadline: number = setupDeadline,
): Promise<T> {
  const channel = await withDeadline(model.createChannel(), deadline, what);
  let broken: Error | undefined;
  channel.on('error', (error: Error) => {
    broken = error;
  });
  channel.on('close', () => {
    broken ??= new Error('channel closed');
  });
  try {
    return await withDeadline(work(channel), deadline, what);
  } finally {
    if (broken === undefined) void channel.close().catch(() => undefined);
  }
}
