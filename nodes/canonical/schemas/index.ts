import type { EntitySchema } from './entity.ts';
import { adminParty, charge, claim, invoice, payment, remittance } from './finance.ts';
import { employee, location, product, supplier } from './master-data.ts';
import { inventoryLevel, operationalEvent, serviceRequest, stockMovement } from './operations.ts';
import { order } from './order.ts';
import { contract, despatch, orderResponse, receipt, requisition } from './procurement.ts';

export { commonId, commonSchema } from './common.ts';
export type { EntitySchema } from './entity.ts';
export { type JsonSchema, type Sensitivity, sensitivities } from './vocabulary.ts';

/** Every entity of the canonical model, in the order of the procurement story. */
export const entities: readonly EntitySchema[] = [
  order,
  supplier,
  product,
  location,
  requisition,
  orderResponse,
  despatch,
  receipt,
  invoice,
  contract,
  payment,
  stockMovement,
  inventoryLevel,
  serviceRequest,
  employee,
  adminParty,
  charge,
  claim,
  remittance,
  operationalEvent,
];
