/** The approval nodes of this runtime: which process is decided where, and with which key its links are signed. */
import { Failure } from '../kernel/failure.ts';
import type { Store } from '../kernel/store/store.ts';
import type { PayloadCipher } from '../settlement/index.ts';

export interface ApprovalDesk {
  /** Id of the `approval` node, and its name for people. */
  node: string;
  label: string;
  process: string;
  storeId: string;
  store: Store;
  cipher: PayloadCipher;
  /** Empty: no links are made. */
  linkKey: string;
  /** Bytes of a stored message. */
  maxSize: number;
  /** Something was decided here. */
  wake(): void;
}

const desks = new Map<string, ApprovalDesk>();

/**
 * @returns a function that takes the desk away
 * @throws Failure `configuration` `APPROVAL_PROCESS_TAKEN`: two nodes would send on each other's messages
 */
export function openApprovalDesk(desk: ApprovalDesk): () => void {
  for (const other of desks.values()) {
    if (other.node !== desk.node && other.process === desk.process && other.storeId === desk.storeId) {
      throw new Failure(
        'configuration',
        'APPROVAL_PROCESS_TAKEN',
        `Another approval node already has the process "${desk.process}" in this store. Give each approval node a process of its own.`,
      );
    }
  }
  desks.set(desk.node, desk);
  return () => {
    if (desks.get(desk.node) === desk) desks.delete(desk.node);
  };
}

export function openApprovalDesks(): ApprovalDesk[] {
  return [...desks.values()];
}
