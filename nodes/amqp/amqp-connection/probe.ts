/** What the Test button finds out: who answers, and whether this user may do what the nodes need. */
import { randomBytes } from 'node:crypto';
import type { ChannelModel } from 'amqplib';
import { Failure } from '../../kernel/failure.ts';
import { closeConnection, explain, type LinkOptions, openConnection } from '../engines/rabbitmq/connection.ts';
import { onChannel, versionOf } from '../engines/rabbitmq/topology.ts';

export interface ProbeResult {
  /** `RabbitMQ 3.13.7`. */
  server: string;
  host: string;
  vhost: string;
  user: string;
  /** Permissions that are missing, in words; empty when all is well. */
  missing: string[];
  /** What this version lacks, in words, and what is done instead. */
  notes: string[];
}

/** @throws Failure with the reason in words when no host answers */
export async function probe(link: LinkOptions, namespace: string): Promise<ProbeResult> {
  let last: Failure | undefined;
  for (const address of link.addresses) {
    let model: ChannelModel;
    try {
      model = await openConnection(address, { ...link, name: `${link.name} test` });
    } catch (error) {
      const { problem, hopeless } = explain(error, address);
      last = new Failure(hopeless ? 'configuration' : 'dependency-outage', 'AMQP_TEST', problem);
      continue;
    }
    try {
      const { product, version } = model.connection.serverProperties;
      return {
        server: `${product} ${version}`,
        host: `${address.hostname}:${address.port}`,
        vhost: address.vhost,
        user: address.username,
        missing: await missingPermissions(model, namespace),
        notes: notesOn(versionOf(model)),
      };
    } finally {
      await closeConnection(model);
    }
  }
  throw last ?? new Failure('configuration', 'AMQP_TEST', 'No broker address.');
}

/** Tries on an exclusive queue of its own, which goes away with the connection. */
async function missingPermissions(model: ChannelModel, namespace: string): Promise<string[]> {
  const queue = `${namespace}.test-${randomBytes(4).toString('hex')}`;
  const missing: string[] = [];
  const steps: [string, () => Promise<unknown>][] = [
    [
      `declare queues "${namespace}.*" (permission "configure")`,
      () =>
        onChannel(model, 'declaring', (channel) => channel.assertQueue(queue, { exclusive: true, autoDelete: true })),
    ],
    [
      'publish by the default exchange (permission "write" on "amq.default")',
      () =>
        onChannel(model, 'publishing', async (channel) => {
          channel.publish('', queue, Buffer.from('test'), { expiration: 1 });
          await channel.checkQueue(queue);
        }),
    ],
    [
      `consume from queues "${namespace}.*" (permission "read")`,
      () => onChannel(model, 'reading', (channel) => channel.get(queue, { noAck: true })),
    ],
  ];
  for (const [what, attempt] of steps) {
    try {
      await attempt();
    } catch (error) {
      if ((error as { code?: number }).code !== 403) throw error;
      missing.push(what);
      if (missing.length === 1 && what.startsWith('declare')) break;
    }
  }
  return missing;
}

function notesOn({ major, minor }: { major: number; minor: number }): string[] {
  const notes: string[] = [];
  if (major < 3 || (major === 3 && minor < 10)) {
    notes.push('Older than 3.10: quorum queues lack at-least-once dead lettering and message time limits.');
  }
  if (major < 4) {
    notes.push('Before 4.0 quorum queues have no priorities: a queue that needs them is classic.');
  }
  if (major < 4 || (major === 4 && minor < 3)) {
    notes.push('Before 4.3 the broker has no delayed retry of its own: retry queues do it.');
  }
  if (major === 4 && (minor === 1 || minor === 2)) {
    notes.push('4.1 and 4.2 leak disk space of quorum retry queues; classic ones are used for the retry steps.');
  }
  return notes;
}
