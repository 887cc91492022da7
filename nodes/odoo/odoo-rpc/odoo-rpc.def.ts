import type { NodeDefinition } from '../../node/define-node.ts';
import type { InputType } from '../../node/inputs.ts';

export type Operation =
  | 'upsert'
  | 'action'
  | 'search-read'
  | 'read'
  | 'count'
  | 'aggregate'
  | 'create'
  | 'write'
  | 'unlink'
  | 'attach'
  | 'post-message'
  | 'call';

/** Where a value comes from: a property of the message, a JSONata expression, JSON as typed, or text as typed. */

export interface OdooRpcConfig {
  name: string;
  /** Id of the `odoo-server`. */
  server: string;
  operation: Operation;
  model: string;
  /** Documents, values, arguments, text, or the content of a file. */
  values: string;
  valuesType: InputType;
  /** Records to work on; empty for a method of the model itself. */
  ids: string;
  idsType: InputType;
  domain: string;
  domainType: InputType;
  /** Separated by commas. */
  fields: string;
  /** Records at most; 0 = all, up to 100,000. */
  limit: number;
  order: string;
  /** `pages`: one message a page, the next when the message comes back to the input. */
  paging: 'all' | 'pages';
  /** Records in a page, 1 to 5,000. */
  pageSize: number;
  /** 2 when reading in pages: the pages, and the end. */
  outputs: number;
  /** Fields to group by, separated by commas. */
  groupBy: string;
  /** `field:sum` and the like, separated by commas. */
  aggregates: string;
  action: string;
  backorder: 'create' | 'cancel' | 'ask';
  method: string;
  fileName: string;
  fileNameType: InputType;
  /** Read back what was written and compare. */
  verify: boolean;
  /** Lines that an earlier version of the document made and this one leaves out. */
  leftOut: 'keep' | 'remove';
  /** What leaves as `msg.payload`: `auto` = the result of reading, the document of writing. */
  output: 'auto' | 'keep' | 'result';
}

export const odooRpcDefinition: NodeDefinition<OdooRpcConfig> = {
  type: 'odoo-rpc',
  version: 1,
  defaults: {
    name: '',
    server: '',
    operation: 'upsert',
    model: '',
    values: 'payload',
    valuesType: 'msg',
    ids: 'odoo.ids',
    idsType: 'msg',
    domain: '[]',
    domainType: 'json',
    fields: 'display_name',
    limit: 1000,
    order: '',
    paging: 'all',
    pageSize: 500,
    outputs: 1,
    groupBy: '',
    aggregates: '',
    action: 'confirm-purchase',
    backorder: 'create',
    method: '',
    fileName: 'filename',
    fileNameType: 'msg',
    verify: false,
    leftOut: 'keep',
    output: 'auto',
  },
};
