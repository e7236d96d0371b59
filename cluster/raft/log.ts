/**
 * One member's log: the durable part read through LogStorage, and after it the unstable tail, which the host has not
 * acknowledged yet (etcd-io/raft, log.go and log_unstable.go).
 *
 *   firstIndex ... stableIndex | #offset ... lastIndex
 *        LogStorage            |    unstable: handed out below #handedOut, still to hand out from there
 *
 * The storage may run ahead of the acknowledgements or lag behind a truncation: it is only ever read below #offset.
 * Invariant: applied <= handedToApply <= commit; nothing is handed out to apply before it is durable here.
 */
import type { AppendAck, Entry, Index, LogStorage, Proposal, Snapshot, Term } from "./message.ts";

/** Nothing but lost or altered durable data, or a broken member, can bring this about: the member must stop. */
export class CorruptLogError extends Error {
  override readonly name = "CorruptLogError";
}

/** Bytes that count against the uncommitted limit: what the proposer handed in. */
export function payloadSize(entry: Proposal): number {
  return entry.kind === "config" ? entry.data.length + 16 * entry.change.changes.length : entry.data.length;
}

/** Bytes that count against the limits of messages: the payload with index and term, roughly as on the wire. */
export function entrySize(entry: Entry): number {
  return 16 + payloadSize(entry);
}

const noEntries: readonly Entry[] = [];

/** How many of the entries from `start` on fit: at least one, unless there is none. */
function countThatFit(entries: readonly Entry[], start: number, end: number, maxBytes: number): number {
  let bytes = 0;
  for (let i = start; i < end; i++) {
    bytes += entrySize(entries[i]!);
    if (bytes > maxBytes && i > start) return i - start;
  }
  return end - start;
}

export class RaftLog {
  readonly #storage: LogStorage;
  readonly #bug: string;
  /** Index of the first unstable entry, that is of `#tail[0]`. */
  #offset: Index;
  readonly #tail: Entry[] = [];
  /** Unstable entries before this index were handed out to be written. */
  #handedOut: Index;
  /** An incoming snapshot that is not durable yet; it stands for the whole log before #offset. */
  #snapshot: Snapshot | undefined = undefined;
  #snapshotHandedOut = false;
  commit: Index;
  applied: Index;
  #handedToApply: Index;

  /** With a planted bug on, damage is let through instead of stopping the member, so that checkers can see it. */
  constructor(storage: LogStorage, commit: Index, applied: Index, bug: string) {
    this.#storage = storage;
    this.#bug = bug;
    const lastIndex = storage.lastIndex;
    this.#offset = lastIndex + 1;
    this.#handedOut = lastIndex + 1;
    const compacted = storage.snapshotMeta.index;
    this.commit = Math.max(commit, compacted);
    this.applied = Math.max(applied, compacted);
    this.#handedToApply = this.applied;
    if (this.commit > lastIndex) this.#corrupt(`commit ${this.commit} is beyond the last index ${lastIndex}`);
    if (this.applied > this.commit) this.#corrupt(`applied ${this.applied} is beyond commit ${this.commit}`);
  }

  #corrupt(what: string): void {
    if (this.#bug === "") throw new CorruptLogError(what);
  }

  get firstIndex(): Index {
    return this.#snapshot === undefined ? this.#storage.firstIndex : this.#snapshot.meta.index + 1;
  }

  get lastIndex(): Index {
    return this.#offset + this.#tail.length - 1;
  }

  get lastTerm(): Term {
    return this.term(this.lastIndex) ?? 0;
  }

  /** Last index that is durable on this member. */
  get stableIndex(): Index {
    return this.#snapshot === undefined ? this.#offset - 1 : 0;
  }

  /** A snapshot on its way to the disk. Until it is there, this member has no log to speak of. */
  get incomingSnapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** The term of an index in [firstIndex - 1, lastIndex]; undefined outside: compacted, or not there yet. */
  term(index: Index): Term | undefined {
    if (index >= this.#offset) return this.#tail[index - this.#offset]?.term;
    if (this.#snapshot !== undefined) {
      return index === this.#snapshot.meta.index ? this.#snapshot.meta.term : undefined;
    }
    return this.#storage.term(index);
  }

  /** Entries in [low, high): as many as fit both limits, at least one; `low` must be at least firstIndex. */
  slice(low: Index, high: Index, maxBytes: number): readonly Entry[] {
    if (low >= high) return noEntries;
    if (low >= this.#offset) {
      const start = low - this.#offset;
      return this.#tail.slice(start, start + countThatFit(this.#tail, start, high - this.#offset, maxBytes));
    }
    const stableHigh = Math.min(high, this.#offset);
    const stable = this.#storage.entries(low, stableHigh, maxBytes);
    if (high <= this.#offset || stable.length < stableHigh - low) return stable;
    let left = maxBytes;
    for (let i = 0; i < stable.length; i++) left -= entrySize(stable[i]!);
    let count = 0;
    while (count < high - this.#offset) {
      left -= entrySize(this.#tail[count]!);
      if (left < 0) break;
      count++;
    }
    return count === 0 ? stable : stable.concat(this.#tail.slice(0, count));
  }

  /** Is a log that ends so at least as up to date as this one (raft thesis, 3.6.1)? */
  isUpToDate(lastIndex: Index, lastTerm: Term): boolean {
    const ownTerm = this.lastTerm;
    return lastTerm > ownTerm || (lastTerm === ownTerm && lastIndex >= this.lastIndex);
  }

  /** Appends a leader's new entries, which follow lastIndex. */
  append(entries: readonly Entry[]): void {
    for (let i = 0; i < entries.length; i++) this.#tail.push(entries[i]!);
  }

  /** Where entries that follow a matching previous entry first disagree with the log or leave it; 0 if nowhere. */
  findConflict(entries: readonly Entry[]): Index {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (this.term(entry.index) !== entry.term) return entry.index;
    }
    return 0;
  }

  /** Drops every entry from `index` on. */
  truncate(index: Index): void {
    if (index <= this.commit) this.#corrupt(`entry ${index} is committed and must not be replaced`);
    if (index >= this.#offset) {
      this.#tail.length = index - this.#offset;
    } else {
      this.#tail.length = 0;
      this.#offset = index;
    }
    this.#handedOut = Math.min(this.#handedOut, index);
  }

  /**
   * The last index at or before `index` whose term is not above `term`: where two logs may meet, if the other one ends
   * a run of `term` at `index`. The term is undefined if the search left the log (raft thesis, 3.5, fast backtracking).
   */
  findConflictByTerm(index: Index, term: Term): Index {
    for (let i = index; i > 0; i--) {
      const own = this.term(i);
      if (own === undefined || own <= term) return i;
    }
    return 0;
  }

  commitTo(index: Index): void {
    if (index <= this.commit) return;
    if (index > this.lastIndex) this.#corrupt(`commit ${index} is beyond the last index ${this.lastIndex}`);
    this.commit = Math.min(index, this.lastIndex);
  }

  /** Replaces the whole log by a snapshot, which is committed by nature. */
  restore(snapshot: Snapshot): void {
    this.commit = snapshot.meta.index;
    this.#snapshot = snapshot;
    this.#snapshotHandedOut = false;
    this.#tail.length = 0;
    this.#offset = snapshot.meta.index + 1;
    this.#handedOut = this.#offset;
  }

  /** A snapshot of the host's, to send to a member that is far behind. None while one is coming in. */
  snapshot(): Snapshot | undefined {
    return this.#snapshot === undefined ? this.#storage.snapshot() : undefined;
  }

  /** Is there anything to write that was not handed out yet? */
  get hasUnwritten(): boolean {
    return (
      this.#handedOut < this.#offset + this.#tail.length ||
      (this.#snapshot !== undefined && !this.#snapshotHandedOut)
    );
  }

  takeUnwrittenEntries(): readonly Entry[] {
    if (this.#handedOut === this.#offset + this.#tail.length) return noEntries;
    const entries = this.#tail.slice(this.#handedOut - this.#offset);
    this.#handedOut = this.#offset + this.#tail.length;
    return entries;
  }

  takeUnwrittenSnapshot(): Snapshot | undefined {
    if (this.#snapshotHandedOut) return undefined;
    this.#snapshotHandedOut = this.#snapshot !== undefined;
    return this.#snapshot;
  }

  /**
   * To acknowledge everything handed out so far, and not only the newest batch: acknowledgements of an earlier term
   * are ignored, and then a later one must stand in for them.
   */
  ack(term: Term): AppendAck {
    const lastIndex = this.#tail.length === 0 ? 0 : this.lastIndex;
    return {
      term,
      lastIndex,
      lastTerm: lastIndex === 0 ? 0 : this.lastTerm,
      snapshotIndex: this.#snapshot?.meta.index ?? 0,
    };
  }

  /**
   * Entries up to `index` are durable, if the one there still is of `term`. The caller has checked that the term of
   * the member has not moved on: the same entry may have been overwritten and written again since, and its first
   * writing must not pass for its second (the ABA problem).
   */
  stableTo(index: Index, term: Term): void {
    if (index < this.#offset || this.term(index) !== term) return;
    this.#tail.splice(0, index + 1 - this.#offset);
    this.#offset = index + 1;
    this.#handedOut = Math.max(this.#handedOut, this.#offset);
  }

  /** The incoming snapshot is durable, and the host's state machine has been restored from it. */
  stableSnapshot(): void {
    const { index } = this.#snapshot!.meta;
    this.#snapshot = undefined;
    this.#snapshotHandedOut = false;
    this.applied = index;
    this.#handedToApply = index;
  }

  /** Are there committed and durable entries to hand out to the state machine? */
  get hasUnapplied(): boolean {
    return (
      this.#snapshot === undefined &&
      this.#handedToApply < this.commit &&
      this.#handedToApply < this.#offset - 1
    );
  }

  takeUnapplied(maxBytes: number): readonly Entry[] {
    const entries = this.#storage.entries(
      this.#handedToApply + 1,
      Math.min(this.commit, this.#offset - 1) + 1,
      maxBytes,
    );
    this.#handedToApply += entries.length;
    return entries;
  }

  appliedTo(index: Index): void {
    if (index > this.#handedToApply) this.#corrupt(`entry ${index} was never handed out to be applied`);
    if (index > this.applied) this.applied = Math.min(index, this.#handedToApply);
  }

  /** Does (applied, commit] hold a change of configuration? */
  hasUnappliedConfigChange(): boolean {
    let low = Math.max(this.applied + 1, this.firstIndex);
    // With a planted bug on, the log may end before the commit index.
    const high = Math.min(this.commit, this.lastIndex) + 1;
    while (low < high) {
      const entries = this.slice(low, high, 1 << 20);
      if (entries.some((entry) => entry.kind === "config")) return true;
      low += entries.length;
    }
    return false;
  }
}
