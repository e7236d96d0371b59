/** The durable log in memory, as raft reads it. */
import { emptyConfiguration } from "../raft/configuration.ts";
import { MemoryStorage } from "../raft/memory-storage.ts";
import type { Index, Snapshot, SnapshotMeta } from "../raft/message.ts";
import type { SnapshotSource } from "./snapshot-format.ts";

export class NodeLog extends MemoryStorage {
  readonly #stateNow: () => SnapshotSource;

  /** `stateNow`: the state up to the last entry applied. */
  constructor(start: SnapshotMeta | undefined, stateNow: () => SnapshotSource) {
    super(start === undefined ? emptyConfiguration : { meta: start, data: undefined });
    this.#stateNow = stateNow;
  }

  /** The index so many entries before `index`, if they are all still there; less far if they have more bytes. */
  indexBehind(index: Index, entries: number, bytes: number): Index {
    const lowest = Math.max(this.firstIndex - 1, index - entries);
    let size = 0;
    let behind = index;
    for (const entry of [...this.entries(lowest + 1, index + 1, Number.POSITIVE_INFINITY)].reverse()) {
      size += entry.data.length;
      if (size > bytes) return behind;
      behind = entry.index - 1;
    }
    return lowest;
  }

  /** A member that is far behind is sent the state of now: newer than the newest on disk, and nothing is kept for it. */
  override snapshot(): Snapshot {
    const data = this.#stateNow();
    return { meta: data.meta, data };
  }
}
