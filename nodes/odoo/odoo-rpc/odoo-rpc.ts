import { Failure, toFailure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { defineNode } from '../../node/index.ts';
import { inputOf } from '../../node/inputs.ts';
import { serverOf } from '../stage.ts';
import { watchNames } from './name-watch.ts';
import { odooRpcDefinition } from './odoo-rpc.def.ts';
import { operations } from './operations.ts';
import { pagedRead } from './pages.ts';
import { staticNames } from './static-names.ts';

export default defineNode(odooRpcDefinition, (nodeContext) => {
  const { config, RED, node, status, log } = nodeContext;
  const { client } = serverOf(nodeContext);
  const operation = operations[config.operation];
  if (operation === undefined || (config.model.trim() === '' && config.operation !== 'action')) {
    throw new Failure('configuration', 'ODOO_RPC_INCOMPLETE', 'This odoo-rpc has no operation or no model chosen.');
  }
  const values = inputOf(RED, node, 'ODOO_INPUT', 'values', config.values, config.valuesType);
  const ids = inputOf(RED, node, 'ODOO_INPUT', 'ids', config.ids, config.idsType);
  const domain = inputOf(RED, node, 'ODOO_INPUT', 'domain', config.domain, config.domainType);
  const fileName = inputOf(RED, node, 'ODOO_INPUT', 'file name', config.fileName, config.fileNameType);
  const replaces = config.output === 'result' || (config.output === 'auto' && operation.reads);
  const pages =
    config.operation === 'search-read' && config.paging === 'pages'
      ? pagedRead(node.id, config, client, () => RED.util.generateId())
      : undefined;
  let running = 0;

  const show = () => {
    const { kind } = client.breaker;
    if (kind === 'open') status('down', 'Odoo down');
    else if (kind === 'isolated') status('paused', 'Odoo out of service');
    else if (kind === 'half-open') status('waiting', 'probing Odoo');
    else if (running > 0) status('working', `${running} running`);
    else if (names.findings.length > 0) status('degraded', `${names.findings.length} to fix: see log`);
    else status('idle', '');
  };
  const unsubscribe = client.onBreaker(show);
  const names = watchNames(client, staticNames(config), log, show);

  return {
    async input(message: FlowMessage, context) {
      running++;
      show();
      let failure: Failure | undefined;
      const caller = { traceparent: context.span?.context.traceparent ?? message.event?.traceparent };
      try {
        if (pages !== undefined) {
          context.send(message, await pages.next(message, () => domain(message), caller));
          return;
        }
        const report = await operation.run({
          client,
          config,
          caller,
          values: () => values(message),
          ids: () => ids(message),
          domain: () => domain(message),
          fileName: () => fileName(message),
        });
        message.odoo = report.odoo;
        if (report.failure !== undefined) throw report.failure;
        if (replaces) message.payload = report.result;
        context.send(message);
      } catch (error) {
        failure = toFailure(error);
        throw error;
      } finally {
        running--;
        show();
        if (failure !== undefined && client.breaker.kind === 'closed') status('failed', failure.code);
      }
    },
    close() {
      unsubscribe();
      names.stop();
    },
  };
});
