/** kill -9 in the middle of a backfill: what was settled never comes again, what was not does, under its event id. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { apiKeys, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { type FlowNode, startNodeRed } from '../support/node-red.ts';
import { waitUntil } from '../support/processes.ts';

const records = 400;

test('a process killed three times in a backfill emits every record, and none again that was settled', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hf-changes-'));
  const odoo = await startSandboxOdoo({ version: '18' });
  odoo.engine.transaction((env) => {
    for (let i = 0; i < records; i++) env.create('res.partner', { name: `B${i}` });
  });
  const lines = (name: string): string[] => {
    const file = join(folder, name);
    // The last line of a killed process may be cut short.
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  };
  const write = (id: string, wires: string[]): FlowNode[] => [
    {
      id: `${id}-line`,
      type: 'function',
      z: 'tab',
      func: 'return { payload: msg.event.id, was: msg };',
      outputs: 1,
      wires: [[`${id}-file`]],
    } as unknown as FlowNode,
    {
      id: `${id}-file`,
      type: 'file',
      z: 'tab',
      filename: join(folder, id),
      filenameType: 'str',
      appendNewline: true,
      overwriteFile: 'false',
      wires: [[`${id}-back`]],
    } as unknown as FlowNode,
    { id: `${id}-back`, type: 'function', z: 'tab', func: 'return msg.was;', outputs: 1, wires: [wires] } as never,
  ];
  const flows: FlowNode[] = [
    { id: 'tab', type: 'tab', label: 'Changes' },
    {
      id: 'server',
      type: 'odoo-server',
      url: odoo.url,
      database: odoo.database,
      login: 'bot',
      configVersion: 1,
      credentials: { apiKey: apiKeys.bot },
    },
    { id: 'store', type: 'integration-store', engine: 'sqlite', file: 'changes.sqlite', configVersion: 1 },
    {
      id: 'changes',
      type: 'odoo-changes',
      z: 'tab',
      server: 'server',
      store: 'store',
      model: 'res.partner',
      fields: 'name',
      domain: '[["name", "=like", "B%"]]',
      start: 'all',
      interval: 1,
      page: 50,
      configVersion: 1,
      wires: [['sent-line']],
    },
    ...write('sent', ['slow']),
    {
      id: 'slow',
      type: 'delay',
      z: 'tab',
      pauseType: 'rate',
      rate: '150',
      rateUnits: 'second',
      nbRateUnits: '1',
      wires: [['settle']],
    } as unknown as FlowNode,
    { id: 'settle', type: 'settle', z: 'tab', outcome: 'auto', configVersion: 1, wires: [['settled-line']] },
    ...write('settled', []),
  ];
  const nodeRed = await startNodeRed({ flows });
  try {
    for (const share of [0.15, 0.4, 0.7]) {
      await waitUntil(`${share * 100} % are settled`, () => lines('settled').length >= records * share);
      await nodeRed.kill();
      const before = new Set(lines('settled'));
      const mark = lines('sent').length;
      await nodeRed.restart();
      await waitUntil('it goes on', () => lines('settled').length > before.size);
      const again = lines('sent')
        .slice(mark)
        .filter((id) => before.has(id));
      assert.deepEqual(again, [], 'settled, and sent again');
    }
    // The next page is read when all before it is settled; so once this one is out, they are.
    await waitUntil('every record went out', () => new Set(lines('sent')).size === records);
    const last = odoo.engine.transaction((env) => env.create('res.partner', { name: 'B last' }));
    await waitUntil('the page after them is settled', () =>
      lines('settled').some((id) => id.startsWith(`res.partner:${last}:`)),
    );
    const settled = lines('settled');
    assert.equal(new Set(settled).size, settled.length, 'settled twice');
    // Sent and not settled: at most a page for each kill.
    assert.ok(lines('sent').length <= records + 1 + 3 * 50, `${lines('sent').length} sent`);
  } finally {
    await nodeRed.stop();
    await odoo.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
