/**
 * The last few minutes in memory: how many messages each node handled and how they failed, in slots of ten seconds.
 * The console's first page reads it; the long history belongs to Prometheus.
 */
import type { HopReport, TelemetrySink } from './telemetry.ts';

export interface RecentActivity {
  nodeId: string;
  stage: string;
  flowId?: string;
  ok: number;
  failed: number;
  byClass: Record<string, number>;
  /** Mean, in milliseconds. */
  duration: number;
  /** Milliseconds since the epoch. */
  lastAt: number;
}

interface Slot {
  at: number;
  ok: number;
  failed: number;
  duration: number;
  byClass: Map<string, number>;
}

interface Track {
  stage: string;
  flowId: string | undefined;
  slots: Slot[];
  lastAt: number;
}

const slotLength = 10_000;
const slotCount = 30;
const trackLimit = 500;

export class RecentRates implements TelemetrySink {
  readonly #tracks = new Map<string, Track>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  hop(report: HopReport): void {
    const now = this.#now();
    let track = this.#tracks.get(report.nodeId);
    if (track === undefined) {
      if (this.#tracks.size >= trackLimit) this.#forgetOldest();
      track = { stage: report.stage, flowId: report.flowId, slots: [], lastAt: now };
      this.#tracks.set(report.nodeId, track);
    }
    track.lastAt = now;
    const at = now - (now % slotLength);
    let slot = track.slots.at(-1);
    if (slot === undefined || slot.at !== at) {
      slot = { at, ok: 0, failed: 0, duration: 0, byClass: new Map() };
      track.slots.push(slot);
      if (track.slots.length > slotCount) track.slots.shift();
    }
    slot.duration += report.duration;
    if (report.outcome === 'ok') slot.ok += 1;
    else {
      slot.failed += 1;
      const failureClass = report.failureClass ?? 'defect';
      slot.byClass.set(failureClass, (slot.byClass.get(failureClass) ?? 0) + 1);
    }
  }

  /** @param window milliseconds back from now; at most five minutes are kept */
  recent(window = 60_000): RecentActivity[] {
    const from = this.#now() - window;
    return [...this.#tracks].map(([nodeId, track]) => {
      const activity: RecentActivity = {
        nodeId,
        stage: track.stage,
        ...(track.flowId === undefined ? {} : { flowId: track.flowId }),
        ok: 0,
        failed: 0,
        byClass: {},
        duration: 0,
        lastAt: track.lastAt,
      };
      let total = 0;
      for (const slot of track.slots) {
        if (slot.at + slotLength <= from) continue;
        activity.ok += slot.ok;
        activity.failed += slot.failed;
        total += slot.duration;
        for (const [key, count] of slot.byClass) activity.byClass[key] = (activity.byClass[key] ?? 0) + count;
      }
      activity.duration = activity.ok + activity.failed === 0 ? 0 : total / (activity.ok + activity.failed);
      return activity;
    });
  }

  #forgetOldest(): void {
    let oldest: [string, number] | undefined;
    for (const [id, track] of this.#tracks)
      if (oldest === undefined || track.lastAt < oldest[1]) oldest = [id, track.lastAt];
    if (oldest !== undefined) this.#tracks.delete(oldest[0]);
  }
}
