import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../nodes/kernel/failure.ts';
import { recordRejection, RejectionAudit } from '../../nodes/webhook/audit.ts';
import { type EndpointHost, type EndpointOptions, WebhookEndpoint } from '../../nodes/webhook/endpoint.ts';
import { corsPolicy } from '../../nodes/webhook/ingress/cors.ts';
import type { Outcome } from '../../nodes/webhook/ingress/exchange.ts';
import { forgetRequest, keepRequest, ReplayGuard } from '../../nodes/webhook/replay.ts';
import { schemeOf } from '../../nodes/webhook/schemes/index.ts';
import { keyEntries } from '../../nodes/webhook/verification/configured-keys.ts';
import { webhookVerifier } from '../../nodes/webhook/webhook-verifier/webhook-verifier.def.ts';
import { bounded, replayTime } from '../../nodes/webhook/webhook-verifier/wiring.ts';
import { storesUnderTest } from '../support/store.ts';
import { exampleSecret, signStandard } from './sign.ts';
import { auditRows } from './store-operations.ts';

/** Standard Webhooks, without a route of its own. */
function endpointOf({
  emit,
  ...own
}: Pick<EndpointOptions, 'replay' | 'keep'> & Pick<EndpointHost, 'emit'>): WebhookEndpoint {
  const scheme = schemeOf('standard-webhooks');
  return new WebhookEndpoint(
    {
      nodeId: 'n1',
      flowId: undefined,
      route: '',
      limits: { bodySize: 1_000, bodyTime: 1_000, replyTime: 1_000, headerCount: 10, headerSize: 1_000 },
      contentTypes: 'text/plain',
      maxPending: 1,
      cors: corsPolicy(''),
      json: { depth: 8, members: 8 },
      publicUrl: '',
      answer: false,
      failureLimit: 10,
      scheme,
      verify: scheme.prepare(
        keyEntries([{ id: 'k', slot: 1 }] as never, () => exampleSecret),
        {},
      ),
      secretPlaces: {},
      ...own,
    },
    {
      emit,
      audit: () => undefined,
      audited: () => Promise.resolve(),
      misconfigured: () => {},
      names: () => ({ source: '/s', type: 't' }),
    },
  );
}

for (const under of storesUnderTest()) {
  const guardOf = (store: ConstructorParameters<typeof ReplayGuard>[0]['store'], endpoint = 'node-1') =>
    new ReplayGuard({ store, endpoint, hold: 60_000, keep: 3_600_000 });
  /** Admits and, when an answer is given, ends the exchange with it; resolves once the memory has changed. */
  async function admit(guard: ReplayGuard, proof: string, answer?: Outcome): Promise<string> {
    let tell: ((outcome: Outcome) => void) | undefined;
    const exchange = {
      onOutcome(listener: (outcome: Outcome) => void) {
        tell = listener;
      },
    };
    const admitted = await guard.admit(proof, exchange);
    if (admitted.kind === 'refused') return admitted.code;
    if (answer !== undefined) {
      tell?.(answer);
      // The store runs operations in order, so what comes next sees it.
      await guard.settled();
    }
    return 'admitted';
  }

  test(
    `a request that was answered with success is refused the second time (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const guard = guardOf(fixture.store);
      assert.equal(await admit(guard, 'p', { kind: 'replied', status: 202 }), 'admitted');
      assert.equal(await admit(guard, 'p'), 'replayed');
      assert.equal(await admit(guard, 'q'), 'admitted');
    },
  );

  test(
    `a request in progress is told so, and after a failed answer an honest sender may repeat it (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const guard = guardOf(fixture.store);
      assert.equal(await admit(guard, 'p'), 'admitted');
      assert.equal(await admit(guard, 'p'), 'replay-in-progress');
      for (const answer of [{ kind: 'replied', status: 503 }, { kind: 'aborted' }] as const) {
        assert.equal(await admit(guard, `p ${answer.kind}`, answer), 'admitted');
        assert.equal(await admit(guard, `p ${answer.kind}`, answer), 'admitted');
      }
    },
  );

  test(
    `a request whose process was killed is taken again once its hold is over (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      const guard = guardOf(fixture.store);
      assert.equal(await admit(guard, 'p'), 'admitted');
      fixture.setClock(60_001);
      assert.equal(await admit(guard, 'p', { kind: 'replied', status: 200 }), 'admitted');
      assert.equal(await admit(guard, 'p'), 'replayed');
      fixture.setClock(60_001 + 3_600_001);
      assert.equal(await admit(guard, 'p'), 'admitted');
    },
  );

  test(`endpoints do not share what they remember (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    assert.equal(await admit(guardOf(fixture.store, 'a'), 'p', { kind: 'replied', status: 200 }), 'admitted');
    assert.equal(await admit(guardOf(fixture.store, 'b'), 'p'), 'admitted');
  });

  test(`of 64 equal requests at once one is admitted (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const guard = guardOf(fixture.store);
    const verdicts = await Promise.all(Array.from({ length: 64 }, () => admit(guard, 'p')));
    assert.equal(verdicts.filter((verdict) => verdict === 'admitted').length, 1);
  });

  test(`by wire, a message whose original cannot be kept may come again (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    let away = true;
    const kept: string[] = [];
    const out: unknown[] = [];
    const endpoint = endpointOf({
      replay: guardOf(fixture.store),
      keep: (message) => {
        if (away) return Promise.reject(new Failure('dependency-outage', 'STORE_DOWN', 'The store is away.'));
        kept.push(message.event!.id);
        return Promise.resolve();
      },
      emit: (message, output) => out.push(message.failure?.code ?? output),
    });
    const headers = { 'content-type': 'text/plain', ...signStandard('ISA', { id: 'w-1' }) };
    const come = () => endpoint.receive({ req: { headers }, payload: Buffer.from('ISA') } as never);
    await assert.rejects(come(), { code: 'STORE_DOWN' });
    away = false;
    await come();
    await come();
    assert.deepEqual([kept, out], [['w-1'], ['verified', 'REPLAYED']]);
    await endpoint.close();
  });

  test(`forgetting never removes what was kept (${under.name})`, under.options, async () => {
    await using fixture = await under.fresh();
    const guard = guardOf(fixture.store);
    await admit(guard, 'p', { kind: 'replied', status: 200 });
    const hash = guard.hashOf('p');
    await fixture.store.run(forgetRequest, { hash });
    assert.equal(await admit(guard, 'p'), 'replayed');
    await fixture.store.run(keepRequest, { hash: guard.hashOf('unknown'), keep: 1 });
  });

  test(
    `a rejection is in the audit trail with its reason and nothing of the request (${under.name})`,
    under.options,
    async () => {
      await using fixture = await under.fresh();
      await fixture.store.run(recordRejection, {
        code: 'signature-invalid',
        reason: 'invalid: signature',
        correlationId: 'c-1',
        source: '192.0.2.7',
        count: 1,
        node: 'n1',
        route: 'POST /hooks/orders',
      });
      const [row] = await fixture.store.run(auditRows, {});
      assert.equal(row?.action, 'message.rejected');
      assert.equal(row?.reason, 'signature-invalid');
      assert.equal(row?.correlation_id, 'c-1');
    },
  );
}

test('an audit that cannot be written is counted, never waited for without bound', async () => {
  let lost = 0;
  const waiting: (() => void)[] = [];
  const store = { run: () => new Promise<never>((_, reject) => waiting.push(() => reject(new Error('down')))) };
  const audit = new RejectionAudit(store as never, 'n1', 'POST /x', (count) => (lost += count));
  const rejection = { code: 'malformed', reason: '', correlationId: '', source: '', count: 1 } as const;
  for (let i = 0; i < 600; i++) void audit.record(rejection);
  assert.equal(waiting.length, 500);
  assert.equal(lost, 100);
  for (const fail of waiting) fail();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(lost, 600);
});

test('what could not be written is told in the next entry that can', async () => {
  let up = false;
  const entries: { unaudited?: number }[] = [];
  const store = {
    run: (_: unknown, entry: { unaudited?: number }) =>
      up ? Promise.resolve(entries.push(entry)) : Promise.reject(new Error('down')),
  };
  const audit = new RejectionAudit(store as never, 'n1', 'POST /x', () => undefined);
  const rejection = { code: 'malformed', reason: '', correlationId: '', source: '', count: 1 } as const;
  await audit.record(rejection);
  await audit.record({ ...rejection, count: 4 });
  up = true;
  await audit.record(rejection);
  await audit.record(rejection);
  assert.deepEqual(
    entries.map(({ unaudited }) => unaudited),
    [5, 0],
  );
});

test('the reply waits for the entry, but not for a store that hangs', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let finish: (() => void) | undefined;
  const store = { run: () => new Promise<void>((resolve) => (finish = resolve)) };
  const audit = new RejectionAudit(store as never, 'n1', 'POST /x', () => undefined);
  const rejection = { code: 'malformed', reason: '', correlationId: '', source: '', count: 1 } as const;
  let answered = 0;
  void audit.record(rejection).then(() => answered++);
  await new Promise(setImmediate);
  assert.equal(answered, 0);
  finish?.();
  await new Promise(setImmediate);
  assert.equal(answered, 1);
  void audit.record(rejection).then(() => answered++);
  t.mock.timers.tick(2_000);
  await new Promise(setImmediate);
  assert.equal(answered, 2);
});

test('a request is remembered for at least twice the time for which its proof is good', () => {
  const config = (scheme: string, replayHours: number, options = {}) => ({
    ...webhookVerifier.defaults,
    scheme,
    replayHours,
    options,
  });
  const hours = (...of: Parameters<typeof config>) => replayTime(config(...of)) / 3_600_000;
  assert.equal(hours('standard-webhooks', 100), 100);
  assert.equal(hours('standard-webhooks', 1), 1);
  assert.equal(hours('standard-webhooks', 1, { tolerance: 86_400 }), 48);
  assert.equal(hours('standard-webhooks', 1, { tolerance: 'nonsense' }), 1);
  assert.equal(hours('jwt', 1), (2 * (3600 + 30)) / 3600);
  assert.equal(hours('github', 5), 5);
});

test('a limit that a hand-written flow gives as no number is the least there is, not none', () => {
  for (const value of ['nonsense', undefined, {}, Number.NaN]) assert.equal(bounded(value as number, 1, 64), 1);
  assert.equal(bounded('12' as unknown as number, 1, 64), 12);
  assert.equal(bounded(Number.POSITIVE_INFINITY, 1, 64), 64);
});
