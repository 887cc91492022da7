import { integrationStore } from '../../idempotency/index.ts';
import { Failure, toFailure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { contributePage } from '../../console/index.ts';
import { defineNode } from '../../node/index.ts';
import { listRuns, recordRun, type RunSummary } from '../breaks.ts';
import { compareSides } from '../compare.ts';
import { reconciliationPage } from '../page.ts';
import { reconcileDefinition } from './reconcile.def.ts';
import { termsOf, windowOf } from './settings.ts';

const hour = 3_600_000;
const look = 60_000;

export default defineNode(
  reconcileDefinition,
  ({ config, id, RED, status, log, fail, resolve }) => {
    const { store } = resolve(integrationStore, config.store);
    const terms = termsOf(config);
    const scope = config.scope.trim() || id;
    let last: RunSummary | undefined;
    let told = false;

    const property = (message: FlowMessage, path: string): unknown => {
      if (path.trim() === '') return undefined;
      try {
        return RED.util.getMessageProperty(message, path.trim());
      } catch {
        // Node-RED throws where what holds the property is missing.
        return undefined;
      }
    };
    const show = (): void => {
      if (last === undefined) status('waiting', 'no run yet');
      else if (isOverdue()) status('down', `no run since ${new Date(last.at).toISOString().slice(0, 16)}Z`);
      else status(last.open > 0 ? 'degraded' : 'working', last.open > 0 ? `${last.open} open` : 'clean');
    };
    const isOverdue = () => config.every > 0 && last !== undefined && Date.now() - last.at > config.every * hour;
    const watch = (): void => {
      if (isOverdue() && !told) {
        told = true;
        fail(overdue(scope, config.every), {});
      }
      show();
    };
    const timer = setInterval(watch, look);
    timer.unref();
    store.run(listRuns, { scope, limit: 1 }).then(
      ([newest]) => {
        last ??= newest;
        watch();
      },
      (error: unknown) => log.warn('reconcile.last_run_unknown', { code: toFailure(error).code }),
    );

    return {
      async input(message, { send }) {
        const { run, asOf } = windowOf(property(message, config.run), property(message, config.asOf));
        const comparison = compareSides(
          {
            left: property(message, config.left),
            right: property(message, config.right),
            movements: property(message, config.movements),
          },
          terms,
        );
        refuseEmpty(comparison.left.rows, comparison.right.rows, terms.names, run);
        const result = await store.run(recordRun, {
          scope,
          run,
          ...(asOf === undefined ? {} : { asOf }),
          comparison,
          names: terms.names,
          node: id,
          ...(message.event?.correlationid === undefined ? {} : { correlationId: message.event.correlationid }),
        });
        last = result.summary;
        told = false;
        show();
        message.payload = {
          ...result.summary,
          repeated: result.kind === 'repeated',
          breaks: { opened: result.opened, resolved: result.resolved },
        };
        send(message, result.summary.open > 0 ? 'breaks' : 'clean');
      },
      close() {
        clearInterval(timer);
      },
    };
  },
  { install: () => contributePage(reconciliationPage) },
);

/** A side that was not read looks like one where everything is gone. */
function refuseEmpty(left: number, right: number, names: { left: string; right: string }, run: string): void {
  if ((left === 0) === (right === 0)) return;
  throw new Failure(
    'data-quality',
    'RECONCILE_SIDE_EMPTY',
    `In run ${run}, ${left === 0 ? names.left : names.right} gave no rows and the other side did. Nothing was changed. Take both sides again.`,
  );
}

function overdue(scope: string, hours: number): Failure {
  return new Failure(
    'dependency-outage',
    'RECONCILE_OVERDUE',
    `${scope} has not been compared for more than ${hours} hours. Look why its batch did not run; the next run covers what was missed.`,
  );
}
