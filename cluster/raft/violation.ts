/** What an observer of a raft cluster says when a promise of the protocol was broken. */
import type { Index, MemberId, Term } from "./message.ts";

export type Invariant =
  /** At most one member leads in a term, and it leads in one incarnation (paper 5.2, figure 3). */
  | "election-safety"
  /** A member grants its vote to one candidate per term, restarts included (paper 5.2). */
  | "one-vote-per-term"
  /** A vote goes only to a candidate whose log is at least as up to date as the voter's (paper 5.4.1). */
  | "vote-up-to-date"
  /** Terms, votes and commit indexes never go back while a member runs (paper figure 2; commit: 5.3). */
  | "monotone-state"
  /**
   * After a restart a member knows every term and vote that it told others of (thesis 3.8). A candidate's own
   * request counts as well: if it were sent before term and log are durable, the member could ask again in the
   * same term with a shorter log, and collect the votes that were meant for the longer one.
   */
  | "promise-survives-restart"
  /** A leader never removes or overwrites entries of its own log (paper 5.3, figure 3). */
  | "leader-append-only"
  /** Two entries with equal index and term hold the same and follow the same log (paper 5.3, figure 3). */
  | "log-matching"
  /** Terms in a log never decrease, and no entry is from the future of its member. */
  | "log-terms-monotone"
  /** A leader has every entry that was committed in earlier terms (paper 5.4, figure 3). */
  | "leader-completeness"
  /** Nobody commits, applies or restores anything but the one committed history (paper figure 3). */
  | "state-machine-safety"
  /**
   * A leader moves the commit only to an entry that is durable on a quorum of its configuration, in joint
   * consensus of both halves (paper 5.3, thesis 4.3). Learners do not count. Nobody else commits ahead of leaders.
   */
  | "commit-durable"
  /** A leader commits by counting only entries of its own term (paper 5.4.2, figure 8). */
  | "commit-own-term"
  /** A member says it holds an entry only when its disk does (thesis 10.2.1 on writing in parallel). */
  | "acknowledge-durable"
  /** What a disk held survives a restart, unless a write under way was about to replace it. */
  | "durable-survives-restart"
  /** A client is told of a write only after it was committed. */
  | "acknowledged-committed"
  /** Entries are applied in order, once per incarnation, and never ahead of the commit. */
  | "applied-committed"
  /** At equal applied index all state machines are equal, also after a restart or a snapshot (paper 5.3). */
  | "equal-state"
  /** At equal applied index all members have the same configuration (thesis 4.1, applied as in etcd). */
  | "equal-configuration"
  /** Every quorum of a configuration shares a member with every quorum of the next one (thesis 4.1, 4.3). */
  | "quorums-intersect"
  /** A read that began after a commit sees it (thesis 6.4). With lease reads: only while clocks drift in bounds. */
  | "read-linearizable"
  /** A leader counts as matching only what the follower's disk holds; 0 <= match < next (thesis 10.2.1). */
  | "progress"
  /** No more append messages are under way to a follower than allowed. */
  | "inflight-limit";

/** A broken promise, in plain words. `index` is 0 where no entry is meant. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly invariant: Invariant;
  readonly member: MemberId;
  readonly term: Term;
  readonly index: Index;
  constructor(invariant: Invariant, member: MemberId, term: Term, index: Index, explanation: string) {
    super(`${invariant}: ${explanation}`);
    this.invariant = invariant;
    this.member = member;
    this.term = term;
    this.index = index;
  }
}
