/**
 * What the leader knows of one member's log, and how fast it may send (etcd-io/raft, tracker/progress.go).
 *
 *  - probe: the point where the logs meet is unknown; one append at a time until it is found.
 *  - replicate: the point is known; appends are pipelined up to the inflight window, `next` runs ahead of the answers.
 *  - snapshot: the entries it needs are compacted; nothing is appended until a snapshot has arrived.
 */
import type { Index, MemberId } from "./message.ts";

export class Progress {
  readonly member: MemberId;
  learner: boolean;
  state: "probe" | "replicate" | "snapshot" = "probe";
  /** Highest index known to be durable there. Invariant: 0 <= match < next. */
  match: Index = 0;
  /** First index to send next; everything before it was sent, or is known to be there. */
  next: Index;
  /** Highest commit index sent, so that a commit is told once and not with every message. */
  sentCommit: Index = 0;
  /** Index of the snapshot on its way; 0 outside the snapshot state. */
  pendingSnapshot: Index = 0;
  /** Heard of since the last check of the quorum. */
  recentActive = false;
  /** Set by an append that must be answered (or followed by a heartbeat's answer) before the next goes out. */
  flowPaused = false;
  /** Highest position of a read batch it has acknowledged. */
  readPosition = 0;
  /** Its answer in the current poll. */
  vote: "granted" | "refused" | undefined = undefined;
  readonly inflight: Inflight;

  constructor(member: MemberId, next: Index, learner: boolean, maxInflight: number) {
    this.member = member;
    this.next = next;
    this.learner = learner;
    this.inflight = new Inflight(maxInflight);
  }

  /** Back to the knowledge of a fresh leader whose log ends before `next`. */
  reset(match: Index, next: Index): void {
    this.match = match;
    this.next = next;
    this.sentCommit = 0;
    this.readPosition = 0;
    this.recentActive = false;
    this.#enter("probe");
  }

  becomeProbe(): void {
    // After a snapshot the probe starts behind it, whether or not the member has already said that it arrived.
    const floor = this.state === "snapshot" ? Math.max(this.match, this.pendingSnapshot) : this.match;
    this.#enter("probe");
    this.next = floor + 1;
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = this.match + 1;
  }

  becomeSnapshot(index: Index): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  #enter(state: "probe" | "replicate" | "snapshot"): void {
    this.state = state;
    this.flowPaused = false;
    this.pendingSnapshot = 0;
    this.inflight.clear();
  }

  get paused(): boolean {
    return this.state === "snapshot" || this.flowPaused;
  }

  /** Would an append now tell the member of a commit it can use and has not been told of? */
  canBumpCommit(commit: Index): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** An append with `count` entries from `next` on, and with this commit index, was sent. */
  sent(count: number, commit: Index): void {
    if (this.state === "replicate") {
      if (count > 0) {
        this.next += count;
        this.inflight.add(this.next - 1);
      }
      // The message that fills the window, or an empty one sent while it is full, acts as a probe.
      this.flowPaused = this.inflight.full;
    } else if (count > 0) {
      this.flowPaused = true;
    }
    this.sentCommit = commit;
  }

  /** The member says it matches up to `index`. Says whether that is news. */
  advance(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    if (this.next <= index) this.next = index + 1;
    this.flowPaused = false;
    return true;
  }

  /** The member refused an append after `rejected` and suggests `hint`. Says whether that is news: false if stale. */
  retreat(rejected: Index, hint: Index): boolean {
    // What it vouched for it cannot refuse: an old answer, or a lost log, which sending it again would not bring back.
    if (rejected <= this.match) return false;
    if (this.state === "replicate") {
      this.next = this.match + 1;
    } else {
      // Only one probe is under way, right before `next`: any other refusal is an old one.
      if (this.next - 1 !== rejected) return false;
      this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
      this.flowPaused = false;
    }
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    return true;
  }
}

/** The last index of each append sent and not yet answered: a ring of at most `max`, ascending. */
export class Inflight {
  readonly #max: number;
  readonly #ring: Index[] = [];
  #start = 0;
  #count = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count === this.#max;
  }

  add(index: Index): void {
    this.#ring[(this.#start + this.#count) % this.#max] = index;
    this.#count++;
  }

  /** Forgets every append that ends at `index` or before. */
  freeUpTo(index: Index): void {
    while (this.#count > 0 && this.#ring[this.#start]! <= index) {
      this.#start = (this.#start + 1) % this.#max;
      this.#count--;
    }
  }

  clear(): void {
    this.#start = 0;
    this.#count = 0;
  }
}
