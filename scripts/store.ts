/** `npm run store -- <command> …`: the package's `healthflows-store` from the sources. */
import '../nodes/idempotency/command/store.ts';
