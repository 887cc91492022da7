/**
 * What differs between the Odoo versions the sandbox can play. Names and behaviours are those measured on real
 * servers 18.0 and 19.0; 17 behaves as 18 where nothing else is known.
 */
export type OdooVersion = '17' | '18' | '19';

export interface VersionProfile {
  version: OdooVersion;
  /** `server_serie` of `common.version`. */
  serie: string;
  /** `server_version_info`, a Python tuple. */
  versionInfo: readonly [number, number, number, string, number, string];
  /** `POST /json/2/<model>/<method>` exists. */
  json2: boolean;
  /** `error.code` of a JSON-RPC "Odoo Server Error": 200 up to 18, 0 in 19. */
  rpcErrorCode: number;
  /** 19 compares datetimes of a domain at whole seconds; 18 with the stored microseconds. */
  secondGranularity: boolean;
  /** Domain operators `any` and relative dates (`-7d`). */
  modernDomains: boolean;
  /** `exists()` may be called from outside (private from 19 on). */
  publicExists: boolean;
  /** Name of `name_search`'s domain parameter. */
  nameSearchDomain: 'args' | 'domain';
  /** Unit of measure of purchase and sale order lines. */
  lineUom: 'product_uom' | 'product_uom_id';
  /** Taxes of purchase order lines. */
  purchaseLineTaxes: 'taxes_id' | 'tax_ids';
  /** Taxes of sale order lines. */
  saleLineTaxes: 'tax_id' | 'tax_ids';
  userGroups: 'groups_id' | 'group_ids';
  purchaseNote: 'notes' | 'note';
  /** `res.partner.mobile` exists. */
  partnerMobile: boolean;
  /** `stock.move.name` exists. */
  moveName: boolean;
  /** Purchase state `done` (up to 18) against the field `locked` (19). */
  purchaseLocked: 'state' | 'field';
  /** Storable goods: product type `product` (17) or `is_storable` (since 18). */
  storable: 'type' | 'field';
  /** Webhook of an automation leaves after commit (19) or inside the transaction (18). */
  webhookAfterCommit: boolean;
  /** Identical posts of an unwatched "on create and edit" automation for one created record. */
  webhookFanOut: number;
}

const legacy = {
  json2: false,
  rpcErrorCode: 200,
  secondGranularity: false,
  modernDomains: false,
  publicExists: true,
  nameSearchDomain: 'args',
  lineUom: 'product_uom',
  purchaseLineTaxes: 'taxes_id',
  saleLineTaxes: 'tax_id',
  userGroups: 'groups_id',
  purchaseNote: 'notes',
  partnerMobile: true,
  moveName: true,
  purchaseLocked: 'state',
  webhookAfterCommit: false,
  webhookFanOut: 13,
} as const;

const profiles: Record<OdooVersion, VersionProfile> = {
  '17': { ...legacy, version: '17', serie: '17.0', versionInfo: [17, 0, 0, 'final', 0, ''], storable: 'type' },
  '18': { ...legacy, version: '18', serie: '18.0', versionInfo: [18, 0, 0, 'final', 0, ''], storable: 'field' },
  '19': {
    version: '19',
    serie: '19.0',
    versionInfo: [19, 0, 0, 'final', 0, ''],
    json2: true,
    rpcErrorCode: 0,
    secondGranularity: true,
    modernDomains: true,
    publicExists: false,
    nameSearchDomain: 'domain',
    lineUom: 'product_uom_id',
    purchaseLineTaxes: 'tax_ids',
    saleLineTaxes: 'tax_ids',
    userGroups: 'group_ids',
    purchaseNote: 'note',
    partnerMobile: false,
    moveName: false,
    purchaseLocked: 'field',
    storable: 'field',
    webhookAfterCommit: true,
    webhookFanOut: 12,
  },
};

export function profileOf(version: OdooVersion): VersionProfile {
  return profiles[version];
}

export function isOdooVersion(text: string): text is OdooVersion {
  return text in profiles;
}
