/** A sandbox and clients for it, closed when the test file ends. */
import { after } from 'node:test';
import { apiKeys, type OdooVersion, type SandboxOdoo, startSandboxOdoo } from '../../sandbox/odoo/index.ts';
import { Failure } from '../../nodes/kernel/failure.ts';
import { OdooClient, type OdooClientOptions } from '../../nodes/odoo/index.ts';

export const versions: readonly OdooVersion[] = ['17', '18', '19'];

/** A breaker that never opens: these tests are about something else. */
export const patient = { minimum: 1_000_000 } as const;

const opened: { close(): Promise<void> }[] = [];
after(async () => {
  for (const one of opened.reverse()) await one.close();
});

export async function sandbox(version: OdooVersion = '19'): Promise<SandboxOdoo> {
  const odoo = await startSandboxOdoo({ version });
  opened.push(odoo);
  return odoo;
}

export function clientOf(odoo: SandboxOdoo, options: Partial<OdooClientOptions> = {}): OdooClient {
  const client = new OdooClient({
    url: odoo.url,
    database: odoo.database,
    login: 'bot',
    apiKey: apiKeys.bot,
    breaker: patient,
    ...options,
  });
  opened.push({ close: () => client.close(0) });
  return client;
}

/** A purchase order of two lines; `n` is its number. */
export function order(n: number | string, lines: Record<string, unknown>[] = [{}, { product_qty: '3' }]) {
  return {
    externalId: `hf_test.po_${n}`,
    values: {
      partner_id: { match: { ref: 'ACME' } },
      partner_ref: String(n),
      order_line: lines.map((values, i) => ({
        externalId: `hf_test.po_${n}_${i + 1}`,
        values: {
          product_id: { match: { default_code: i % 2 === 0 ? 'GLOVE-M' : 'SYR-10' } },
          product_qty: '10',
          price_unit: '4.20',
          ...values,
        },
      })),
    } as Record<string, unknown>,
  };
}

/** For `assert.rejects`: a failure with these properties. */
export function failure(expected: Partial<Failure>): (error: unknown) => boolean {
  return (error) => {
    if (!(error instanceof Failure)) throw error;
    for (const [key, value] of Object.entries(expected)) {
      if (error[key as keyof Failure] !== value) {
        throw new Error(`${key} is ${String(error[key as keyof Failure])}, not ${String(value)}: ${error.message}`);
      }
    }
    return true;
  };
}
