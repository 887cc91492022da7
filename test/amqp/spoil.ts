/** What nobody should do to a store, as operations. */
import { defineOperation, query } from '../../nodes/kernel/store/operation.ts';

/** All bodies look as if they were sealed with a key that is not there. */
export const loseKey = defineOperation(import.meta.url, 'loseKey', function* (_: undefined) {
  const sealed = Buffer.concat([
    Buffer.from([0x00, 0x48, 0x46, 0x01]),
    Buffer.from('deadbeef', 'hex'),
    Buffer.alloc(40),
  ]);
  yield* query('UPDATE messaging_bodies SET body = $1', sealed);
  yield* query('UPDATE messaging_messages SET body = $1', sealed);
});
