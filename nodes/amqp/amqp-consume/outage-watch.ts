/** Tells a consumer when something that its flow needs is down. */
import { onDependencies, unavailable } from '../../kernel/resilience/dependencies.ts';

export interface OutageWatch {
  /** Looks again what the flow needs, e.g. after a deploy, and whether it is there. */
  look(): void;
  stop(): void;
}

/**
 * @param needed ids of config nodes that the flow uses; others among them do no harm
 * @param onOutage what is down, for people; undefined when all is there
 */
export function watchOutages(
  needed: () => Iterable<string>,
  onOutage: (down: string | undefined) => void,
): OutageWatch {
  let ids: string[] = [];
  const tell = () => {
    const down = unavailable(ids);
    onOutage(down.length === 0 ? undefined : [...new Set(down.map(({ name }) => name))].join(', '));
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
