/** Tells a consumer when something that its flow needs is down. */
import { onDependencies, outageWords, unavailable } from '../../kernel/resilience/dependencies.ts';

export interface OutageWatch {
  /** Looks again what the flow needs, e.g. after a deploy, and whether it is there. */
  look(): void;
  stop(): void;
}

/**
 * @param needed ids of config nodes that the flow uses; others among them do no harm
 * @param onOutage what cannot be reached and why, for people; undefined when all is there
 */
export function watchOutages(needed: () => Iterable<string>, onOutage: (why: string | undefined) => void): OutageWatch {
  let ids: string[] = [];
  const tell = () => {
    const down = unavailable(ids);
    onOutage(down.length === 0 ? undefined : outageWords(down));
  };
  const off = onDependencies(tell);
  return {
    look() {
      ids = [...needed()];
      tell();
    },
    stop: off,
  };
}
