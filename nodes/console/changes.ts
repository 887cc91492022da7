/** What has changed in the last hour: acts of people from the audit trail, deploys, and systems that came and went. */
import { type Dependency, onDependencies, unavailable, dependency } from '../kernel/resilience/dependencies.ts';
import { defineOperation, query, type Row, type Statement } from '../kernel/store/operation.ts';
import { onFlowsStarted, type RuntimeApi } from '../node/index.ts';

export interface Change {
  /** Milliseconds since the epoch. */
  at: number;
  kind: 'act' | 'deploy' | 'down' | 'back';
  what: string;
  who?: string;
  on?: string;
  reason?: string;
}

/** What messages do by themselves: as many entries as there are messages. */
const ofMessages = new Set([
  'message.accepted',
  'message.rejected',
  'message.settled',
  'message.duplicate',
  'message.mismatch',
  'sequence.late',
  'sequence.gap',
  'approval.requested',
  'approval.escalated',
  'approval.resumed',
]);

/** Acts since an instant, newest first, without what messages do by themselves. */
export const recentActs = defineOperation(
  import.meta.url,
  'recentActs',
  function* ({ since, limit }: { since: number; limit: number }): Generator<Statement, Change[], Row[]> {
    // From one action to the next in its index: the messages' own entries are millions and not read.
    const actions = yield* query<{ action: string }>(
      `WITH RECURSIVE a (action, n) AS (
         SELECT (SELECT MIN(action) FROM audit_trail), 1
         UNION ALL
         SELECT (SELECT MIN(t.action) FROM audit_trail AS t WHERE t.action > a.action), n + 1
         FROM a WHERE a.action IS NOT NULL AND n < 100
       ) SELECT action FROM a WHERE action IS NOT NULL`,
    );
    const changes: Change[] = [];
    for (const { action } of actions) {
      if (ofMessages.has(action)) continue;
      const rows = yield* query(
        'SELECT at, action, actor, subject, reason FROM audit_trail WHERE action = $1 ORDER BY seq DESC LIMIT $2',
        action,
        limit,
      );
      for (const row of rows) {
        if (Number(row.at) < since) break;
        changes.push({
          at: Number(row.at),
          kind: 'act',
          what: action,
          who: row.actor as string,
          ...(row.subject === null ? {} : { on: row.subject as string }),
          ...(row.reason === null ? {} : { reason: row.reason as string }),
        });
      }
    }
    return changes.sort((a, b) => b.at - a.at).slice(0, limit);
  },
  { readOnly: true },
);

const kept = 50;

/** Keeps what this process has seen itself, in memory. */
export class ChangeLog {
  #changes: Change[] = [];
  #down = new Map<string, string>();

  constructor(RED: RuntimeApi) {
    onFlowsStarted(() => this.#add({ at: Date.now(), kind: 'deploy', what: 'flows started' }));
    onDependencies(() => this.#look(RED));
  }

  since(instant: number): Change[] {
    return this.#changes.filter(({ at }) => at >= instant);
  }

  #look(RED: RuntimeApi): void {
    const ids: string[] = [];
    RED.nodes.eachNode(({ id }) => ids.push(id));
    // What a person took out of service is told as their act.
    const lost = unavailable(ids).filter((one: Dependency) => !one.isolated);
    const down = new Map(lost.map(({ id, name }) => [id, name]));
    for (const [id, name] of down) {
      if (!this.#down.has(id)) this.#add({ at: Date.now(), kind: 'down', what: `${name} cannot be reached` });
    }
    for (const [id, name] of this.#down) {
      // Gone with its flow is not back.
      if (!down.has(id) && dependency(id)?.availability.kind === 'available')
        this.#add({ at: Date.now(), kind: 'back', what: `${name} is back` });
    }
    this.#down = down;
  }

  #add(change: Change): void {
    this.#changes = [change, ...this.#changes].slice(0, kept);
  }
}
