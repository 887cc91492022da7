import { defineNode, type NodeContext, onFlowsStarted } from '../../node/index.ts';
import { WebhookEndpoint } from '../endpoint.ts';
import { dispatcherOf } from '../ingress/dispatcher.ts';
import { schemeOf } from '../schemes/index.ts';
import { answerCheck } from './check-endpoint.ts';
import { type WebhookVerifierConfig, webhookVerifier } from './webhook-verifier.def.ts';
import { endpointHost, endpointOptions, warnOfRival } from './wiring.ts';

export default defineNode(
  webhookVerifier,
  (context: NodeContext<WebhookVerifierConfig>) => {
    const { config, RED } = context;
    const scheme = schemeOf(config.scheme);
    const options = endpointOptions(context, scheme);
    const endpoint = new WebhookEndpoint(options, endpointHost(context));
    const routed = config.url.trim() !== '';
    const closeRoute = routed
      ? dispatcherOf(RED).open(config.method, config.url.trim(), context.id, endpoint)
      : undefined;
    const unsubscribe = onFlowsStarted(() => {
      endpoint.flowsStarted();
      if (routed) warnOfRival(context);
    });
    return {
      input: (message) => endpoint.receive(message),
      async close() {
        closeRoute?.();
        unsubscribe();
        await endpoint.close();
      },
    };
  },
  {
    install: (RED) => void dispatcherOf(RED),
    admin: ({ post, RED }) =>
      post('check', 'healthflows.configure', (request, response) => answerCheck(RED, request, response)),
  },
);
