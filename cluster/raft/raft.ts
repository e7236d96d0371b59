/**
 * One member of a raft cluster, sans-IO: inputs come in through methods, work for the host goes out through Ready.
 * This file holds what every member does in every role: terms, timeouts and elections. What a leader does is in
 * leadership.ts, and what a member does for its leader in following.ts. Section numbers are those of the extended paper unless said otherwise; where the
 * paper is silent the behaviour is that of etcd-io/raft with asynchronous storage writes.
 *
 * A message that vouches for something (a vote, an accepted append, and the request for votes, since a candidate that
 * forgets its term may stand twice in it) leaves through `append.afterSync`; all others leave at once.
 */
import { changeConfiguration, isJoint } from "./configuration.ts";
import { Following } from "./following.ts";
import { Leadership } from "./leadership.ts";
import { RaftLog } from "./log.ts";
import type {
  AppendAck,
  ConfigChange,
  Configuration,
  Entry,
  HardState,
  Index,
  MemberId,
  Message,
  Proposal,
  ProposeResult,
  RaftCore,
  RaftOptions,
  RaftStatus,
  Ready,
  Role,
  Term,
} from "./message.ts";
import { Outbox } from "./outbox.ts";
import { Tracker } from "./tracker.ts";

type Append = NonNullable<Ready["append"]>;

const nothingCommitted: readonly Entry[] = [];

/** Throws CorruptLogError if the durable state contradicts itself, now or when a message later brings it to light. */
export function createRaft(options: RaftOptions): RaftCore {
  return new Raft(options);
}

class Raft implements RaftCore {
  readonly #options: RaftOptions;
  readonly #id: MemberId;
  readonly #log: RaftLog;
  readonly #tracker: Tracker;
  readonly #outbox: Outbox;
  readonly #following: Following;
  readonly #bug: string;

  #role: Role = "follower";
  #term: Term;
  #vote: MemberId;
  #leader: MemberId = 0;
  /** Exists exactly while the role is leader. */
  #leadership: Leadership | undefined = undefined;

  /** Ticks since the last election, vote granted, or word from the leader. */
  #electionElapsed = 0;
  #electionTimeout = 0;
  /** Ticks since the last word from a leader of any term: what a lease rests on. */
  #leaderContactElapsed: number;

  /** What the host has been given last, to tell what has changed. */
  #given: { hard: HardState; role: Role; leader: MemberId };

  constructor(options: RaftOptions) {
    this.#options = options;
    this.#id = options.id;
    this.#bug = options.bug;
    this.#term = options.hard.term;
    this.#vote = options.hard.vote;
    this.#log = new RaftLog(options.storage, options.hard.commit, options.applied, options.bug);
    this.#outbox = new Outbox(options.bug);
    this.#tracker = new Tracker(options.maxInflightMessages, options.bug);
    this.#tracker.setConfiguration(this.#replayConfiguration(), this.#log.lastIndex + 1);
    this.#following = new Following(options, this.#log, this.#outbox);
    this.#given = { hard: options.hard, role: "follower", leader: 0 };
    // Whatever this member promised a leader before it restarted still holds; before its first term there was none.
    this.#leaderContactElapsed = this.#term === 0 ? options.electionTicks : 0;
    this.#drawElectionTimeout();
  }

  /** The configuration as of the applied index: that of the snapshot, and the changes applied since. */
  #replayConfiguration(): Configuration {
    const { storage } = this.#options;
    let configuration = storage.snapshotMeta.configuration;
    let index = storage.snapshotMeta.index + 1;
    while (index <= this.#log.applied) {
      const entries = this.#log.slice(index, this.#log.applied + 1, 1 << 20);
      for (const entry of entries) {
        if (entry.kind !== "config") continue;
        const result = changeConfiguration(configuration, entry.change);
        if (result.ok) configuration = result.configuration;
      }
      index += Math.max(1, entries.length);
    }
    return configuration;
  }

  get role(): Role {
    return this.#role;
  }

  get term(): Term {
    return this.#term;
  }

  get leader(): MemberId {
    return this.#leader;
  }

  get commit(): Index {
    return this.#log.commit;
  }

  get configuration(): Configuration {
    return this.#tracker.configuration;
  }

  // Roles

  #drawElectionTimeout(): void {
    const { electionTicks, random } = this.#options;
    this.#electionTimeout = electionTicks + random(electionTicks);
  }

  /** Moves to `term`, and forgets whatever belongs to a role. A vote is given for a whole term. */
  #reset(term: Term): void {
    if (term !== this.#term || this.#bug === "vote-forgotten") {
      this.#term = term;
      this.#vote = 0;
    }
    this.#leader = 0;
    this.#leadership = undefined;
    this.#electionElapsed = 0;
    this.#drawElectionTimeout();
    if (this.#bug === "pre-vote-counts" && this.#role === "pre-candidate") return;
    this.#tracker.resetVotes();
  }

  #become(role: Role, kind: `become-${Role}`): void {
    this.#role = role;
    this.#options.trace({ kind, term: this.#term, leader: this.#leader });
  }

  #becomeFollower(term: Term, leader: MemberId): void {
    this.#reset(term);
    this.#leader = leader;
    this.#become("follower", "become-follower");
  }

  /** Asks whether it could win, without disturbing anybody: neither term nor vote change (dissertation, 9.6). */
  #becomePreCandidate(): void {
    this.#leader = 0;
    this.#drawElectionTimeout();
    this.#tracker.resetVotes();
    this.#become("pre-candidate", "become-pre-candidate");
  }

  #becomeCandidate(): void {
    this.#reset(this.#term + 1);
    this.#vote = this.#bug === "self-vote-forgotten" ? 0 : this.#id;
    this.#become("candidate", "become-candidate");
  }

  #becomeLeader(): void {
    this.#reset(this.#term);
    this.#leader = this.#id;
    this.#leadership = new Leadership(this.#options, this.#term, this.#log, this.#tracker, this.#outbox);
    this.#become("leader", "become-leader");
  }

  // Time

  tick(): void {
    this.#leaderContactElapsed++;
    if (this.#leadership !== undefined) {
      if (!this.#leadership.tick()) this.#becomeFollower(this.#term, 0);
      return;
    }
    this.#electionElapsed++;
    if (this.#electionElapsed >= this.#electionTimeout && this.#promotable) {
      this.#electionElapsed = 0;
      this.#hup(false);
    }
  }

  // Elections

  /** May it stand for election at all? */
  get #promotable(): boolean {
    const own = this.#tracker.get(this.#id);
    return own !== undefined && !own.learner && this.#log.incomingSnapshot === undefined;
  }

  campaign(): void {
    // To stand is to vote for oneself, which a lease forbids as well.
    if (this.#promisedLease) return;
    this.#hup(false);
  }

  #hup(transfer: boolean): void {
    if (this.#role === "leader" || !this.#promotable) return;
    // Who is behind in applying may not know that it has no vote any more.
    if (this.#log.hasUnappliedConfigChange()) return;
    if (this.#options.preVote && !transfer) {
      this.#becomePreCandidate();
      this.#requestVotes("pre-vote", this.#term + 1, false);
    } else {
      this.#becomeCandidate();
      this.#requestVotes("vote", this.#term, transfer);
    }
  }

  #requestVotes(type: "vote" | "pre-vote", term: Term, force: boolean): void {
    const { lastIndex, lastTerm } = this.#log;
    for (const progress of this.#tracker.members) {
      if (progress.learner) continue;
      const to = progress.member;
      if (to === this.#id) this.#answerVote(type, to, term, false);
      else
        this.#outbox[type === "vote" ? "sendAfterSync" : "send"]({
          type,
          from: this.#id,
          to,
          term,
          lastIndex,
          lastTerm,
          force,
        });
    }
  }

  /** Also the way a candidate votes for itself: the vote counts when it is durable. */
  #answerVote(type: "vote" | "pre-vote", to: MemberId, term: Term, reject: boolean): void {
    const early = this.#bug === "vote-before-fsync" && to !== this.#id;
    this.#outbox[early ? "send" : "sendAfterSync"]({
      type: `${type}-response`,
      from: this.#id,
      to,
      term,
      reject,
    });
  }

  /** Has it lately promised a leader to elect nobody else (dissertation, 4.2.3)? */
  get #inLease(): boolean {
    const { checkQuorum, electionTicks } = this.#options;
    if (!checkQuorum) return false;
    if (this.#role === "leader") return true;
    return (this.#leader !== 0 && this.#electionElapsed < electionTicks) || this.#promisedLease;
  }

  /** With reads by lease the promise is kept even if the leader was forgotten, over a restart for instance. */
  get #promisedLease(): boolean {
    return this.#options.readMode === "lease" && this.#leaderContactElapsed < this.#options.electionTicks;
  }

  #refusesByLease(message: Message & { readonly type: "vote" | "pre-vote" }): boolean {
    if (!this.#inLease || message.force) return false;
    this.#options.trace({ kind: "vote-refused-lease", term: message.term, to: message.from });
    return true;
  }

  #onVoteRequest(message: Message & { readonly type: "vote" | "pre-vote" }): void {
    const pre = message.type === "pre-vote";
    const free =
      this.#vote === message.from ||
      (this.#vote === 0 && this.#leader === 0) ||
      (pre && message.term > this.#term) ||
      this.#bug === "vote-twice";
    const upToDate =
      this.#log.isUpToDate(message.lastIndex, message.lastTerm) || this.#bug === "stale-log-vote";
    // A learner votes as well when asked: it may have become a voter in a configuration it has not applied yet.
    if (!free || !upToDate) {
      const kind = upToDate ? "vote-refused-taken" : "vote-refused-log";
      this.#options.trace({ kind, term: message.term, to: message.from });
      this.#answerVote(message.type, message.from, this.#term, true);
      return;
    }
    // The pre-vote is for a term this member is not in.
    this.#answerVote(message.type, message.from, message.term, false);
    if (!pre) {
      this.#electionElapsed = 0;
      this.#vote = message.from;
    }
    this.#options.trace({ kind: "vote-granted", term: message.term, to: message.from, pre });
  }

  #onVoteResponse(message: Message & { readonly type: "vote-response" | "pre-vote-response" }): void {
    const pre = message.type === "pre-vote-response";
    if (this.#role !== (pre ? "pre-candidate" : "candidate")) return;
    // Consent to an earlier pre-vote says nothing about this one.
    const stale = pre && !message.reject && message.term !== this.#term + 1;
    if (stale && this.#bug !== "stale-pre-votes-count") return;
    this.#tracker.recordVote(message.from, !message.reject || this.#bug === "refusal-counts");
    const result = this.#tracker.voteResult();
    if (result === "lost") {
      this.#options.trace({ kind: pre ? "pre-vote-lost" : "vote-lost", term: this.#term });
      this.#becomeFollower(this.#term, 0);
    } else if (result === "won" && pre) {
      this.#becomeCandidate();
      this.#requestVotes("vote", this.#term, false);
    } else if (result === "won") {
      this.#becomeLeader();
    }
  }

  // Messages

  step(message: Message): void {
    if (message.to !== this.#id) return;
    // Forwarded requests carry no term: whoever leads when they arrive may serve them.
    if (message.type === "propose") {
      if (this.#leadership === undefined) this.#options.trace({ kind: "proposal-astray", term: this.#term });
      else this.#leadership.propose(message.entries);
      return;
    }
    if (message.type === "read-index") {
      this.#leadership?.readIndex(message.from, message.context);
      return;
    }
    if (message.term > this.#term) {
      if (!this.#stepHigherTerm(message)) return;
    } else if (message.term < this.#term) {
      this.#stepLowerTerm(message);
      return;
    }
    this.#stepTerm(message);
  }

  /** False if the message is to be ignored. */
  #stepHigherTerm(message: Message): boolean {
    switch (message.type) {
      case "vote":
        // A member that was cut off or removed must not depose a leader that is alive (dissertation, 4.2.3).
        if (this.#refusesByLease(message)) return false;
        this.#becomeFollower(message.term, 0);
        return true;
      case "pre-vote":
        return !this.#refusesByLease(message);
      case "pre-vote-response":
        // A granted one carries the term it was asked for.
        if (message.reject) this.#becomeFollower(message.term, 0);
        return true;
      case "append":
      case "heartbeat":
      case "snapshot":
        this.#becomeFollower(message.term, message.from);
        return true;
      default:
        this.#becomeFollower(message.term, 0);
        return true;
    }
  }

  #stepLowerTerm(message: Message): void {
    // The paper's rule is to refuse, and to tell the current term (5.1 and figure 2).
    if (message.type === "pre-vote") {
      // The asker may be stuck in a term behind, with a pre-vote that could never win.
      this.#answerVote("pre-vote", message.from, this.#term, true);
    } else if (message.type === "vote") {
      // This member may stand for election itself, in term after term and in vain, by a configuration in which the
      // asker has no vote: it asks the asker for nothing, so that only this answer lets the asker's term catch up.
      if (!this.#refusesByLease(message)) this.#answerVote("vote", message.from, this.#term, true);
    } else if (message.type === "append" || message.type === "heartbeat") {
      // This member was cut off, and its term grew; its vote requests may be refused unseen, or it may have no vote,
      // so that it would be stuck for ever.
      if (this.#bug === "old-leader-obeyed") this.#stepTerm(message);
      else this.#following.answerAppend(message.from, this.#term, 0);
    } else if (message.type === "vote-response" && this.#bug === "stale-votes-count") {
      this.#onVoteResponse(message);
    }
  }

  #stepTerm(message: Message): void {
    switch (message.type) {
      case "append":
        if (this.#followSender(message.from)) this.#following.onAppend(message);
        return;
      case "heartbeat":
        if (this.#followSender(message.from)) this.#following.onHeartbeat(message);
        return;
      case "snapshot":
        if (this.#followSender(message.from)) this.#following.onSnapshot(message);
        return;
      case "append-response":
        this.#leadership?.onAppendResponse(message);
        return;
      case "heartbeat-response":
        this.#leadership?.onHeartbeatResponse(message.from, message.context);
        return;
      case "vote":
      case "pre-vote":
        this.#onVoteRequest(message);
        return;
      case "vote-response":
      case "pre-vote-response":
        this.#onVoteResponse(message);
        return;
      case "timeout-now":
        // The leader wishes it: no pre-vote, and leases do not stand in the way.
        if (this.#role === "follower") this.#hup(true);
        return;
      case "read-index-response":
        this.#outbox.answerRead(message.context, message.index);
        return;
      case "transfer-leader":
        this.transferLeader(message.transferee);
        return;
    }
  }

  // Following

  /** Word from the leader of this term. False if this member leads itself, which a sound cluster rules out. */
  #followSender(from: MemberId): boolean {
    if (this.#role === "leader") return false;
    if (this.#role !== "follower") this.#becomeFollower(this.#term, from);
    this.#leader = from;
    this.#electionElapsed = 0;
    this.#leaderContactElapsed = 0;
    return true;
  }

  // Requests of the host

  propose(proposals: readonly Proposal[]): ProposeResult {
    if (this.#leadership !== undefined) return this.#leadership.propose(proposals);
    if (this.#leader === 0 || this.#options.disableProposalForwarding) {
      return { outcome: "dropped", reason: "no-leader" };
    }
    this.#outbox.send({ type: "propose", from: this.#id, to: this.#leader, term: 0, entries: proposals });
    return { outcome: "forwarded", to: this.#leader };
  }

  readIndex(context: number): "pending" | "no-leader" {
    if (this.#leadership !== undefined) {
      this.#leadership.readIndex(this.#id, context);
      return "pending";
    }
    if (this.#leader === 0) return "no-leader";
    this.#outbox.send({ type: "read-index", from: this.#id, to: this.#leader, term: 0, context });
    return "pending";
  }

  transferLeader(to: MemberId): void {
    if (this.#leadership !== undefined) {
      this.#leadership.transfer(to);
    } else if (this.#leader !== 0) {
      this.#outbox.send({
        type: "transfer-leader",
        from: this.#id,
        to: this.#leader,
        term: this.#term,
        transferee: to,
      });
    }
  }

  forgetLeader(): void {
    // A lease must outlive the memory of who holds it.
    if (this.#role === "follower" && this.#options.readMode !== "lease") this.#leader = 0;
  }

  reportUnreachable(member: MemberId): void {
    this.#leadership?.reportUnreachable(member);
  }

  reportSnapshot(member: MemberId, delivered: boolean): void {
    this.#leadership?.reportSnapshot(member, delivered);
  }

  applyConfigChange(change: ConfigChange): Configuration {
    const before = this.#tracker.configuration;
    const result = changeConfiguration(before, change);
    // Every member refuses the same changes, so refusing is as safe as applying.
    if (!result.ok) return before;
    const { configuration } = result;
    this.#tracker.setConfiguration(configuration, Math.max(1, this.#log.lastIndex));
    this.#options.trace({ kind: "config-applied", term: this.#term, joint: isJoint(configuration) });
    if (this.#leadership?.configurationChanged() === false && this.#options.stepDownOnRemoval) {
      this.#becomeFollower(this.#term, 0);
    }
    return configuration;
  }

  // Storage

  storageAppended(ack: AppendAck): void {
    if (ack.snapshotIndex > 0) this.#snapshotRestored(ack.snapshotIndex);
    // An acknowledgement of an older term may be of entries that were overwritten since. The change of term is
    // written too, and its acknowledgement covers everything.
    if (ack.term === this.#term && ack.lastIndex > 0) this.#log.stableTo(ack.lastIndex, ack.lastTerm);
  }

  #snapshotRestored(index: Index): void {
    const { meta } = this.#log.incomingSnapshot ?? {};
    // A newer one may have come in since.
    if (meta?.index !== index) return;
    this.#log.stableSnapshot();
    if (this.#bug === "snapshot-keeps-membership") return;
    this.#tracker.setConfiguration(meta.configuration, this.#log.lastIndex + 1);
  }

  storageApplied(index: Index): void {
    this.#log.appliedTo(index);
    this.#leadership?.leaveJointIfDue();
  }

  // Ready

  get #hardChanged(): boolean {
    const { hard } = this.#given;
    return hard.commit !== this.#log.commit || hard.term !== this.#term || hard.vote !== this.#vote;
  }

  get #softChanged(): boolean {
    return this.#given.role !== this.#role || this.#given.leader !== this.#leader;
  }

  hasReady(): boolean {
    return (
      !this.#outbox.isEmpty ||
      this.#log.hasUnwritten ||
      this.#log.hasUnapplied ||
      this.#hardChanged ||
      this.#softChanged ||
      this.#leadership?.hasWork === true
    );
  }

  takeReady(): Ready {
    this.#leadership?.flush();
    const committed = this.#log.hasUnapplied
      ? this.#log.takeUnapplied(this.#options.maxCommittedBytesPerReady)
      : nothingCommitted;
    if (committed.length > 0) this.#leadership?.discharge(committed);
    const writes = this.#hardChanged || this.#log.hasUnwritten || this.#outbox.hasAfterSync;
    return {
      soft: this.#softChanged ? this.#takeSoft() : undefined,
      messages: this.#outbox.takeMessages(),
      append: writes ? this.#takeAppend() : undefined,
      committed,
      readStates: this.#outbox.takeReadStates(),
    };
  }

  #takeSoft(): NonNullable<Ready["soft"]> {
    this.#given.role = this.#role;
    this.#given.leader = this.#leader;
    return { role: this.#role, leader: this.#leader, term: this.#term };
  }

  #takeAppend(): Append {
    const old = this.#given.hard;
    const entries = this.#log.takeUnwrittenEntries();
    const snapshot = this.#log.takeUnwrittenSnapshot();
    const newVote = old.term !== this.#term || old.vote !== this.#vote;
    const hardChanged = this.#hardChanged;
    if (hardChanged) this.#given.hard = { term: this.#term, vote: this.#vote, commit: this.#log.commit };
    return {
      hard: hardChanged ? this.#given.hard : undefined,
      entries,
      snapshot,
      mustSync: entries.length > 0 || snapshot !== undefined || newVote,
      afterSync: this.#outbox.takeAfterSync(),
      ack: this.#log.ack(this.#term),
    };
  }

  status(): RaftStatus {
    return {
      id: this.#id,
      role: this.#role,
      term: this.#term,
      vote: this.#vote,
      leader: this.#leader,
      commit: this.#log.commit,
      applied: this.#log.applied,
      lastIndex: this.#log.lastIndex,
      configuration: this.#tracker.configuration,
      transferee: this.#leadership?.transferee ?? 0,
      progress:
        this.#leadership === undefined
          ? []
          : this.#tracker.members.map((progress) => ({
              member: progress.member,
              state: progress.state,
              match: progress.match,
              next: progress.next,
              recentActive: progress.recentActive,
              inflight: progress.inflight.count,
              paused: progress.paused,
            })),
    };
  }
}
