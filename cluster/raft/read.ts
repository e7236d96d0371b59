/**
 * Linearizable reads without a log entry (dissertation, 6.4): a leader notes its commit index, makes sure that it was
 * still the leader after the read was asked for, and answers with that index.
 *
 * Reads are confirmed in batches by a round of heartbeats. A batch has a position, counted by the leader alone: the
 * asker's number for a read may repeat, and an old round must never confirm a new read (etcd-io/raft#397).
 */
import type { Index, MemberId } from "./message.ts";

export interface PendingRead {
  readonly from: MemberId;
  readonly context: number;
  /** The commit index when the read was asked for. */
  readonly index: Index;
  readonly position: number;
}

export class ReadQueue {
  /** Position of the batch that is still open: reads join it until its heartbeats leave. */
  #open = 1;
  readonly #reads: PendingRead[] = [];
  /** The leader's tick at which each round from `#firstRound` on was sent, for leases. */
  readonly #sentAt: number[] = [];
  #firstRound = 1;

  add(from: MemberId, context: number, index: Index): void {
    this.#reads.push({ from, context, index, position: this.#open });
  }

  /** Do reads wait for a round that has not been sent? */
  get hasOpenBatch(): boolean {
    return this.#reads.length > 0 && this.#reads[this.#reads.length - 1]!.position === this.#open;
  }

  get isEmpty(): boolean {
    return this.#reads.length === 0;
  }

  /** Position of the newest round sent; 0 before the first. */
  get newestRound(): number {
    return this.#open - 1;
  }

  /** Closes the open batch: its round of heartbeats leaves now. Returns the position they carry. */
  closeBatch(tick: number): number {
    this.#sentAt.push(tick);
    return this.#open++;
  }

  /** A quorum has acknowledged the round at `position`: takes the reads that this confirms, in order. */
  takeConfirmed(position: number): readonly PendingRead[] {
    let count = 0;
    while (count < this.#reads.length && this.#reads[count]!.position <= position) count++;
    this.#forgetRoundsBefore(Math.min(position, this.newestRound));
    return count === 0 ? [] : this.#reads.splice(0, count);
  }

  /** The tick at which the round at `position` was sent; undefined if it was none, or an older one than confirmed. */
  roundSentAt(position: number): number | undefined {
    return this.#sentAt[position - this.#firstRound];
  }

  #forgetRoundsBefore(position: number): void {
    if (position <= this.#firstRound) return;
    this.#sentAt.splice(0, position - this.#firstRound);
    this.#firstRound = position;
  }
}
