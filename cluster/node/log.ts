/** The durable log in memory, as raft reads it. */
import { emptyConfiguration } from "../raft/configuration.ts";
import { MemoryStorage } from "../raft/memory-storage.ts";
import type { Snapshot, SnapshotMeta } from "../raft/message.ts";
import type { SnapshotSource } from "./snapshot-format.ts";

export class NodeLog extends MemoryStorage {
  readonly #stateNow: () => SnapshotSource;

  /** `stateNow`: the state up to the last entry applied. */
  constructor(start: SnapshotMeta | undefined, stateNow: () => SnapshotSource) {
    super(start === undefined ? emptyConfiguration : { meta: start, data: undefined });
    this.#stateNow = stateNow;
  }

  /** A member that is far behind is sent the state of now: newer than the newest on disk, and nothing is kept for it. */
  override snapshot(): Snapshot {
    const data = this.#stateNow();
    return { meta: data.meta, data };
  }
}
