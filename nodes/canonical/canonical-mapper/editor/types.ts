/** What the admin endpoints of the mapper answer. */
export interface Problem {
  row?: number;
  field?: string;
  message: string;
  severity: 'error' | 'warning';
}

export interface RowPreview {
  row: number;
  runs: number;
  outcome: 'mapped' | 'default' | 'absent' | 'condition' | 'skipped' | 'error';
  source: string;
  target: string;
  value?: string;
  result?: string;
  steps: { name: string; value: string }[];
  error?: string;
}

export interface Preview {
  result: string;
  rows: RowPreview[];
  violations: { row?: number; path: string; rule: string; expected: string }[];
  unmapped: string[];
  missing: string[];
  source: { path: string; value: string }[];
}

export interface PreviewAnswer {
  problems: Problem[];
  uncovered: { path: string; description: string }[];
  preview?: Preview;
  /** Leaves of the sample, where no row can be used yet; fields of the source where the sample is its JSON Schema. */
  source?: { path: string; value: string }[];
  /** Fields of a JSON Schema that no row reads. */
  unmapped?: string[];
}

export type Side =
  | { entity: string; version?: string }
  | { format: string; name: string; options?: Record<string, unknown> };

export interface MappingSummary {
  id: string;
  version: string;
  title: string;
  source: Side;
  target: Side;
  origin: 'shipped' | 'user';
  file: string;
  problems: Problem[];
}

export type TransformUse = string | ({ name: string } & Record<string, unknown>);

export interface Row {
  from?: string | string[];
  value?: string | number | boolean;
  jsonata?: string;
  to: string;
  each?: string;
  when?: { path: string; is: string; value?: unknown };
  transforms?: TransformUse[];
  lookup?: string;
  default?: string | number | boolean;
  required?: boolean;
  onError?: string;
  direction?: string;
  note?: string;
  source?: string;
  accepted?: { by: string; at: string; score?: number; reasons?: string[] };
}

export interface Mapping {
  id: string;
  version: string;
  title: string;
  source: Side;
  target: Side;
  rows: Row[];
  sample?: unknown;
  [more: string]: unknown;
}

export interface TransformInfo {
  name: string;
  takes: string;
  gives: string;
  description: string;
  invertible: boolean;
  arguments: Record<string, { kind: string; description: string; required?: boolean; choices?: string[] }>;
}

export interface Field {
  path: string;
  type: string;
  description: string;
  required: boolean;
  mandatory: boolean;
  sensitivity?: string;
  format?: string;
  values?: string[];
}

/** Looks a text up in the node's locale file. */
export type Translate = (key: string, substitutions?: Record<string, unknown>) => string;
