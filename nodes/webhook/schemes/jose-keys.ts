/** The keys of a JOSE scheme: those in the node and those of a key set, found by the name that a token gives. */
import { type Material, readJoseKey } from './jose.ts';
import { KeySet, type KeySetSource, keySetUrl } from './key-set.ts';
import { type Key, prepareKeys } from './keys.ts';
import {
  type KeyEntry,
  mostKeys,
  type Rejected,
  rejected,
  type SchemeHost,
  type SchemeOptions,
  type Trace,
} from './scheme.ts';

export class JoseKeys {
  readonly #own: readonly Key<Material>[];
  readonly #set: KeySet | undefined;

  /** @throws Failure `configuration` when a key or the address of the key set cannot be used */
  constructor(
    entries: readonly KeyEntry[],
    options: SchemeOptions,
    issuer: string,
    host: SchemeHost | undefined,
    source?: KeySetSource,
  ) {
    const url = keySetUrl(options, issuer);
    this.#set = url === undefined ? undefined : new KeySet(url, host, source);
    this.#own = entries.length === 0 && this.#set !== undefined ? [] : prepareKeys(entries, readJoseKey);
  }

  /** See {@link KeySet.ready}. */
  ready(kid: string | undefined): Promise<void> | undefined {
    if (this.#set === undefined || (kid !== undefined && this.#own.some(({ id }) => id === kid))) return undefined;
    return this.#set.ready(kid);
  }

  /** Without a kid the token may be of any key, as long as they are few; with one it must be of that key. */
  candidates(kid: string | undefined, trace?: Trace): readonly Key<Material>[] | Rejected {
    const published = this.#set?.keys;
    const all = [...this.#own, ...(published ?? [])];
    const fitting = kid === undefined ? all : all.filter(({ id }) => id === kid);
    if (fitting.length === 0 && this.#set !== undefined && published === undefined)
      return rejected('unavailable', 'key set', trace, 'the key set cannot be fetched at present');
    if (fitting.length > mostKeys)
      return rejected('invalid', 'key', trace, `a kid is needed: there are more than ${mostKeys} keys`);
    return fitting;
  }
}
