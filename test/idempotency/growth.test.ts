import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reportGrowth } from '../../nodes/idempotency/housekeeping.ts';
import { claim } from '../../nodes/idempotency/index.ts';
import { catalogue } from '../../nodes/kernel/telemetry/catalogue.ts';
import { MetricsRegistry } from '../../nodes/kernel/telemetry/metrics.ts';
import { addTelemetrySink } from '../../nodes/kernel/telemetry/telemetry.ts';
import { waitUntil } from '../support/processes.ts';
import { storesUnderTest } from '../support/store.ts';

for (const { name, options, fresh } of storesUnderTest()) {
  test(`rows, size and latency of the store are in the metrics (${name})`, options, async () => {
    await using fixture = await fresh();
    const { store } = fixture;
    const registry = new MetricsRegistry(catalogue);
    const off = addTelemetrySink(registry);
    try {
      const wanted = { scope: 's', fingerprint: '', owner: 'o', lease: 1000, retention: 1000 };
      await Promise.all(['a', 'b', 'c'].map((key) => store.run(claim, { ...wanted, key })));
      await waitUntil('the engine has measured itself', () => store.status().size, 20_000);
      await reportGrowth(store, 'main');
      const text = await registry.expose();
      assert.match(text, /^healthflows_store_rows\{store="main",table="idempotency_keys"\} 3$/m);
      assert.match(text, /^healthflows_store_rows\{store="main",table="dead_letters"\} 0$/m);
      assert.match(text, /^healthflows_store_size_bytes\{store="main"\} [1-9]\d*$/m);
      assert.match(text, new RegExp(`^healthflows_store_batch_seconds_count\\{engine="${name}"\\} [1-9]`, 'm'));
      assert.match(text, new RegExp(`^healthflows_store_operations_total\\{engine="${name}"\\} [3-9]`, 'm'));
    } finally {
      off();
    }
  });
}
