/** The metrics this package reports, in one table. Labels are closed sets or capped; never ids or document values. */
import { failureClasses } from '../failure.ts';
import { durationBuckets, type MetricDefinition } from './metrics.ts';
import { metric } from './semconv.ts';

const classes = { class: [...failureClasses] };

/** Seconds; from accepting a message to its end, retries included. */
const transactionBuckets = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600] as const;
/** Advice of the HTTP conventions. */
const httpBuckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;

export const catalogue: Record<string, MetricDefinition> = {
  stage_messages_total: {
    kind: 'counter',
    help: 'Messages a kind of node has handled.',
    labels: ['stage', 'outcome'],
    values: { outcome: ['ok', 'failed'] },
  },
  stage_duration_seconds: {
    kind: 'histogram',
    help: 'Time from a message reaching a node to the node being done with it.',
    labels: ['stage'],
    buckets: durationBuckets,
  },
  failures_total: {
    kind: 'counter',
    help: 'Failures by the kind of node and by class.',
    labels: ['stage', 'class'],
    values: classes,
  },
  webhook_requests_total: {
    kind: 'counter',
    help: 'Requests to webhook routes: verified, or the code of the problem they were answered with.',
    labels: ['outcome'],
  },
  audit_entries_dropped_total: {
    kind: 'counter',
    help: 'Audit entries of confirmed messages that were given up, because no transaction takes them.',
    labels: [],
  },
  webhook_rejections_unaudited_total: {
    kind: 'counter',
    help: 'Rejected webhook requests that the audit trail could not take.',
    labels: [],
  },
  webhook_key_set_fetches_total: {
    kind: 'counter',
    help: 'Fetches of published key sets (JWKS), by outcome.',
    labels: ['outcome'],
  },
  webhook_key_warnings_total: {
    kind: 'counter',
    help: 'Warnings of webhook keys that end, by the time that was left.',
    labels: ['left'],
  },
  transactions_total: {
    kind: 'counter',
    help: 'Messages that reached their end, by how they ended.',
    labels: ['flow', 'outcome'],
    values: { outcome: ['succeeded', 'retried', 'dead_lettered', 'rejected'] },
  },
  transaction_duration_seconds: {
    kind: 'histogram',
    help: 'Time from a message being published to its end, waits and retries included.',
    labels: ['flow', 'outcome'],
    values: { outcome: ['succeeded', 'dead_lettered'] },
    buckets: transactionBuckets,
  },
  idempotency_verdicts_total: {
    kind: 'counter',
    help: 'Messages at an idempotency gate, by what their key said.',
    labels: ['verdict'],
    values: { verdict: ['new', 'taken-over', 'duplicate', 'in-progress', 'mismatch'] },
  },
  business_exceptions_total: {
    kind: 'counter',
    help: 'Exceptions of the business that flows have reported, by code.',
    labels: ['code'],
    cap: 40,
  },
  http_server_request_duration_seconds: {
    kind: 'histogram',
    semconv: metric.httpServerDuration,
    help: 'Time from a webhook request to the end of its reply.',
    labels: ['http_request_method', 'http_route', 'http_response_status_code'],
    buckets: httpBuckets,
  },
  messaging_client_sent_messages_total: {
    kind: 'counter',
    semconv: metric.messagingSent,
    help: 'Messages accepted for sending.',
    labels: ['messaging_destination_name'],
  },
  messaging_client_consumed_messages_total: {
    kind: 'counter',
    semconv: metric.messagingConsumed,
    help: 'Deliveries taken from a queue.',
    labels: ['messaging_destination_name'],
  },
  messaging_process_duration_seconds: {
    kind: 'histogram',
    semconv: metric.messagingProcess,
    help: 'Time from a delivery reaching the flow to its settling.',
    labels: ['messaging_destination_name', 'disposition'],
    values: { disposition: ['done', 'retry', 'dead-letter', 'released'] },
    buckets: durationBuckets,
  },
  rpc_client_call_duration_seconds: {
    kind: 'histogram',
    semconv: metric.rpcClientDuration,
    help: 'Time of one try of a call to Odoo.',
    labels: ['rpc_method'],
    buckets: durationBuckets,
  },
  odoo_calls_total: {
    kind: 'counter',
    help: 'Tries of calls to Odoo by model, method and class of the failure.',
    labels: ['model', 'method', 'class'],
    values: { class: ['none', ...failureClasses] },
  },
  breaker_state: {
    kind: 'gauge',
    help: 'State of a circuit breaker: 0 closed, 1 half-open, 2 open, 3 taken out of service by a person.',
    labels: ['dependency'],
  },
  breaker_transitions_total: {
    kind: 'counter',
    help: 'Changes of a circuit breaker, by the state it came to.',
    labels: ['dependency', 'state'],
    values: { state: ['closed', 'half-open', 'open', 'isolated'] },
  },
  mapper_rejected_total: {
    kind: 'counter',
    help: 'Documents that a mapper refused, by code.',
    labels: ['code'],
  },
  deliveries_settled_total: {
    kind: 'counter',
    help: 'Deliveries given back to the broker, by how and whether they were still open.',
    labels: ['disposition', 'result'],
  },
  retries_total: {
    kind: 'counter',
    help: 'Messages given back for another try, by class of the failure.',
    labels: ['class'],
    values: classes,
  },
  settle_anomalies_total: {
    kind: 'counter',
    help: 'Settles that found nothing left to settle or could not reach the store or the broker.',
    labels: ['kind'],
    values: { kind: ['already-settled', 'stale', 'lease-lost', 'unreachable'] },
  },
  settle_records_dropped_total: {
    kind: 'counter',
    help: 'Ends of messages that were to be recorded later and never were, by why they were given up.',
    labels: ['reason'],
    values: { reason: ['full', 'expired', 'refused'] },
  },
  dead_letters_total: {
    kind: 'counter',
    help: 'Letters taken from dead letter queues.',
    labels: ['queue', 'class'],
    values: classes,
  },
  dead_letters_open: { kind: 'gauge', help: 'Letters that wait for a person.', labels: ['queue'] },
  queue_depth: { kind: 'gauge', help: 'Messages waiting in a queue.', labels: ['queue'] },
  queue_oldest_seconds: { kind: 'gauge', help: 'Age of the oldest message waiting in a queue.', labels: ['queue'] },
  inflight: { kind: 'gauge', help: 'Messages taken from a queue and not settled yet.', labels: ['queue'] },
  connection_up: {
    kind: 'gauge',
    help: '1 while the broker of a connection can be reached, also when it refuses more for now.',
    labels: ['connection'],
  },
  outbox_unpublished: { kind: 'gauge', help: 'Messages accepted and not yet at the broker.', labels: ['connection'] },
  outbox_oldest_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest message that is accepted and not yet at the broker.',
    labels: ['connection'],
  },
  webhook_key_days: {
    kind: 'gauge',
    help: 'Days until the next key of a webhook ends; only keys that have an end.',
    labels: ['endpoint'],
  },
  retry_budget_available: {
    kind: 'gauge',
    help: 'Retries that the budget of a connection still has; below 0 its consumers wait.',
    labels: ['connection'],
  },
  retry_budget_spent_total: {
    kind: 'counter',
    help: 'Times that the retry budget of a connection was used up.',
    labels: ['connection'],
  },
  messaging_stopped: {
    kind: 'gauge',
    help: '1 while a person has stopped all consumers of a connection.',
    labels: ['connection'],
  },
  odoo_key_days: { kind: 'gauge', help: 'Days until the first API key of a server ends.', labels: ['server'] },
  documents_matched_total: {
    kind: 'counter',
    help: 'Documents compared with what they answer, by the verdict.',
    labels: ['mode', 'outcome'],
    values: {
      mode: ['response', 'despatch', 'receipt', 'bill', 'agreement'],
      outcome: ['matched', 'within-tolerance', 'hold', 'rejected'],
    },
  },
  partner_requests_total: {
    kind: 'counter',
    help: 'Documents sent to partners: sent, or the code of the failure.',
    labels: ['outcome'],
  },
  approvals_total: {
    kind: 'counter',
    help: 'Messages that an approval node took over, and those that came again.',
    labels: ['process', 'outcome'],
    values: { outcome: ['requested', 'repeated'] },
  },
  approvals_open: { kind: 'gauge', help: 'Requests that wait for a decision.', labels: ['process'] },
  approvals_failed: { kind: 'gauge', help: 'Decided messages that could not go on.', labels: ['process'] },
  approvals_review: { kind: 'gauge', help: 'Emergencies that wait for their review.', labels: ['process'] },
  approvals_oldest_seconds: { kind: 'gauge', help: 'Age of the oldest open request.', labels: ['process'] },
  store_up: { kind: 'gauge', help: '0 while a store cannot be reached.', labels: ['store'] },
  store_pending: { kind: 'gauge', help: 'Store operations that wait for a transaction.', labels: ['store'] },
  store_size_bytes: { kind: 'gauge', help: 'Size of the store on disk.', labels: ['store'] },
  store_rows: {
    kind: 'gauge',
    help: 'Rows of a table of the store, counted up to 100000.',
    labels: ['store', 'table'],
  },
  store_batch_seconds: {
    kind: 'histogram',
    help: 'Time of one transaction of the store, in which many operations may share, until it is durable.',
    labels: ['engine'],
    values: { engine: ['sqlite', 'postgresql'] },
    buckets: durationBuckets,
  },
  store_operations_total: {
    kind: 'counter',
    help: 'Operations that went into transactions of the store.',
    labels: ['engine'],
    values: { engine: ['sqlite', 'postgresql'] },
  },
  audit_broken: {
    kind: 'gauge',
    help: '1 while the last check of the audit trail found its chain broken.',
    labels: ['store'],
  },
  journal_lost_total: {
    kind: 'counter',
    help: 'Messages of which the journal lost hops, because the store was away or slow.',
    labels: [],
  },
  operator_actions_total: {
    kind: 'counter',
    help: 'Acts of people in the console.',
    labels: ['action', 'outcome'],
    values: {
      action: [
        'replay',
        'edit-replay',
        'discard',
        'reveal',
        'cancel',
        'pause',
        'resume',
        'stop',
        'start',
        'isolate',
        'release',
        'verify',
        'assign',
        'export',
        'approve',
        'review',
        'delegate',
      ],
      outcome: ['success', 'refused'],
    },
  },
};
