/**
 * A LogStorage in memory: the tail of the log from the last compaction on, and the newest snapshot. Tests use it as
 * their disk; a node keeps one in front of its write-ahead log, since the core reads synchronously.
 */
import { emptyConfiguration } from "./configuration.ts";
import { entrySize } from "./log.ts";
import type { Configuration, Entry, Index, LogStorage, Snapshot, SnapshotMeta, Term } from "./message.ts";

export class MemoryStorage implements LogStorage {
  /** Everything up to this index is compacted away; its term is kept, to check the entry after it. */
  #compactedIndex: Index;
  #compactedTerm: Term;
  #entries: Entry[] = [];
  #snapshot: Snapshot;

  /** Starts from a snapshot, or from the configuration that stands before the first entry. */
  constructor(start: Snapshot | Configuration = emptyConfiguration) {
    this.#snapshot =
      "meta" in start ? start : { meta: { index: 0, term: 0, configuration: start }, data: undefined };
    this.#compactedIndex = this.#snapshot.meta.index;
    this.#compactedTerm = this.#snapshot.meta.term;
  }

  get firstIndex(): Index {
    return this.#compactedIndex + 1;
  }

  get lastIndex(): Index {
    return this.#compactedIndex + this.#entries.length;
  }

  term(index: Index): Term | undefined {
    if (index === this.#compactedIndex) return this.#compactedTerm;
    return this.#entries[index - this.#compactedIndex - 1]?.term;
  }

  entries(low: Index, high: Index, maxBytes: number): readonly Entry[] {
    const start = low - this.#compactedIndex - 1;
    const end = Math.min(high - this.#compactedIndex - 1, this.#entries.length);
    if (start < 0) throw new RangeError(`entry ${low} is compacted, the first is ${this.firstIndex}`);
    let bytes = 0;
    let stop = start;
    while (stop < end) {
      bytes += entrySize(this.#entries[stop]!);
      if (bytes > maxBytes && stop > start) break;
      stop++;
    }
    return this.#entries.slice(start, stop);
  }

  get snapshotMeta(): SnapshotMeta {
    return this.#snapshot.meta;
  }

  /** The newest snapshot; undefined before the first, when there is only the configuration the cluster began with. */
  snapshot(): Snapshot | undefined {
    return this.#snapshot.meta.index === 0 ? undefined : this.#snapshot;
  }

  /** Writes entries as a disk would: whatever was there from the first one's index on is replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index > this.lastIndex + 1) {
      throw new RangeError(`entry ${first.index} leaves a gap after ${this.lastIndex}`);
    }
    if (first.index <= this.#compactedIndex) {
      throw new RangeError(`entry ${first.index} is compacted, the first is ${this.firstIndex}`);
    }
    const kept = first.index - this.#compactedIndex - 1;
    if (kept < this.#entries.length) this.#entries.length = kept;
    for (const entry of entries) this.#entries.push(entry);
  }

  /** Replaces log and state by a snapshot from the leader. */
  restore(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#entries = [];
    this.#compactedIndex = snapshot.meta.index;
    this.#compactedTerm = snapshot.meta.term;
  }

  /** Keeps a snapshot the host took of its own state, at an applied index; the log stays until it is compacted. */
  keepSnapshot(index: Index, configuration: Configuration, data: unknown): SnapshotMeta {
    const term = this.term(index);
    if (term === undefined) throw new RangeError(`there is no entry ${index} to take a snapshot at`);
    const meta: SnapshotMeta = { index, term, configuration };
    this.#snapshot = { meta, data };
    return meta;
  }

  /** Drops every entry up to and with `index`. Only what the newest snapshot covers may go. */
  compact(index: Index): void {
    if (index <= this.#compactedIndex) return;
    if (index > this.#snapshot.meta.index) {
      throw new RangeError(`entry ${index} is not in the snapshot at ${this.#snapshot.meta.index}`);
    }
    const term = this.term(index)!;
    this.#entries = this.#entries.slice(index - this.#compactedIndex);
    this.#compactedIndex = index;
    this.#compactedTerm = term;
  }
}
