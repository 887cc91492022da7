/** What stands beside the node. */
import type { BreakerState } from '../../kernel/resilience/breaker.ts';
import type { StatusKind } from '../../node/index.ts';
import type { FollowerStatus } from '../changes/follower.ts';

export function statusOf(
  { progress, problem, lastRun, setAside, settled }: FollowerStatus,
  inFlight: number,
  breaker: BreakerState['kind'],
  now: number,
): { kind: StatusKind; text: string } {
  const aside = setAside > 0 ? ` · ${grouped(setAside)} set aside` : '';
  const lag = lastRun === undefined ? '' : ` · last look ${ago(now - lastRun)}`;
  if (breaker === 'open') return { kind: 'down', text: `Odoo down${lag}` };
  if (breaker === 'isolated') return { kind: 'paused', text: `Odoo out of service${lag}` };
  if (problem !== undefined) {
    return { kind: problem.class === 'dependency-outage' ? 'down' : 'failed', text: `${problem.code}${lag}` };
  }
  if (progress !== undefined) {
    const waiting = inFlight > 0 ? ` · ${grouped(inFlight)} to settle` : '';
    return { kind: 'working', text: `${grouped(progress.done)} of ${grouped(progress.total)}${waiting}${aside}` };
  }
  if (inFlight > 0) return { kind: 'waiting', text: `waiting for settle: ${grouped(inFlight)}${aside}` };
  if (lastRun === undefined) return { kind: 'idle', text: `ready${aside}` };
  const at = new Date(lastRun).toTimeString().slice(0, 8);
  return { kind: setAside > 0 ? 'degraded' : 'working', text: `${at} · ${grouped(settled)} changes${aside}` };
}

function ago(milliseconds: number): string {
  const minutes = Math.floor(milliseconds / 60_000);
  if (minutes < 1) return 'now';
  return minutes < 120 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
}

function grouped(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}
