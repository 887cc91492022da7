import { Failure } from '../../kernel/failure.ts';

const claimed = new Set<string>();

/**
 * One node in this process follows a source: two would send everything twice.
 * @returns a function that gives it back
 * @throws Failure `configuration` (`ODOO_CHANGES_CHECKPOINT`)
 */
export function claimSource(store: string, source: string): () => void {
  const key = `${store} ${source}`;
  if (claimed.has(key)) {
    throw new Failure(
      'configuration',
      'ODOO_CHANGES_CHECKPOINT',
      `Another odoo-changes node keeps its place under the checkpoint "${source}". Give this one another name.`,
    );
  }
  claimed.add(key);
  return () => void claimed.delete(key);
}
