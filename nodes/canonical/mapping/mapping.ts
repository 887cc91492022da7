/** The mapping file: what analysts review and git keeps. */
import type { LookupTable } from './lookup.ts';
import type { TransformUse } from './transforms.ts';

/** Formats that documents are read from and written to. `json` and `odoo` are plain trees already. */
export const documentFormats = ['json', 'odoo', 'fhir', 'xml', 'csv', 'x12', 'hl7v2'] as const;
export type DocumentFormat = (typeof documentFormats)[number];

/** One side of a mapping: an entity of the canonical model, or a document in a format. */
export type Side =
  | { entity: string; version?: string }
  | {
      format: DocumentFormat;
      /** What the document is, for people: `supplier order`. */
      name: string;
      /** Schema or specification that it follows. */
      schema?: string;
      /** Arguments of the format's reader and writer, e.g. the root element of an XML document. */
      options?: Record<string, unknown>;
    };

export interface Condition {
  path: string;
  is: 'present' | 'absent' | 'equal' | 'not-equal' | 'one-of';
  value?: string | number | boolean | readonly (string | number | boolean)[];
}

export interface Row {
  /** Where the value comes from; a list where the first transform joins several; `$index` is the item's position from 1. */
  from?: string | readonly string[];
  /** A constant in place of `from`. */
  value?: string | number | boolean;
  /**
   * A JSONata expression in place of `from`, for what rows cannot say. It sees the document, or the present item where
   * the target is in a list, and `$document` and `$index`. Costly, one-way and calculated in floating point.
   */
  jsonata?: string;
  to: string;
  /** The source's list for a target in a list, where `from` does not tell. */
  each?: string;
  when?: Condition;
  transforms?: readonly TransformUse[];
  /** Table that translates the value after the transforms. A value it does not have is an error. */
  lookup?: string;
  /** Taken when the source has nothing. */
  default?: string | number | boolean;
  /** The source must have something. */
  required?: boolean;
  /** What to do when the value cannot be taken: fail the document (default), leave the field out, or take the default. */
  onError?: 'fail' | 'skip' | 'default';
  /** `both` (default) is also read backwards; `reverse` rows are written from source to target and only read backwards. */
  direction?: 'both' | 'forward' | 'reverse';
  note?: string;
  /** Where the row comes from. */
  source?: 'standard' | 'human' | 'suggested';
  /** Who accepted a suggestion and when, with its score in percent and the reasons that were shown. */
  accepted?: { by: string; at: string; score?: number; reasons?: readonly string[] };
}

export interface Mapping {
  id: string;
  version: string;
  title: string;
  description?: string;
  source: Side;
  target: Side;
  /** The source says `false` where it has nothing (Odoo). */
  falseIsAbsent?: boolean;
  /** Path of the day that lookups are read for; else the event's time. */
  asOf?: string;
  /** Tables of this mapping alone, beside the shared ones. */
  lookups?: Record<string, LookupTable>;
  rows: readonly Row[];
  /** Milliseconds that the JSONata rows may take for one document. Default 1,000, at most 10,000. */
  jsonataBudget?: number;
  /** A document to try it on: text, or a tree. */
  sample?: unknown;
}

/** What is wrong with a mapping file. `row` counts from 1. */
export interface Problem {
  row?: number;
  field?: string;
  message: string;
  severity: 'error' | 'warning';
}

/** Every property of a row, in the order of a mapping sheet's columns. */
export const rowProperties = [
  'from',
  'value',
  'jsonata',
  'to',
  'each',
  'when',
  'transforms',
  'lookup',
  'default',
  'required',
  'onError',
  'direction',
  'note',
  'source',
  'accepted',
] as const satisfies readonly (keyof Row)[];
