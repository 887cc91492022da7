/** A changed mapping on the last documents that the node took, beside what the deployed one makes of them. */
import { toFailure } from '../kernel/failure.ts';
import { evaluateExpressions } from './jsonata/evaluator.ts';
import type { CompiledMapping } from './mapping/compile.ts';
import { valuesBetween } from './mapping/difference.ts';
import { read } from './mapper.ts';
import { classAt } from './explain.ts';
import { validatorOf } from './model/validate.ts';
import type { RecentDocument } from './recent.ts';
import type { DocumentSource } from './stored.ts';

/** A document to try, and where it is from: the node's memory, or what the store holds. */
export interface TrialDocument extends RecentDocument {
  origin: 'node' | DocumentSource['kind'];
}

export interface DryRun {
  key: string;
  origin: TrialDocument['origin'];
  at: string;
  event?: string;
  /** What the flow made of it when it came. */
  outcome: string;
  /**
   * `refused`: it would not pass; `mended`: it did not pass with the deployed mapping and now would; `listed`: the
   * mapping cannot run yet, and the document is there to be opened as its sample.
   */
  verdict: 'same' | 'changed' | 'refused' | 'mended' | 'new' | 'listed';
  /** Why it would be refused; no values. */
  problems: { row?: number; path: string; found?: string; expected: string }[];
  /** Where the results differ. Values of classes P and I at most: a dry run opens no document. */
  changes: { path: string; before?: string; after?: string }[];
}

const shownClasses = new Set(['P', 'I']);

/**
 * @param draft undefined where it cannot run yet
 * @param deployed undefined where no mapping is deployed yet
 * @param values false: paths alone. A draft may read a patient's name into a field of class I, so values are for those
 *   who may open documents
 */
export async function dryRun(
  draft: CompiledMapping | undefined,
  deployed: CompiledMapping | undefined,
  documents: readonly TrialDocument[],
  values: boolean,
): Promise<DryRun[]> {
  const runs: DryRun[] = [];
  for (const { key, origin, at, event, outcome, document, asOf } of documents) {
    const told = { key, origin, at, ...(event === undefined ? {} : { event }), outcome };
    if (draft === undefined) {
      runs.push({ ...told, verdict: 'listed', problems: [], changes: [] });
      continue;
    }
    const now = await resultOf(draft, document, asOf);
    const before = deployed === undefined ? undefined : await resultOf(deployed, document, asOf);
    const entity = 'entity' in draft.mapping.target ? draft.mapping.target.entity : undefined;
    const text = (path: string, value: unknown): string | undefined =>
      values && value !== undefined && entity !== undefined && shownClasses.has(classAt(entity, path))
        ? String(value).slice(0, 100)
        : undefined;
    const refused = now.problems.length > 0;
    const changes =
      refused || before === undefined || before.problems.length > 0
        ? []
        : valuesBetween(before.value, now.value, 100).map((change) => {
            const [was, is] = [text(change.path, change.before), text(change.path, change.after)];
            return {
              path: change.path,
              ...(was === undefined ? {} : { before: was }),
              ...(is === undefined ? {} : { after: is }),
            };
          });
    const verdict = refused
      ? 'refused'
      : before === undefined
        ? 'new'
        : before.problems.length > 0
          ? 'mended'
          : changes.length > 0
            ? 'changed'
            : 'same';
    runs.push({ ...told, verdict, problems: now.problems.slice(0, 20), changes });
  }
  return runs;
}

/** What a mapping makes of a document, and everything that would keep it from passing; never throws. */
export async function resultOf(
  compiled: CompiledMapping,
  document: string | Uint8Array,
  asOf: string | undefined,
): Promise<{ value: unknown; problems: DryRun['problems'] }> {
  const { mapping } = compiled;
  try {
    const source = read(mapping.source, document);
    const { value, violations } = compiled.run(source, {
      ...(asOf === undefined ? {} : { asOf }),
      ...(compiled.expressions.length === 0 ? {} : { expressions: await evaluateExpressions(compiled, source) }),
    });
    const problems: DryRun['problems'] = violations.map(({ row, path, target, found, expected }) => ({
      row,
      path: path === '' ? target : path,
      ...(found === undefined ? {} : { found }),
      expected,
    }));
    const checks: [unknown, string | undefined, 'strict' | 'tolerant'][] = [
      [source, 'entity' in mapping.source ? mapping.source.entity : undefined, 'tolerant'],
      [value, 'entity' in mapping.target ? mapping.target.entity : undefined, 'strict'],
    ];
    for (const [checked, entity, reading] of checks) {
      if (entity === undefined) continue;
      for (const { path, found, expected } of validatorOf(entity, reading)(checked).violations)
        problems.push({ path, found, expected });
    }
    return { value, problems };
  } catch (error) {
    return { value: undefined, problems: [{ path: '', expected: toFailure(error).message }] };
  }
}
