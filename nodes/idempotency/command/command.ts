/** `healthflows-store`: what an administrator does with a store while Node-RED is stopped. */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { auditKeys, exportAudit, keepAudit, verifyAudit } from '../../kernel/audit/index.ts';
import { Failure } from '../../kernel/failure.ts';
import { payloadKeys } from '../../kernel/payload-key.ts';
import { openPrivateStore, type PostgresqlOptions, type Store, type StoreOptions } from '../../kernel/store/index.ts';
import { keysInUse } from '../../kernel/store/keys-in-use.ts';
import { auditBroken, moveStore } from '../../kernel/store/transfer/move.ts';
import { recordExport } from '../../kernel/audit/operations.ts';
import { countRows, digestOfSqlite, listTables } from '../../kernel/store/transfer/tables.ts';
import { purgeOriginals } from '../../evidence/index.ts';
import { purge } from '../keys.ts';

const usage = `Usage: healthflows-store <command> …       (in a checkout: npm run store -- <command> …)

  move   --from sqlite:<file> --to postgres://<host>/<database>
                                 copies a store into an empty PostgreSQL schema and verifies it
  info   --store <address>       schema, size and rows of each table
  backup --store sqlite:<file> --to <file>
  verify --store <address>       the audit trail, and the file itself on SQLite
         [--anchor <entry>:<hash>]   a state that you kept elsewhere   [--audit-key <public key> …]   keys to trust
  export --store <address> --to <file> [--format jsonl|fhir]
                                 the audit trail as JSON Lines or as FHIR R4 AuditEvent, one a line
  purge  --store <address>       idempotency keys and originals, and audit entries under a signed checkpoint, past their retention
  keys   --store <address>       with which keys payloads are encrypted, how many rows with each; the audit's public key

An address is sqlite:<file> or postgres://<user>@<host>:<port>/<database>; the password may come from PGPASSWORD.
--schema <name> names the PostgreSQL schema; without it "healthflows". Stop Node-RED first: a SQLite store serves one
process. Nothing is ever removed by move; the file stays as it is.`;

interface Arguments {
  store?: string;
  from?: string;
  to?: string;
  schema?: string;
  anchor?: string;
  'audit-key'?: string;
  format?: string;
}

type Given = Required<Pick<Arguments, 'store' | 'from' | 'to'>> & Arguments;

type Print = (line: string) => void;

/** @returns the exit code: 0 done, 1 failed, 2 not understood */
export async function storeCommand(argv: readonly string[], print: Print, complain: Print): Promise<number> {
  let parsed: { values: Arguments & { help?: boolean }; positionals: string[] };
  try {
    const text = { type: 'string' } as const;
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        store: text,
        from: text,
        to: text,
        schema: text,
        anchor: text,
        'audit-key': text,
        format: text,
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    complain(`${(error as Error).message}\n\n${usage}`);
    return 2;
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    print(usage);
    return 0;
  }
  const command = commands[positionals[0] ?? ''];
  const missing = command?.needs.filter((name) => values[name] === undefined);
  if (command === undefined || positionals.length > 1 || missing!.length > 0) {
    complain(missing?.length ? `${positionals[0]} needs --${missing.join(' and --')}.\n\n${usage}` : usage);
    return 2;
  }
  try {
    await command.run(values as Given, print);
    return 0;
  } catch (error) {
    complain(error instanceof Failure ? `${error.code}: ${error.message}` : String(error));
    return 1;
  }
}

interface Command {
  needs: readonly (keyof Arguments)[];
  run(args: Given, print: Print): Promise<void>;
}

const commands: Record<string, Command> = {
  move: {
    needs: ['from', 'to'],
    run: async ({ from, to, schema }, print) => {
      const target = optionsOf(to, schema);
      if (target.engine !== 'postgresql') throw invalid(to, 'a store is moved to postgres://…');
      await using source = await opened(sqliteOnly(from), true);
      const started = performance.now();
      const { tables, audit } = await moveStore({
        from: source.store,
        to: target,
        actor: userInfo().username,
        onTable: (name, { rows, hash }) => print(`${name.padEnd(24)} ${rowsText(rows)}  ${hash.slice(0, 16)}`),
      });
      const rows = Object.values(tables).reduce((sum, table) => sum + table.rows, 0);
      print(
        `Moved and verified ${rows} rows in ${((performance.now() - started) / 1000).toFixed(1)} s; the audit trail of ${audit.kind === 'intact' ? audit.entries : 0} entries is intact.`,
      );
      print(
        'Now let the integration-store point to PostgreSQL before Node-RED starts, and keep the file away from every Node-RED: both would send what waits in the outbox.',
      );
    },
  },
  info: {
    needs: ['store'],
    run: async ({ store: address, schema }, print) => {
      await using source = await opened(optionsOf(address, schema));
      const tables = (await source.store.run(listTables, undefined)).map(({ name }) => name);
      const counts = await source.store.run(countRows, { tables });
      const { version, size } = source.store.status();
      print(`${version}${size === undefined ? '' : `, ${(size / 1024 / 1024).toFixed(1)} MiB`}`);
      for (const [name, rows] of Object.entries(counts)) print(`${name.padEnd(24)} ${rowsText(rows)}`);
    },
  },
  verify: {
    needs: ['store'],
    run: async ({ store: address, schema, anchor, 'audit-key': key }, print) => {
      const keys = auditKeys(process.env, key);
      const kept = anchor === undefined ? {} : { anchor: anchorOf(anchor) };
      await using source = await opened(optionsOf(address, schema), true);
      if (source.store.engine === 'sqlite') {
        for (const table of await source.store.run(listTables, undefined)) {
          const { rows, hash } = await digestOfSqlite(source.store, table);
          print(`${table.name.padEnd(24)} ${rowsText(rows)}  ${hash.slice(0, 16)}`);
        }
      }
      const audit = await verifyAudit(source.store, { keys, ...kept });
      if (audit.kind === 'broken') throw auditBroken(audit);
      const { entries, first, hash, signed } = audit;
      print(
        `The audit trail is intact, from entry ${first} to ${entries}; its head is ${hash}.${first > 1 ? ` Entries before ${first} were removed after their retention, which is signed.` : ''}`,
      );
      if (signed.checkpoints === 0) print('No part of it is signed: set HEALTHFLOWS_AUDIT_KEY for signed checkpoints.');
      else {
        print(
          `Signed through entry ${signed.through} with key ${signed.keys.join(', ')}${signed.trusted ? '.' : ', which is not known here: whoever made the signatures also wrote that key into the store. Compare it, and give it with --audit-key.'}`,
        );
      }
    },
  },
  export: {
    needs: ['store', 'to'],
    run: async ({ store: address, schema, to, format = 'jsonl' }, print) => {
      if (format !== 'jsonl' && format !== 'fhir') throw invalid(format, 'a format is jsonl or fhir');
      const file = resolve(to);
      if (existsSync(file))
        throw new Failure('configuration', 'EXPORT_EXISTS', `${file} is there already; an export replaces nothing.`);
      await using source = await opened(optionsOf(address, schema));
      const { store } = source;
      await store.run(recordExport, { actor: userInfo().username, format });
      const lines = exportAudit(
        store,
        {},
        format === 'fhir' ? { kind: 'fhir', observer: 'healthflows-store' } : { kind: 'jsonl' },
      );
      print(`${await written(lines, file)} entries written to ${file}.`);
    },
  },
  backup: {
    needs: ['store', 'to'],
    run: async ({ store: address, to }, print) => {
      await using source = await opened(sqliteOnly(address), true);
      const { file, size } = await source.store.backup!(resolve(to));
      print(`${file}, ${(size / 1024 / 1024).toFixed(1)} MiB`);
    },
  },
  purge: {
    needs: ['store'],
    run: async ({ store: address, schema }, print) => {
      await using source = await opened(optionsOf(address, schema));
      const limit = 1000;
      for (const [what, operation] of [
        ['keys', purge],
        ['originals', purgeOriginals],
      ] as const) {
        let total = 0;
        for (let purged = limit; purged === limit; total += purged) {
          purged = await source.store.run(operation, { limit });
        }
        print(`${total} ${what} removed.`);
      }
      const audit = await keepAudit(source.store, { keys: auditKeys(), actor: userInfo().username, pause: 0 });
      if (audit.kind === 'broken') throw auditBroken(audit.verdict);
      print(
        audit.kind === 'no-key'
          ? 'No audit entry is removed: without HEALTHFLOWS_AUDIT_KEY nobody could tell it from a deletion.'
          : `${audit.removed} audit entries removed.`,
      );
    },
  },
  keys: {
    needs: ['store'],
    run: async ({ store: address, schema }, print) => {
      const keys = payloadKeys();
      await using source = await opened(optionsOf(address, schema));
      const uses = await keysInUse(source.store);
      const named = (id: string | null) =>
        id === null
          ? 'not encrypted'
          : id === keys.current?.id
            ? `${id} (present key)`
            : `${id} (${keys.byId.has(id) ? 'former key' : 'KEY MISSING'})`;
      for (const { table, keyId, rows } of uses) print(`${table.padEnd(24)} ${rowsText(rows)}  ${named(keyId)}`);
      const used = new Set(uses.map(({ keyId }) => keyId));
      for (const id of keys.byId.keys())
        if (id !== keys.current?.id && !used.has(id)) print(`Nothing needs the former key ${id}: it may be removed.`);
      if (uses.length === 0) print('There are no payloads in this store.');
      const audit = auditKeys().current;
      print(
        audit === undefined
          ? 'The audit trail is not signed: HEALTHFLOWS_AUDIT_KEY is not set.'
          : `The audit trail is signed with key ${audit.id}; its public key is ${audit.publicKey.toString('hex')}.`,
      );
    },
  },
};

/** Writes a file that is whole or not there. @returns its lines */
async function written(lines: AsyncIterable<string>, file: string): Promise<number> {
  const partial = `${file}.partial`;
  const handle = openSync(partial, 'w', 0o600);
  let count = 0;
  try {
    for await (const line of lines) {
      writeSync(handle, line);
      count++;
    }
    fsyncSync(handle);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    closeSync(handle);
  }
  renameSync(partial, file);
  return count;
}

function anchorOf(text: string): { seq: number; hash: Buffer } {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new Failure('configuration', 'ANCHOR_INVALID', 'An anchor is <entry>:<hash of 64 hexadecimal digits>.');
  return { seq: Number(seq), hash: Buffer.from(hash, 'hex') };
}

function rowsText(rows: number): string {
  return `${String(rows).padStart(10)} rows`;
}

function optionsOf(address: string, schema?: string): StoreOptions {
  if (/^postgres(ql)?:/.test(address)) {
    const options: PostgresqlOptions = { engine: 'postgresql', url: address };
    return schema === undefined ? options : { ...options, schema };
  }
  return sqliteOnly(address);
}

function sqliteOnly(address: string): StoreOptions {
  if (!address.startsWith('sqlite:')) throw invalid(address, 'expected sqlite:<file>');
  const file = resolve(address.slice('sqlite:'.length));
  if (existsSync(file)) return { engine: 'sqlite', file };
  throw new Failure('configuration', 'STORE_CANNOT_OPEN', `There is no file ${file}.`);
}

/** The address may hold a password. */
function invalid(address: string, expected: string): Failure {
  const shown = address.replace(/\/\/[^/]*@/, '//…@');
  return new Failure('configuration', 'STORE_ADDRESS_INVALID', `"${shown}" is no address for this: ${expected}.`);
}

/** Milliseconds: nobody waits for an answer here, and checking a file of gigabytes takes minutes. */
const patience = 3_600_000;

/** @param thorough the whole file is checked, whatever its size */
async function opened(options: StoreOptions, thorough = false): Promise<{ store: Store } & AsyncDisposable> {
  const limit = thorough ? { integrityCheckLimit: Number.MAX_SAFE_INTEGER } : {};
  const store = openPrivateStore(options.engine === 'sqlite' ? { ...options, patience, ...limit } : options);
  const dispose = () => store.close();
  try {
    await store.run(countRows, { tables: [] });
  } catch (error) {
    await dispose();
    throw error;
  }
  return { store, [Symbol.asyncDispose]: dispose };
}
