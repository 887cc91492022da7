import { amqpConnection } from '../../amqp/index.ts';
import { integrationStore } from '../../idempotency/index.ts';
import type { Failure } from '../../kernel/failure.ts';
import type { FlowMessage } from '../../kernel/message.ts';
import { unavailable } from '../../kernel/resilience/dependencies.ts';
import { telemetry } from '../../kernel/telemetry/telemetry.ts';
import { defineNode, idsUsedDownstream, onFlowsStarted, onFlowsStopping } from '../../node/index.ts';
import { deliverySource, discharge, offerDeliveries, payloadCipher } from '../../settlement/index.ts';
import { ApprovalClock } from '../clock.ts';
import { openApprovalDesk } from '../desk.ts';
import { noticeOf } from '../notice.ts';
import { Resumer } from '../resumer.ts';
import { Teller } from '../teller.ts';
import type { Notice } from '../store/decide.ts';
import type { ProcessTotals } from '../store/inspect.ts';
import { type Taken, take, type TakenOver } from '../take.ts';
import '../console-page.ts';
import { dialogRoutes } from './admin.ts';
import { type ApprovalConfig, approvalDefinition } from './approval.def.ts';
import { factReader } from './facts.ts';
import { settingsOf } from './settings.ts';

/** Milliseconds that closing waits while settles still come in. */
const drain = 2_000;
/** Decided messages in the flow at once. */
const concurrency = 20;

export default defineNode<ApprovalConfig>(
  approvalDefinition,
  (context) => {
    const { id, name, config, credentials, log, RED, resolve, emit, fail, status } = context;
    const { store, id: storeId } = resolve(integrationStore, config.store);
    const settings = settingsOf(config, credentials, RED);
    const { process, linkKey, maxSize } = settings;
    const cipher = payloadCipher();
    const readFacts = factReader(context);
    const links = { address: settings.address, key: linkKey };
    let totals: ProcessTotals | undefined;
    let problem: Failure | undefined;
    let needed: string[] = [];
    const show = () => {
      const down = unavailable(needed).map((one) => one.name);
      if (problem !== undefined) status('down', problem.code.toLowerCase().replaceAll('_', ' '));
      else if ((totals?.failed ?? 0) > 0) status('failed', `${totals!.failed} could not go on`);
      else if (down.length > 0) status('waiting', `waits for ${down[0]}`);
      else status(totals?.open ? 'waiting' : 'working', totals?.open ? `${totals.open} open` : 'none open');
    };
    const teller = new Teller(store);
    const notify = ({ kind, request, people, heldUntil }: Notice) => {
      emit(noticeOf(kind, request, people, links), 'notice');
      teller.given({ id: request.id, kind, heldUntil });
    };
    const resumer = new Resumer({
      id,
      process,
      store,
      cipher,
      concurrency,
      settleDeadline: settings.settleDeadline,
      emit: (message, outcome) => emit(message, outcome),
      blocked: () => unavailable(needed).length > 0,
      onProblem: (failure) => fail(failure),
      onFailed: (request, failure, heldUntil) => {
        log.warn('approval.resume_failed', { request: request.id, code: failure.code });
        notify({ kind: 'failed', request, people: [], heldUntil });
      },
      onChange: () => {
        telemetry.gauge('inflight', { queue: `approval:${process}` }, resumer.inFlight);
        show();
      },
    });
    const clock = new ApprovalClock({
      process,
      store,
      retention: settings.retention,
      onNotice: notify,
      onDecided: () => resumer.kick(),
      onTotals: (next) => {
        totals = next;
        telemetry.gauge('approvals_open', { process }, next?.open ?? 0);
        telemetry.gauge('approvals_failed', { process }, next?.failed ?? 0);
        telemetry.gauge('approvals_review', { process }, next?.review ?? 0);
        const oldest = next?.oldest ?? null;
        telemetry.gauge('approvals_oldest_seconds', { process }, oldest === null ? 0 : (Date.now() - oldest) / 1_000);
        show();
      },
      onProblem: (next) => {
        if (next !== undefined && next.code !== problem?.code) log.warn('approval.problem', { code: next.code });
        problem = next;
        show();
      },
    });
    const wake = () => {
      resumer.kick();
      clock.look();
    };
    const label = name === '' ? process : name;
    const offs = [
      openApprovalDesk({ node: id, label, process, storeId, store, cipher, linkKey, maxSize, wake }),
      offerDeliveries(id, resumer),
      onFlowsStarted(() => {
        needed = [...idsUsedDownstream(RED, id)];
        teller.start();
        resumer.start();
        clock.start();
      }),
      onFlowsStopping(() => {
        resumer.pause();
        clock.pause();
        teller.pause();
      }),
    ];
    const reach = {
      store: (other: string) => resolve(integrationStore, other).store,
      connection: (connectionId: string) => deliverySource(connectionId) ?? resolve(amqpConnection, connectionId),
      // The request's own audit entry tells what became of the message.
      letters: () => undefined,
      node: id,
    };
    const taker = { ...settings, store, storeId, cipher, node: id };

    return {
      async input(message, { send }) {
        const taken = await take(message, await readFacts(message), taker);
        const takenOver: TakenOver = { id: taken.creation.id, state: taken.creation.state, seenAt: Date.now() };
        await endDebts(message, taken, reach);
        message.approval = takenOver;
        const { creation, request, reply } = taken;
        const asked = { ...request, deadlineAt: creation.deadlineAt };
        const kind = request.emergency && creation.people.length === 0 ? 'review' : 'requested';
        const people = kind === 'review' ? request.terms.seats.flat() : creation.people;
        const notice: FlowMessage = noticeOf(kind, { ...asked, id: creation.id }, people, links);
        if (reply !== undefined) {
          // Whoever asked over HTTP gets an answer that names no approver.
          Object.assign(notice, { req: message.req, res: message.res, ...reply, payload: reply.body });
          delete notice.body;
        }
        if (creation.kind === 'created' || reply !== undefined) send(notice, 'notice');
        if (creation.heldUntil !== undefined) teller.given({ id: creation.id, kind, heldUntil: creation.heldUntil });
        telemetry.count('approvals_total', {
          process,
          outcome: creation.kind === 'created' ? 'requested' : 'repeated',
        });
        wake();
      },
      async close() {
        teller.close();
        await Promise.all([resumer.close(drain), clock.close()]);
        for (const off of offs) off();
        for (const gauge of ['approvals_open', 'approvals_failed', 'approvals_review', 'approvals_oldest_seconds']) {
          telemetry.gauge(gauge, { process }, 0);
        }
      },
    };
  },
  { admin: dialogRoutes },
);

/** The delivery is acknowledged only now that the request is durable; a key of another store is completed before it. */
async function endDebts(
  { delivery, idempotency, parts, event, payload }: FlowMessage,
  { keyCompleted }: Taken,
  reach: Parameters<typeof discharge>[2],
): Promise<void> {
  const owed: FlowMessage = {
    payload,
    ...(delivery === undefined ? {} : { delivery }),
    ...(idempotency === undefined || keyCompleted ? {} : { idempotency }),
    ...(event === undefined ? {} : { event }),
    ...(parts === undefined ? {} : { parts }),
  };
  if (owed.delivery !== undefined || owed.idempotency !== undefined) await discharge(owed, 'done', reach);
}
