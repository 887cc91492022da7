/**
 * The names of OpenTelemetry's semantic conventions that this package writes, in one place: those for messaging are
 * still in development and move with each release. Version 1.44; copied, because a library must not load the package
 * of the unstable names at run time. What the conventions have no name for is under `healthflows.`.
 */
export const schemaUrl = 'https://opentelemetry.io/schemas/1.44.0';

/** Span attributes. */
export const attribute = {
  httpMethod: 'http.request.method',
  /** The template, never the path that was asked for. */
  httpRoute: 'http.route',
  httpStatus: 'http.response.status_code',
  urlScheme: 'url.scheme',
  serverAddress: 'server.address',
  messagingSystem: 'messaging.system',
  messagingOperation: 'messaging.operation.name',
  messagingOperationType: 'messaging.operation.type',
  messagingDestination: 'messaging.destination.name',
  messagingRoutingKey: 'messaging.rabbitmq.destination.routing_key',
  messagingMessageId: 'messaging.message.id',
  messagingConversation: 'messaging.message.conversation_id',
  messagingBodySize: 'messaging.message.body.size',
  rpcSystem: 'rpc.system.name',
  rpcMethod: 'rpc.method',
  /** A code of ours, or an HTTP status: few values, no text. */
  errorType: 'error.type',
  correlationId: 'healthflows.correlation_id',
  failureClass: 'healthflows.failure.class',
  nodeId: 'healthflows.node.id',
  nodeName: 'healthflows.node.name',
  flowId: 'healthflows.flow.id',
  /** 1 for the first try. */
  attempt: 'healthflows.attempt',
  /** What became of a delivery: done, retry, dead-letter, released, stale. */
  disposition: 'healthflows.disposition',
  /** Counts the replays of a dead letter. */
  generation: 'healthflows.replay.generation',
  replayJob: 'healthflows.replay.job',
} as const;

/** Metrics that the conventions name. On the scrape page dots are underscores and the unit follows. */
export const metric = {
  httpServerDuration: 'http.server.request.duration',
  messagingSent: 'messaging.client.sent.messages',
  messagingConsumed: 'messaging.client.consumed.messages',
  messagingProcess: 'messaging.process.duration',
  rpcClientDuration: 'rpc.client.call.duration',
} as const;
