import { Failure } from '../../kernel/failure.ts';

/**
 * Rejects with `dependency-outage` when the promise takes longer: RabbitMQ never answers some requests at all, e.g.
 * a consume on a quorum queue without a leader.
 */
export async function withDeadline<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new Failure(
            'dependency-outage',
            'AMQP_TIMEOUT',
            `The broker did not answer within ${milliseconds / 1000} s: ${what}.`,
          ),
        ),
      milliseconds,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits while `count` still falls towards 0: at most `limit` milliseconds in all, and 1 s without progress. */
export async function whileSettling(count: () => number, limit: number): Promise<void> {
  const step = 20;
  let last = count();
  let idle = 0;
  for (let waited = 0; waited < limit && last > 0 && idle < 1_000; waited += step) {
    await new Promise((resolve) => setTimeout(resolve, step));
    const now = count();
    idle = now < last ? 0 : idle + step;
    last = now;
  }
}
