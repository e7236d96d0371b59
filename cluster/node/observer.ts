/**
 * What a node lets an observer see of its inside, at the moment it happens: `NodeOptions.observer`. The simulator
 * hangs the invariants of raft here; a real server runs without one. An observer changes nothing and may throw, which
 * ends the run, not the node.
 */
import type { Applied, Command } from "../kv/command.ts";
import type {
  Configuration,
  Entry,
  HardState,
  Index,
  LogStorage,
  Message,
  RaftCore,
  Ready,
  Term,
} from "../raft/message.ts";

export interface NodeObserver {
  /** The node has recovered from its disk and is about to let its core take the first step. */
  started(start: {
    readonly core: RaftCore;
    readonly storage: LogStorage;
    readonly hard: HardState;
    readonly applied: Index;
    readonly stateHash: number;
  }): void;
  /** Right after `takeReady`, before anything in the batch is sent, written or applied. */
  ready(ready: Ready): void;
  /**
   * The bytes of an append were handed to the disk: it is durable once the first `end` bytes of `path` are.
   * Called in the order of the appends.
   */
  written(append: NonNullable<Ready["append"]>, path: string, end: number): void;
  /** A message leaves the node, or is stepped by its own core. */
  sent(message: Message): void;
  /** A client's command is about to be handed to raft, as this data. */
  proposed(command: Command, data: Uint8Array): void;
  /** The state machine has carried out the command of an entry. */
  commandApplied(entry: Entry, command: Command, applied: Applied): void;
  /** The state machine has applied the entry at `index`. */
  applied(index: Index, stateHash: number): void;
  /** The state machine was replaced by that of a snapshot from another member. */
  restored(index: Index, stateHash: number): void;
  configurationApplied(index: Index, configuration: Configuration): void;
  /** Just before `core.readIndex(context)`. */
  readRequested(context: number): void;
  /** A client is about to be told that its write, the entry at (index, term), took effect. */
  acknowledged(index: Index, term: Term): void;
}
