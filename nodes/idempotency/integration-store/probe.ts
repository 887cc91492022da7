/** The Test button: what the values of the dialog lead to. Nothing is made and nothing is brought forward by a test. */
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { Failure } from '../../kernel/failure.ts';
import { payloadKeys } from '../../kernel/payload-key.ts';
import { openStore, type StoreOptions } from '../../kernel/store/index.ts';
import { type Inspected, inspectDatabase, inspectFile } from '../../kernel/store/inspect.ts';
import { defineOperation, query } from '../../kernel/store/operation.ts';

export type ProbeResult = {
  /** Short id of the key that payloads are encrypted with. */
  key?: string;
} & (
  | /** It is deployed here and has committed a change of nothing. */ { kind: 'at-work'; version: string }
  | /** It is there and ready for a deploy; `pending`: steps by which the deploy brings it forward. */ {
      kind: 'ready';
      version: string;
      pending: number;
    }
  | /** It is made on deploy; `file` on SQLite. */ { kind: 'absent'; version?: string; file?: string }
);

export const touch = defineOperation(import.meta.url, 'touch', function* (_: undefined) {
  yield* query('UPDATE audit_head SET entries = entries WHERE id = 1');
});

export interface ProbeLimits {
  /** A file outside is looked at only when it is a deployed store's. */
  userDir: string;
  /** Files of the deployed stores. */
  deployed: readonly string[];
}

/** @throws Failure that says why it cannot be used */
export async function probe(options: StoreOptions, limits: ProbeLimits): Promise<ProbeResult> {
  const id = payloadKeys().current?.id;
  const key = id === undefined ? {} : { key: id };
  if (options.engine === 'postgresql') return { ...result(await inspectDatabase(options)), ...key };
  const file = realPath(options.file);
  const isDeployed = limits.deployed.some((one) => realPath(one) === file);
  if (!isDeployed && relative(realPath(limits.userDir), file).startsWith('..')) {
    throw new Failure(
      'configuration',
      'STORE_FILE_ELSEWHERE',
      "The file is not in Node-RED's user directory, so that it is tested only once it is deployed.",
    );
  }
  if (isDeployed && existsSync(file)) {
    const store = openStore(options);
    try {
      await store.run(touch, undefined);
      return { kind: 'at-work', version: store.status().version ?? 'SQLite', ...key };
    } finally {
      await store.close();
    }
  }
  const found = inspectFile(file);
  return { ...(found.kind === 'absent' ? { kind: 'absent', file } : result(found)), ...key };
}

function result(found: Inspected): ProbeResult {
  const { kind, version } = found;
  return kind === 'empty' ? { kind: 'absent', version } : { kind: 'ready', version, pending: found.pending };
}

/** Where links lead, as far as the path exists. */
function realPath(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const parent = dirname(path);
  return parent === path ? path : join(realPath(parent), basename(path));
}
