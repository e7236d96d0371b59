/**
 * What a member does and knows while it leads, for one term: replication and commit (paper, 5.3 and 5.4), reads
 * (dissertation, 6.4), changes of membership (chapter 4) and the transfer of leadership (3.10). It is made anew at
 * each election and thrown away with the role, so nothing of an old term can leak into a new one.
 */
import { changeConfiguration, isJoint, isVoter, leavesJoint } from "./configuration.ts";
import { payloadSize, type RaftLog } from "./log.ts";
import type {
  ConfigChange,
  Entry,
  Index,
  MemberId,
  Message,
  Proposal,
  ProposeResult,
  RaftOptions,
  Term,
} from "./message.ts";
import type { Outbox } from "./outbox.ts";
import type { Progress } from "./progress.ts";
import { ReadQueue } from "./read.ts";
import type { Tracker } from "./tracker.ts";

const noData = new Uint8Array(0);

export class Leadership {
  readonly #options: RaftOptions;
  readonly #id: MemberId;
  readonly #term: Term;
  readonly #log: RaftLog;
  readonly #tracker: Tracker;
  readonly #outbox: Outbox;
  readonly #bug: string;

  #ticks = 0;
  #heartbeatElapsed = 0;
  /** Ticks since the last check of the quorum, or since a transfer began. */
  #electionElapsed = 0;

  /** Has an entry of this term been committed? Until then the commit index may be behind that of the last leader. */
  #committedInTerm = false;
  /** No change of configuration is accepted until this index is applied. */
  #pendingConfigIndex: Index;
  /** Payload appended in this term and not yet handed out as committed. */
  #uncommittedBytes = 0;
  /** The followers are to be brought up to date with the next Ready, so that one message carries many proposals. */
  #appendDue = false;
  /** Everything up to here vouches for itself when it is durable: see `flush`. */
  #selfAcked: Index;

  readonly #reads = new ReadQueue();
  readonly #readsBeforeCommit: { readonly from: MemberId; readonly context: number }[] = [];

  #transferee: MemberId = 0;
  /** Once a member was told to campaign at once, it may be elected at any time: no lease holds in this term. */
  #leaseVoid = false;

  constructor(options: RaftOptions, term: Term, log: RaftLog, tracker: Tracker, outbox: Outbox) {
    this.#options = options;
    this.#id = options.id;
    this.#term = term;
    this.#log = log;
    this.#tracker = tracker;
    this.#outbox = outbox;
    this.#bug = options.bug;
    this.#selfAcked = log.lastIndex;
    for (const progress of tracker.members) {
      // What is in the leader's own log but not durable counts for nobody, not even for the leader.
      if (progress.member === this.#id) this.#followSelf(progress);
      else progress.reset(0, log.lastIndex + 1);
    }
    this.#append({ kind: "normal", data: noData });
    // Config entries of older terms may be in the log, and a commit of this term must come before a change
    // (Ongaro, "bug in single-server membership changes", raft-dev, 2015): both wait for the entry just made.
    this.#pendingConfigIndex = log.lastIndex;
  }

  get transferee(): MemberId {
    return this.#transferee;
  }

  #followSelf(progress: Progress): void {
    progress.reset(this.#log.stableIndex, this.#log.lastIndex + 1);
    progress.becomeReplicate();
    progress.recentActive = true;
    progress.readPosition = Number.MAX_SAFE_INTEGER;
  }

  /** False if the leader has lost touch with its quorum and must step down. */
  tick(): boolean {
    this.#ticks++;
    this.#heartbeatElapsed++;
    this.#electionElapsed++;
    if (this.#electionElapsed >= this.#options.electionTicks) {
      this.#electionElapsed = 0;
      if (this.#options.checkQuorum && !this.#checkQuorum()) return false;
      if (this.#transferee !== 0 && this.#bug !== "transfer-flag-stuck") this.#abortTransfer();
    }
    if (this.#heartbeatElapsed >= this.#options.heartbeatTicks) this.#broadcastHeartbeat();
    return true;
  }

  #checkQuorum(): boolean {
    if (!this.#tracker.quorumActive(this.#id)) {
      this.#options.trace({ kind: "quorum-lost", term: this.#term });
      return false;
    }
    for (const progress of this.#tracker.members) {
      if (progress.member !== this.#id) progress.recentActive = false;
    }
    return true;
  }

  // Proposals

  propose(proposals: readonly Proposal[]): ProposeResult {
    if (this.#tracker.get(this.#id) === undefined) return this.#dropped("not-member");
    if (this.#transferee !== 0) return this.#dropped("transferring");
    const index = this.#log.lastIndex + 1;
    let bytes = 0;
    let configIndex = 0;
    for (let i = 0; i < proposals.length; i++) {
      const proposal = proposals[i]!;
      bytes += payloadSize(proposal);
      if (proposal.kind !== "config") continue;
      const reason = this.#refusal(proposal.change, configIndex !== 0);
      if (reason !== undefined) return this.#dropped(reason);
      configIndex = index + i;
    }
    // Empty payloads always pass: a new leader's entry and the leaving of a joint configuration must not be refused.
    // So does a single large one, or it never could.
    if (
      bytes > 0 &&
      this.#uncommittedBytes > 0 &&
      this.#uncommittedBytes + bytes > this.#options.maxUncommittedBytes
    ) {
      return this.#dropped("too-much-uncommitted");
    }
    for (let i = 0; i < proposals.length; i++) this.#append(proposals[i]!);
    this.#uncommittedBytes += bytes;
    if (configIndex !== 0) this.#pendingConfigIndex = configIndex;
    return { outcome: "accepted", index, term: this.#term };
  }

  #dropped(reason: Extract<ProposeResult, { outcome: "dropped" }>["reason"]): ProposeResult {
    this.#options.trace({ kind: "proposal-dropped", term: this.#term, reason });
    return { outcome: "dropped", reason };
  }

  #refusal(
    change: ConfigChange,
    another: boolean,
  ): "config-change-pending" | "invalid-config-change" | undefined {
    const configuration = this.#tracker.configuration;
    if (another || this.#pendingConfigIndex > this.#log.applied) return "config-change-pending";
    if (isJoint(configuration) && !leavesJoint(change)) return "config-change-pending";
    return changeConfiguration(configuration, change).ok ? undefined : "invalid-config-change";
  }

  #append(proposal: Proposal): void {
    const index = this.#log.lastIndex + 1;
    const entry: Entry =
      proposal.kind === "normal"
        ? { index, term: this.#term, kind: "normal", data: proposal.data }
        : { index, term: this.#term, kind: "config", change: proposal.change, data: proposal.data };
    this.#log.append([entry]);
    if (this.#bug === "leader-counts-unsynced") this.#tracker.get(this.#id)?.advance(index);
    this.#appendDue = true;
  }

  /** These entries are committed and handed out: their payload no longer weighs on the uncommitted limit. */
  discharge(committed: readonly Entry[]): void {
    if (this.#uncommittedBytes === 0) return;
    for (let i = 0; i < committed.length; i++) this.#uncommittedBytes -= payloadSize(committed[i]!);
    // Entries of older terms were never counted.
    if (this.#uncommittedBytes < 0) this.#uncommittedBytes = 0;
  }

  // Membership

  /** Leaves a joint configuration that is to be left by itself, once it is in force here. */
  leaveJointIfDue(): void {
    if (!this.#tracker.configuration.autoLeave || this.#transferee !== 0) return;
    if (this.#log.applied < this.#pendingConfigIndex) return;
    this.#append({ kind: "config", change: { changes: [], transition: "auto" }, data: noData });
    this.#pendingConfigIndex = this.#log.lastIndex;
  }

  /** A new configuration is in force. False if this member has no vote in it any more. */
  configurationChanged(): boolean {
    const own = this.#tracker.get(this.#id);
    if (own !== undefined && own.readPosition === 0) this.#followSelf(own);
    if (this.#transferee !== 0 && !isVoter(this.#tracker.configuration, this.#transferee)) {
      this.#abortTransfer();
    }
    if (own === undefined || own.learner) return false;
    // The quorum may have shrunk; and newcomers are to be probed.
    this.#maybeCommit();
    this.#appendDue = true;
    return true;
  }

  // Replication

  /** Is there something that `flush` would add to the next Ready? */
  get hasWork(): boolean {
    return this.#appendDue || this.#reads.hasOpenBatch;
  }

  /** Adds what was put off until the next Ready: rounds for reads, appends, and the leader's word for its own log. */
  flush(): void {
    if (this.#reads.hasOpenBatch) {
      this.#broadcastHeartbeat();
      this.#confirmReads();
    }
    if (this.#appendDue) {
      this.#appendDue = false;
      const members = this.#tracker.members;
      for (let i = 0; i < members.length; i++) {
        if (members[i]!.member !== this.#id) this.#replicate(members[i]!);
      }
    }
    if (this.#log.lastIndex > this.#selfAcked) {
      this.#selfAcked = this.#log.lastIndex;
      this.#outbox.sendAfterSync({
        type: "append-response",
        from: this.#id,
        to: this.#id,
        term: this.#term,
        index: this.#selfAcked,
        reject: false,
        hintIndex: 0,
        hintTerm: 0,
      });
    }
  }

  /** Sends all that may be sent; an empty append only to tell of a commit. */
  #replicate(progress: Progress): void {
    let sent = this.#sendAppend(progress, progress.canBumpCommit(this.#log.commit));
    while (sent && progress.state === "replicate" && progress.next <= this.#log.lastIndex) {
      sent = this.#sendAppend(progress, false);
    }
  }

  /** One append, or the snapshot that must come before it. False if nothing was sent. */
  #sendAppend(progress: Progress, sendIfEmpty: boolean): boolean {
    if (progress.paused) return false;
    const log = this.#log;
    const previousIndex = progress.next - 1;
    const previousTerm = log.term(previousIndex);
    if (previousTerm === undefined) return this.#sendSnapshot(progress);
    let entries: readonly Entry[] = [];
    // A full window lets only empty appends through: their answers free it, should earlier ones have been lost.
    if (progress.state !== "replicate" || !progress.inflight.full) {
      const limit = this.#options.maxEntriesPerMessage;
      const high = limit > 0 ? Math.min(log.lastIndex + 1, progress.next + limit) : log.lastIndex + 1;
      entries = log.slice(progress.next, high, this.#options.maxBytesPerMessage);
    }
    if (entries.length === 0 && !sendIfEmpty) return false;
    this.#outbox.send({
      type: "append",
      from: this.#id,
      to: progress.member,
      term: this.#term,
      previousIndex,
      previousTerm,
      entries,
      commit: log.commit,
    });
    progress.sent(entries.length, log.commit);
    if (this.#bug === "optimistic-match") progress.advance(previousIndex + entries.length);
    return true;
  }

  #sendSnapshot(progress: Progress): boolean {
    // A snapshot is too much to send into the void.
    if (!progress.recentActive) return false;
    const snapshot = this.#log.snapshot();
    if (snapshot === undefined) return false;
    progress.becomeSnapshot(snapshot.meta.index);
    this.#outbox.send({
      type: "snapshot",
      from: this.#id,
      to: progress.member,
      term: this.#term,
      snapshot,
    });
    this.#options.trace({
      kind: "snapshot-sent",
      term: this.#term,
      to: progress.member,
      index: snapshot.meta.index,
    });
    return true;
  }

  onAppendResponse(message: Message & { readonly type: "append-response" }): void {
    const progress = this.#tracker.get(message.from);
    if (progress === undefined) return;
    progress.recentActive = true;
    if (message.reject) this.#onRejection(progress, message);
    else if (message.index <= this.#log.lastIndex) this.#onAcceptance(progress, message.index);
  }

  #onRejection(progress: Progress, message: Message & { readonly type: "append-response" }): void {
    // The follower ended its search at a term; the run of that term, or of an older one, in this log ends here or
    // before: at most one refusal per term (paper, end of 5.3).
    const hint =
      message.hintTerm > 0
        ? this.#log.findConflictByTerm(message.hintIndex, message.hintTerm)
        : message.hintIndex;
    if (!progress.retreat(message.index, hint)) return;
    if (progress.state === "replicate") this.#probe(progress);
    this.#sendAppend(progress, true);
  }

  #onAcceptance(progress: Progress, index: Index): void {
    // The same index once more is news only while probing: the logs are now known to meet.
    if (!progress.advance(index) && !(progress.match === index && progress.state === "probe")) return;
    if (progress.state === "probe") {
      progress.becomeReplicate();
    } else if (progress.state === "snapshot") {
      // Whichever snapshot arrived, this one or another member's: its log meets this one again.
      if (progress.match + 1 >= this.#log.firstIndex) {
        progress.becomeProbe();
        progress.becomeReplicate();
      }
    } else {
      progress.inflight.freeUpTo(index);
    }
    this.#maybeCommit();
    if (progress.member === this.#id) return;
    this.#appendDue ||= progress.next <= this.#log.lastIndex || progress.canBumpCommit(this.#log.commit);
    if (progress.member === this.#transferee && progress.match === this.#log.lastIndex) {
      this.#sendTimeoutNow();
    }
  }

  /** Commits what a quorum holds, if it is of this term: older entries only along with it (paper, 5.4.2). */
  #maybeCommit(): void {
    const log = this.#log;
    const index = this.#tracker.agreedMatch();
    if (index <= log.commit || index > log.lastIndex) return;
    const ofThisTerm = log.term(index) === this.#term;
    if (!ofThisTerm && this.#bug !== "commit-old-term") return;
    log.commitTo(index);
    this.#appendDue = true;
    this.#options.trace({ kind: "commit-advanced", term: this.#term, index });
    if (!ofThisTerm || this.#committedInTerm) return;
    this.#committedInTerm = true;
    this.#options.trace({ kind: "first-commit-of-term", term: this.#term, index });
    for (const read of this.#readsBeforeCommit) this.#admitRead(read.from, read.context);
    this.#readsBeforeCommit.length = 0;
  }

  #broadcastHeartbeat(): void {
    this.#heartbeatElapsed = 0;
    const reads = this.#reads;
    const lease = this.#options.readMode === "lease";
    if (lease || reads.hasOpenBatch) reads.closeBatch(this.#ticks);
    const context = lease || !reads.isEmpty ? reads.newestRound : 0;
    const members = this.#tracker.members;
    for (let i = 0; i < members.length; i++) {
      const progress = members[i]!;
      if (progress.member === this.#id) continue;
      // A heartbeat says nothing about the logs, so it may only commit what the member is known to hold.
      const commit =
        this.#bug === "heartbeat-commit-unchecked"
          ? this.#log.commit
          : Math.min(progress.match, this.#log.commit);
      this.#outbox.send({
        type: "heartbeat",
        from: this.#id,
        to: progress.member,
        term: this.#term,
        commit,
        context,
      });
    }
  }

  onHeartbeatResponse(from: MemberId, context: number): void {
    const progress = this.#tracker.get(from);
    if (progress === undefined) return;
    progress.recentActive = true;
    if (!progress.inflight.full || this.#bug !== "window-never-freed") progress.flowPaused = false;
    if (progress.match < this.#log.lastIndex || progress.state === "probe") this.#sendAppend(progress, true);
    if (context > progress.readPosition) {
      progress.readPosition = context;
      this.#confirmReads();
    }
  }

  reportUnreachable(member: MemberId): void {
    const progress = this.#tracker.get(member);
    // Some of the pipelined appends are probably lost.
    if (progress?.state === "replicate" && member !== this.#id) this.#probe(progress);
  }

  #probe(progress: Progress): void {
    progress.becomeProbe();
    this.#options.trace({ kind: "replication-probed", term: this.#term, to: progress.member });
  }

  reportSnapshot(member: MemberId, delivered: boolean): void {
    const progress = this.#tracker.get(member);
    if (progress?.state !== "snapshot") return;
    if (!delivered) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    // Delivered: its answer is still to come. Failed: another heartbeat first, rather than the same again at once.
    progress.flowPaused = true;
  }

  // Reads

  readIndex(from: MemberId, context: number): void {
    if (!this.#committedInTerm && this.#bug !== "read-before-own-commit") {
      this.#readsBeforeCommit.push({ from, context });
      this.#options.trace({ kind: "read-waits-for-commit", term: this.#term, index: this.#log.commit });
      return;
    }
    this.#admitRead(from, context);
  }

  #admitRead(from: MemberId, context: number): void {
    const index = this.#log.commit;
    if (this.#bug === "read-without-quorum" || (this.#options.readMode === "lease" && this.#holdsLease())) {
      this.#answerRead(from, context, index);
    } else {
      this.#reads.add(from, context, index);
    }
  }

  /**
   * A quorum that acknowledged a round of heartbeats elects nobody else for an election timeout from then on
   * (dissertation, 6.4.1). Counted from the sending of the round, less a tick because two clocks need not tick at
   * the same moment; clocks that run at different speeds break it.
   */
  #holdsLease(): boolean {
    if (this.#leaseVoid) return false;
    const position = this.#tracker.agreedReadPosition();
    // The leader is a quorum by itself.
    if (position === Number.MAX_SAFE_INTEGER) return true;
    const sentAt = this.#reads.roundSentAt(position);
    const most = (this.#bug === "lease-read-too-long" ? 3 : 1) * this.#options.electionTicks - 1;
    return sentAt !== undefined && this.#ticks - sentAt < most;
  }

  #confirmReads(): void {
    const position = this.#tracker.agreedReadPosition();
    const reads = this.#reads.takeConfirmed(position);
    for (let i = 0; i < reads.length; i++) {
      const read = reads[i]!;
      this.#options.trace({ kind: "read-confirmed", term: this.#term, index: read.index });
      this.#answerRead(read.from, read.context, read.index);
    }
  }

  #answerRead(from: MemberId, context: number, index: Index): void {
    if (from === this.#id) {
      this.#outbox.answerRead(context, index);
      return;
    }
    this.#outbox.send({
      type: "read-index-response",
      from: this.#id,
      to: from,
      term: this.#term,
      context,
      index,
    });
  }

  // Transfer of leadership

  transfer(to: MemberId): void {
    const progress = this.#tracker.get(to);
    if (progress === undefined || progress.learner || to === this.#transferee) return;
    if (this.#transferee !== 0) this.#abortTransfer();
    if (to === this.#id) return;
    this.#transferee = to;
    // It has one election timeout to succeed.
    this.#electionElapsed = 0;
    this.#options.trace({ kind: "transfer-started", term: this.#term, to });
    const caughtUp = progress.match === this.#log.lastIndex || this.#bug === "transfer-before-caught-up";
    if (caughtUp) this.#sendTimeoutNow();
    else this.#sendAppend(progress, true);
  }

  #sendTimeoutNow(): void {
    this.#leaseVoid = this.#bug !== "lease-survives-transfer";
    this.#outbox.send({ type: "timeout-now", from: this.#id, to: this.#transferee, term: this.#term });
  }

  #abortTransfer(): void {
    this.#options.trace({ kind: "transfer-aborted", term: this.#term, to: this.#transferee });
    this.#transferee = 0;
    this.leaveJointIfDue();
  }
}
