/** The audit trail over HTTP: pages, proof of the chain. */
import {
  type AuditFilter,
  auditFinding,
  auditKeys,
  checkpointEnds,
  exportAudit,
  listAudit,
  noteVerdict,
  problemWords,
  verifyAudit,
} from '../kernel/audit/index.ts';
import type { AdminRequest } from '../node/index.ts';
import { recordAct } from '../settlement/index.ts';
import { queryNumber, queryText, type Routes } from './routes.ts';
import { storeFor } from './stores.ts';

const pageSize = 100;
/** Characters of one exported file; more is taken by time, piece by piece. */
const exportLimit = 64 * 1024 * 1024;

export function trailRoutes(routes: Routes): void {
  const { RED } = routes;

  routes.get('audit', 'view', async (request) => {
    const cursor = queryNumber(request, 'after');
    const page = await storeFor(RED, request).store.run(listAudit, {
      filter: filterOf(request),
      limit: pageSize,
      ...(cursor === undefined ? {} : { cursor }),
    });
    return page;
  });

  // The file leaves the system, so who took it, and why, is in the trail before its first byte.
  routes.act('audit/export', 'export', 'export', async (act, request) => {
    const { store, name } = storeFor(RED, request);
    const format = queryText(request, 'format') === 'fhir' ? 'fhir' : 'jsonl';
    await store.run(recordAct, {
      token: act.token,
      actor: act.actor,
      reason: act.reason,
      action: 'audit.exported',
      outcome: 'success',
      subject: format,
    });
    const filter = filterOf(request);
    const lines: string[] = [];
    let size = 0;
    let whole = true;
    for await (const line of exportAudit(
      store,
      filter,
      format === 'fhir' ? { kind: 'fhir', observer: name } : { kind: 'jsonl' },
    )) {
      size += line.length;
      if (size > exportLimit) {
        whole = false;
        break;
      }
      lines.push(line);
    }
    return { lines: lines.join(''), entries: lines.length, whole };
  });

  routes.ask('audit/verify', 'verify', async (request) => {
    const { store, name } = storeFor(RED, request);
    const verdict = await verifyAudit(store);
    noteVerdict(store, verdict);
    return { ...verdict, store: name, ...(verdict.kind === 'broken' ? { words: problemWords[verdict.problem] } : {}) };
  });

  routes.get('audit/keeping', 'view', async (request) => {
    const { current, retention } = auditKeys();
    const { store } = storeFor(RED, request);
    const { last, purged } = await store.run(checkpointEnds, undefined);
    const found = auditFinding(store);
    return {
      checkedAt: found?.checkedAt ?? null,
      broken: found?.break === undefined ? null : { ...found.break, words: problemWords[found.break.problem] },
      key: current?.id ?? null,
      retentionDays: retention / 86_400_000,
      last: last === undefined ? null : { seq: last.seq, at: last.at, key: last.keyId },
      first: (purged?.seq ?? 0) + 1,
    };
  });
}

function filterOf(request: AdminRequest): AuditFilter {
  const filter: AuditFilter = {};
  for (const name of ['correlationId', 'subject', 'action', 'actor'] as const) {
    const value = queryText(request, name);
    if (value !== undefined) filter[name] = value;
  }
  for (const name of ['from', 'to'] as const) {
    const value = queryNumber(request, name);
    if (value !== undefined) filter[name] = value;
  }
  return filter;
}
