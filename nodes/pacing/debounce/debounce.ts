import { integrationStore } from '../../idempotency/index.ts';
import { Failure, toFailure } from '../../kernel/failure.ts';
import { defineNode } from '../../node/index.ts';
import { eventIdOf, keyReader } from '../key.ts';
import { propertyReader } from '../property.ts';
import { forgetWindows, knock } from '../window.ts';
import { debounceDefinition } from './debounce.def.ts';

/** A key that nothing came for is forgotten after this many windows, and at least a day. */
const day = 86_400_000;

export default defineNode(debounceDefinition, ({ config, id, RED, status, log, resolve }) => {
  const { store } = resolve(integrationStore, config.store);
  const key = keyReader(config.keyFields, propertyReader(RED));
  const window = seconds(config.window);
  const longest = Math.max(window, seconds(config.longest));
  const scope = config.scope.trim() || id;
  const tally = { passed: 0, merged: 0 };
  store.run(forgetWindows, { age: Math.max(day, 10 * longest), limit: 10_000 }).catch((error: unknown) => {
    log.warn('debounce.forget_failed', { code: toFailure(error).code });
  });
  return {
    async input(message, { send }) {
      delete message.debounce;
      delete message.failure;
      const of = { scope, key: key(message) };
      const verdict = await store.run(knock, { ...of, event: eventIdOf(message), mode: config.mode, window, longest });
      switch (verdict.kind) {
        case 'pass':
          message.debounce = { ...of, merged: verdict.merged, since: new Date(verdict.since).toISOString() };
          tally.passed++;
          break;
        case 'merged':
          message.debounce = { ...of, into: 'newer' };
          tally.merged++;
          break;
        case 'wait':
          message.failure = new Failure(
            'saturation',
            'DEBOUNCE_WAITING',
            'The message waits in its queue for the end of the window of its key.',
            { retryAfter: verdict.retryAfter },
          ).toRecord({ at: new Date().toISOString(), attempt: message.delivery?.attempt ?? 1 });
      }
      status('working', `${tally.passed} on · ${tally.merged} merged`);
      send(message, verdict.kind === 'pass' ? 'go on' : verdict.kind);
    },
  };
});

function seconds(value: number): number {
  if (value >= 1 && value <= 86_400) return value * 1_000;
  throw new Failure('configuration', 'DEBOUNCE_WINDOW', 'The times of a debounce are between 1 second and 1 day.');
}
