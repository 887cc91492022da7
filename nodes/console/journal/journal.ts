/** The journal of this Node-RED: which store it is in, how long it keeps, who writes it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Sensitivity, sensitivities } from '../../canonical/index.ts';
import { journalDaysDefault } from '../../evidence/index.ts';
import { Failure } from '../../kernel/failure.ts';
import { logLine } from '../../kernel/telemetry/log.ts';
import type { Store } from '../../kernel/store/store.ts';
import { addTelemetrySink } from '../../kernel/telemetry/telemetry.ts';
import { onFlowsStopping, type RuntimeApi } from '../../node/index.ts';
import { runningStores } from '../stores.ts';
import { JournalRecorder } from './recorder.ts';
import { journalOverflow, purgeJournal } from './write.ts';

export interface JournalSettings {
  /** Days that a message is kept, from when it was first seen. Default 14. */
  days: number;
  /** Messages kept at most; the oldest go first. Default 1,000,000. */
  messages: number;
  /** Sensitivity classes of which business keys are kept. Default P, I and C: no names, no health data, no secrets. */
  keys: Sensitivity[];
  /** Id or name of the integration store it is in. Default the first. */
  store?: string;
}

const defaults: JournalSettings = { days: journalDaysDefault, messages: 1_000_000, keys: ['P', 'I', 'C'] };

/**
 * `healthflows: {journal: {days, messages, keys, store}}` in settings.js; undefined for `journal: false`.
 * @throws Failure `configuration` `JOURNAL_SETTINGS`
 */
export function journalSettings(RED: RuntimeApi): JournalSettings | undefined {
  const own = (RED.settings.healthflows as { journal?: unknown } | undefined)?.journal;
  if (own === false) return undefined;
  if (own === undefined || own === true) return defaults;
  if (typeof own !== 'object' || own === null) throw wrong('it must be false or an object');
  const { days, messages, keys, store, ...others } = { ...defaults, ...own } as JournalSettings;
  const unknown = Object.keys(others)[0];
  if (unknown !== undefined) throw wrong(`"${unknown}" is unknown`);
  if (!(Number.isFinite(days) && days > 0 && days <= 3_650)) throw wrong('"days" must be above 0 and at most 3,650');
  if (!(Number.isSafeInteger(messages) && messages > 0)) throw wrong('"messages" must be a whole number above 0');
  if (!Array.isArray(keys) || !keys.every((key) => sensitivities.includes(key)))
    throw wrong(`"keys" must be a list of ${sensitivities.join(', ')}`);
  if (store !== undefined && typeof store !== 'string') throw wrong('"store" must be the id or name of a store');
  return { days, messages, keys, ...(store === undefined ? {} : { store }) };
}

function wrong(why: string): Failure {
  return new Failure('configuration', 'JOURNAL_SETTINGS', `healthflows.journal in settings.js cannot be used: ${why}.`);
}

/** The store that the journal is in; undefined when it is not deployed. */
export function journalStore(RED: RuntimeApi, { store: named }: JournalSettings): Store | undefined {
  const stores = runningStores(RED);
  const chosen = named === undefined ? stores[0] : stores.find(({ id, name }) => id === named || name === named);
  return chosen?.store;
}

/** Milliseconds between rounds of the purge, and between looks whether there are too many messages. */
const interval = 60_000;
const countEvery = 15 * 60_000;
/** Messages removed in one transaction, and milliseconds between two: what messages need comes first. */
const slice = 200;
const pause = 50;
const day = 86_400_000;

let running = false;

/** Once a process, however many runtimes load the plugin. */
export function startJournal(RED: RuntimeApi): JournalSettings | undefined {
  let settings: JournalSettings | undefined;
  try {
    settings = journalSettings(RED);
  } catch (error) {
    RED.log.error(
      logLine('journal', { problem: `${(error as Failure).message} Nothing is journalled until it is corrected.` }),
    );
    return undefined;
  }
  if (settings === undefined || running) return settings;
  running = true;
  const kept = settings;
  const store = () => journalStore(RED, kept);
  const recorder = new JournalRecorder({ store, classes: kept.keys });
  addTelemetrySink(recorder);
  // Before the store closes with its flow: what it has accepted it finishes.
  onFlowsStopping(() => void recorder.flush());
  void keepShort(kept, store);
  return kept;
}

async function keepShort(settings: JournalSettings, storeOf: () => Store | undefined): Promise<void> {
  let counted = Date.now();
  for (;;) {
    await sleep(interval * (0.9 + Math.random() / 5), undefined, { ref: false });
    const store = storeOf();
    if (store === undefined) continue;
    try {
      await trimJournal(store, Date.now() - settings.days * day);
      if (Date.now() - counted < countEvery) continue;
      counted = Date.now();
      const before = await store.run(journalOverflow, { limit: settings.messages });
      if (before !== undefined) await trimJournal(store, before + 1);
    } catch {
      // The store tells its own troubles; the next round tries again.
    }
  }
}

/** Removes what began before an instant, in slices. */
export async function trimJournal(store: Store, before: number): Promise<number> {
  let total = 0;
  for (;;) {
    const gone = await store.run(purgeJournal, { before, limit: slice });
    total += gone;
    if (gone < slice) return total;
    await sleep(pause, undefined, { ref: false });
  }
}
