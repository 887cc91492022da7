import type { NodeDefinition } from '../../node/define-node.ts';

export interface ReconcileConfig {
  name: string;
  /** Id of the `integration-store`. */
  store: string;
  /** What is compared; empty: this node. */
  scope: string;
  /** Property with the name of the window; empty: the day of the run. */
  run: string;
  /** Property with the instant at which the sides were taken, RFC 3339; empty: not known. */
  asOf: string;
  /** Properties with the rows. */
  left: string;
  right: string;
  movements: string;
  leftName: string;
  rightName: string;
  /** Fields of a row, separated by commas. */
  keys: string;
  lot: string;
  quantity: string;
  pack: string;
  price: string;
  /** Decimal. */
  tolerance: string;
  /** Hours after which a missing run is told; 0: never. */
  every: number;
}

export const reconcileDefinition: NodeDefinition<ReconcileConfig> = {
  type: 'reconcile',
  version: 1,
  defaults: {
    name: '',
    store: '',
    scope: '',
    run: 'payload.run',
    asOf: 'payload.asOf',
    left: 'payload.left',
    right: 'payload.right',
    movements: 'payload.movements',
    leftName: 'the count',
    rightName: 'Odoo',
    keys: 'product, location, lot',
    lot: 'lot',
    quantity: 'quantity',
    pack: 'pack',
    price: 'price',
    tolerance: '0',
    every: 26,
  },
  outputs: ['clean', 'breaks'],
};
