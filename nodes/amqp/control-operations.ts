/** What people have ordered of the messaging, kept until they take it back: store operations. */
import { defineOperation, query, type Row } from '../kernel/store/operation.ts';

/** Whose order it is and why. */
export interface Order {
  actor: string;
  reason: string;
  /** Milliseconds since the epoch. */
  since: number;
}

export interface Controls {
  /** Nothing is taken from any queue of any connection with this store. */
  stop?: Order;
  pauses: (Order & { connection: string; queue: string })[];
}

/** `stop` concerns everything that uses the store, `pause` one queue of one connection. */
export type ControlTarget = { kind: 'stop' } | { kind: 'pause'; connection: string; queue: string };

export interface ControlChange {
  target: ControlTarget;
  /** False takes the order back. */
  on: boolean;
  actor: string;
  reason: string;
}

/** Whoever orders again what holds already changes nothing: the first order and its reason stay. */
export const setControl = defineOperation(
  import.meta.url,
  'setControl',
  function* ({ target, on, actor, reason }: ControlChange, { now }) {
    const [connection, queue] = target.kind === 'stop' ? ['', ''] : [target.connection, target.queue];
    if (!on) {
      yield* query(
        'DELETE FROM messaging_controls WHERE kind = $1 AND connection = $2 AND queue = $3',
        target.kind,
        connection,
        queue,
      );
      return;
    }
    yield* query(
      `INSERT INTO messaging_controls (kind, connection, queue, actor, reason, since) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (kind, connection, queue) DO NOTHING`,
      target.kind,
      connection,
      queue,
      actor,
      reason,
      now,
    );
  },
);

interface ControlRow extends Row {
  kind: string;
  connection: string;
  queue: string;
  actor: string;
  reason: string;
  since: number;
}

export const readControls = defineOperation(
  import.meta.url,
  'readControls',
  function* (_: undefined) {
    const rows = yield* query<ControlRow>(
      'SELECT kind, connection, queue, actor, reason, since FROM messaging_controls ORDER BY kind, connection, queue',
    );
    const controls: Controls = { pauses: [] };
    for (const { kind, connection, queue, actor, reason, since } of rows) {
      const order: Order = { actor, reason, since: Number(since) };
      if (kind === 'stop') controls.stop = order;
      else controls.pauses.push({ connection, queue, ...order });
    }
    return controls;
  },
  { readOnly: true },
);
