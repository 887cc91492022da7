import { defineNode, type NodeContext, onFlowsStarted } from '../../node/index.ts';
import { WebhookEndpoint } from '../endpoint.ts';
import { dispatcherOf } from '../ingress/dispatcher.ts';
import { schemeOf } from '../schemes/index.ts';
import { answerCheck } from './check-endpoint.ts';
import { type WebhookVerifierConfig, webhookVerifier } from './webhook-verifier.def.ts';
import { configuredKeys, endpointHost, endpointOptions, healthOf, warnOfRival, watchEndingKeys } from './wiring.ts';

export default defineNode(
  webhookVerifier,
  (context: NodeContext<WebhookVerifierConfig>) => {
    const { config, RED } = context;
    const scheme = schemeOf(config.scheme);
    const keys = configuredKeys(context);
    const health = healthOf(context);
    const options = endpointOptions(context, scheme, keys, health);
    const endpoint = new WebhookEndpoint(options, endpointHost(context, health));
    const routed = config.url.trim() !== '';
    const closeRoute = routed
      ? dispatcherOf(RED).open(config.method, config.url.trim(), context.id, endpoint)
      : undefined;
    const unsubscribe = onFlowsStarted(() => {
      endpoint.flowsStarted();
      if (routed) warnOfRival(context, health);
    });
    const unwatch = watchEndingKeys(context, health, keys);
    return {
      input: (message) => endpoint.receive(message),
      async close() {
        closeRoute?.();
        unsubscribe();
        unwatch();
        health.close();
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
