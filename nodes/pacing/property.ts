import type { RuntimeApi } from '../node/index.ts';
import type { PropertyOf } from './key.ts';

/** Properties by Node-RED's own means; undefined too where what holds one is missing, for which Node-RED throws. */
export function propertyReader(RED: Pick<RuntimeApi, 'util'>): PropertyOf {
  return (message, path) => {
    try {
      return RED.util.getMessageProperty(message, path);
    } catch {
      return undefined;
    }
  };
}
