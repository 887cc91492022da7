/** `/sandbox/*`: faults, state, records and calls, for tests and for a person with curl. No Odoo has these. */
import { type Fault, faultKinds } from './faults.ts';
import { jsonReply, type Reply, type Request } from './http.ts';
import type { SandboxOdoo } from './server.ts';

type AdminReply = Reply & { downFor?: number };

export function admin(odoo: SandboxOdoo, request: Request): AdminReply {
  const path = request.path.slice('/sandbox/'.length);
  try {
    if (path === 'faults') return faults(odoo, request);
    if (path === 'state') return jsonReply(200, state(odoo));
    if (path === 'down' && request.method === 'POST') {
      const ms = Number((parse(request) as { ms?: unknown }).ms ?? 5000);
      return { ...jsonReply(202, { downFor: ms }), downFor: ms };
    }
    if (path === 'books' && request.method === 'POST') {
      const { through } = parse(request) as { through?: unknown };
      odoo.closeBooks(typeof through === 'string' && through !== '' ? through : undefined);
      return jsonReply(200, { closedThrough: through ?? null });
    }
    if (path === 'calls') {
      if (request.method === 'DELETE') odoo.log.clear();
      const filter = {
        model: request.query.get('model') ?? undefined,
        method: request.query.get('method') ?? undefined,
      };
      const limit = Number(request.query.get('limit') ?? 200);
      return jsonReply(200, { counters: odoo.log.counters, calls: odoo.log.list(filter).slice(-limit) });
    }
    if (path.startsWith('records/')) {
      const model = path.slice('records/'.length);
      if (!odoo.engine.model(model)) return jsonReply(404, { error: `The sandbox has no model ${model}.` });
      const filter: Record<string, unknown> = {};
      for (const [name, value] of request.query) filter[name] = literal(value);
      const records = odoo.records(model, filter);
      return jsonReply(200, { model, length: records.length, records });
    }
    return jsonReply(404, {
      error: 'Try /sandbox/state, /sandbox/faults, /sandbox/books, /sandbox/calls, /sandbox/records/<model>.',
    });
  } catch (thrown) {
    return jsonReply(400, { error: thrown instanceof Error ? thrown.message : String(thrown) });
  }
}

function faults(odoo: SandboxOdoo, request: Request): Reply {
  if (request.method === 'DELETE') odoo.faults.clear();
  else if (request.method === 'POST') {
    const given = parse(request) as { faults?: unknown };
    const wanted = (Array.isArray(given) ? given : Array.isArray(given.faults) ? given.faults : [given]) as Fault[];
    for (const fault of wanted) {
      if (!faultKinds.includes(fault.kind)) {
        throw new Error(`Unknown fault ${JSON.stringify(fault.kind)}; one of ${faultKinds.join(', ')}.`);
      }
    }
    odoo.faults.set(...wanted);
  }
  return jsonReply(200, { faults: odoo.faults.list() });
}

function state(odoo: SandboxOdoo): Record<string, unknown> {
  const records: Record<string, number> = {};
  for (const [name, model] of odoo.engine.db.models) {
    if (model.table.rows.size > 0) records[name] = model.table.rows.size;
  }
  return {
    version: odoo.version,
    databases: odoo.engine.databases,
    faults: odoo.faults.list(),
    counters: odoo.log.counters,
    records,
  };
}

function parse(request: Request): unknown {
  return request.body.length === 0 ? {} : JSON.parse(request.body.toString('utf8'));
}

/** A query value as the number, truth value or null it looks like. */
function literal(value: string): unknown {
  if (value === 'true' || value === 'false') return value === 'true';
  if (value === 'null') return null;
  return /^-?\d{1,15}$/.test(value) ? Number(value) : value;
}
