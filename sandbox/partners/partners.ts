/** Which partners there are. A new one is a file here and an entry below. */
import { Cabinet } from './cabinet.ts';
import type { Partner } from './host.ts';
import { Payer } from './payer.ts';
import { Supplier } from './supplier.ts';

/** @param env `HEALTHFLOWS_URL`: address of Node-RED, to which they send; and the secrets they sign with */
export function partnersOf(env: Readonly<Record<string, string | undefined>>): Partner[] {
  const {
    HEALTHFLOWS_URL: flowsUrl,
    SUPPLIER_WEBHOOK_SECRET: supplierSecret = '',
    SUPPLIER_API_KEY: apiKey,
    HOSPITAL_WEBHOOK_SECRET: goodsInSecret,
  } = env;
  const { CABINET_WEBHOOK_SECRET: cabinetSecret = '', CABINET_FILE: cabinetFile } = env;
  const { PAYER_WEBHOOK_SECRET: payerSecret = '' } = env;
  return [
    new Supplier({
      ...(flowsUrl === undefined ? {} : { flowsUrl }),
      ...(apiKey === undefined ? {} : { apiKey }),
      ...(goodsInSecret === undefined ? {} : { goodsInSecret }),
      secret: supplierSecret,
      stepsAfter: 2_000,
    }),
    new Cabinet({
      ...(flowsUrl === undefined ? {} : { flows: flowsUrl }),
      ...(cabinetFile === undefined ? {} : { file: cabinetFile }),
      secret: cabinetSecret,
    }),
    new Payer({
      ...(flowsUrl === undefined ? {} : { remittancesUrl: new URL('/billing/remittances', flowsUrl).href }),
      secret: payerSecret,
      answersAfter: 3_000,
    }),
  ];
}
