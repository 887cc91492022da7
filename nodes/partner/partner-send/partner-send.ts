import { type Failure, toFailure } from '../../kernel/failure.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { defineNode } from '../../node/index.ts';
import { inputOf } from '../../node/inputs.ts';
import { refuseStage, stageMark } from '../../node/stage.ts';
import { partnerEndpoint } from '../index.ts';
import { deliveryOf } from './delivery.ts';
import { partnerSendDefinition } from './partner-send.def.ts';

export default defineNode(partnerSendDefinition, ({ RED, node, config, resolve, status }) => {
  const { client, environment } = resolve(partnerEndpoint, config.endpoint);
  refuseStage(stageMark(RED, node), {
    stage: environment,
    url: client.url,
    node: 'partner-endpoint',
    code: 'PARTNER_STAGE',
  });
  const deliver = deliveryOf(config, client, {
    body: inputOf(RED, node, 'PARTNER_INPUT', 'document', config.body, config.bodyType),
    key: inputOf(RED, node, 'PARTNER_INPUT', 'idempotency key', config.key, config.keyType),
  });
  let running = 0;
  const show = () => {
    const { kind } = client.circuit.state;
    if (kind === 'open') status('down', 'partner down');
    else if (kind === 'isolated') status('paused', 'partner out of service');
    else if (kind === 'half-open') status('waiting', 'probing');
    else if (running > 0) status('working', `${running} running`);
    else status('idle', '');
  };
  const unsubscribe = client.circuit.onChange(show);
  show();

  return {
    async input(message, { send, span }) {
      running++;
      show();
      let failure: Failure | undefined;
      try {
        await deliver(message, span?.context.traceparent);
        send(message);
      } catch (error) {
        failure = toFailure(error);
        throw failure;
      } finally {
        running--;
        telemetry.count('partner_requests_total', { outcome: failure?.code ?? 'sent' });
        show();
        if (failure !== undefined && client.circuit.state.kind === 'closed') status('failed', failure.code);
      }
    },
    close: unsubscribe,
  };
});
