/** The other side of a connection, as failures speak of it. */
export interface Peer {
  /** In sentences: `Odoo`, `Supplier ACME`. */
  name: string;
  /** Begins the codes of its failures: `ODOO`. */
  code: string;
  /** Type of the node that holds its settings: `odoo-server`. */
  node: string;
  /** A host for examples: `erp.example.org`. */
  example: string;
  advice: {
    /** What to do when its answer is too large. */
    answerTooLarge: string;
    /** What a lost reply to a write leaves open. */
    lostWrite: string;
  };
}
