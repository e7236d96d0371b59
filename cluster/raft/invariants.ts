/**
 * What must hold across all members of a cluster after every step, whatever crashed, was lost or came late. The
 * statements themselves are the docstrings of `Invariant` in violation.ts.
 *
 * An observer from outside, who believes no member: beside the shadow of each (its log, its disk, its promises) it
 * keeps the one history that was committed. Work is done only where something changed: a step without a `Ready` costs
 * nothing, an entry costs one look-up per member. A broken invariant throws a `Violation`; the observer is of no use
 * afterwards.
 */
import { type LogNode, LogPath, LogTree, sameEntry } from "./log-tree.ts";
import { type Append, type Claim, MemberShadow, type MemberStart } from "./member-shadow.ts";
import type { Configuration, Entry, Index, MemberId, Message, Ready, Snapshot, Term } from "./message.ts";
import { describeConfiguration, disjointQuorum } from "./quorum-overlap.ts";

/** A leader's progress is looked at once in so many of its batches, since asking for it is not cheap. */
const progressInterval = 64;
/** Beyond this many members the quorums of two configurations are not compared: it takes 2^n steps. */
const maxComparedMembers = 16;
/** The past is forgotten in strides, since all members must be asked. */
const pruneStride = 1024;

export class RaftInvariants {
  readonly #members = new Map<MemberId, MemberShadow>();
  /** Wiped after their removal was committed; nobody returns under an identity that was removed. */
  readonly #removed = new Map<MemberId, MemberShadow>();
  readonly #maxInflight: number;
  readonly #tree = new LogTree();
  /** The one history. */
  readonly #committed = new LogPath(this.#tree.root);
  readonly #leaders = new Map<Term, MemberShadow>();
  readonly #claims = new Map<Term, Map<MemberId, Claim>>();
  /** Configurations by the index that brought them. */
  readonly #configurations = new Map<Index, { readonly text: string; readonly by: MemberId }>();
  #newestConfiguration: { readonly index: Index; readonly configuration: Configuration } | undefined;
  #pruned: Index = 0;
  #batches = 0;

  /** `maxInflight`: the cores' `maxInflightMessages`. */
  constructor(options: { readonly maxInflight: number }) {
    this.#maxInflight = options.maxInflight;
  }

  /** Highest index that any leader has committed. */
  get commit(): Index {
    return this.#committed.last.index;
  }

  /** A member starts, or starts again after a crash; call it before its core takes a step. */
  started(member: MemberId, start: MemberStart): void {
    const shadow = new MemberShadow(member, start, this.#tree, this.#members.get(member));
    this.#members.set(member, shadow);
    this.#checkStart(shadow);
    if (start.stateHash !== undefined) this.#compareState(shadow, start.applied, start.stateHash);
  }

  /**
   * The member and its disk are gone on purpose: it may come back with nothing. A leader that has not applied its
   * removal yet may still count what it had stored. That harms nobody: the removal is committed, so no quorum that
   * decides anything later needs that disk.
   */
  wiped(member: MemberId): void {
    const shadow = this.#members.get(member);
    this.#members.delete(member);
    const current = this.#newestConfiguration?.configuration;
    if (shadow === undefined || current === undefined) return;
    const { voters, votersOutgoing } = current;
    if (![...voters, ...votersOutgoing].includes(member)) this.#removed.set(member, shadow);
  }

  /** Call right after `takeReady`, before anything in the batch is sent, written or applied. */
  ready(member: MemberId, ready: Ready): void {
    const shadow = this.#shadow(member);
    const { core } = shadow;
    this.#batches++;
    if (ready.append !== undefined) {
      if (ready.append.snapshot !== undefined) this.#checkSnapshot(shadow, ready.append.snapshot);
      shadow.handOut(ready.append, this.#tree);
    }
    if (shadow.isLeader) {
      if (shadow.leading !== core.term) this.#elected(shadow);
      if (this.#batches % progressInterval === 0) this.#checkProgress(shadow);
    }
    if (core.commit !== shadow.commit) this.#advanceCommit(shadow);
    shadow.configuration = core.configuration;
    for (let i = 0; i < ready.committed.length; i++) this.#handOutCommitted(shadow, ready.committed[i]!);
    for (let i = 0; i < ready.readStates.length; i++) this.#answerRead(shadow, ready.readStates[i]!);
  }

  /**
   * A batch has reached the member's disk and would survive a loss of power; earlier batches are taken to be
   * durable as well. To be told by the disk and not by the member's code, and before `append.afterSync` is sent.
   */
  persisted(member: MemberId, append: Append): void {
    const shadow = this.#shadow(member);
    shadow.persisted(append);
    if (shadow.storage.firstIndex - 1 > shadow.disk.base) this.#compact(shadow);
  }

  /** A message leaves its sender, or is stepped by it if it is addressed to itself. */
  sent(message: Message): void {
    switch (message.type) {
      case "vote":
        this.#recordClaim(message.from, message.term, { index: message.lastIndex, term: message.lastTerm });
        this.#shadow(message.from).promise(message.term, message.from);
        break;
      case "vote-response":
        if (!message.reject) this.#checkVote(message.from, message.term, message.to);
        break;
      case "append-response":
        if (!message.reject) this.#shadow(message.from).checkAcknowledged(message.term, message.index);
        break;
      default:
        break;
    }
  }

  /** A member's state machine has applied the entry; `stateHash` is undefined where the state is not hashed. */
  applied(member: MemberId, index: Index, stateHash: number | undefined): void {
    const shadow = this.#shadow(member);
    if (index > shadow.handedOut || index <= shadow.applied)
      shadow.fail(
        "applied-committed",
        index,
        `applied index ${index}, but had indexes ${shadow.applied + 1} to ${shadow.handedOut} to apply`,
      );
    shadow.applied = index;
    if (stateHash !== undefined) this.#compareState(shadow, index, stateHash);
  }

  /** A member's state machine was replaced by that of a snapshot from another member. */
  restored(member: MemberId, index: Index, stateHash: number | undefined): void {
    const shadow = this.#shadow(member);
    shadow.applied = index;
    if (stateHash !== undefined) this.#compareState(shadow, index, stateHash);
  }

  /** A configuration came into force at a member, by the entry at `index`; call right after `applyConfigChange`. */
  configurationApplied(member: MemberId, index: Index, configuration: Configuration): void {
    const text = describeConfiguration(configuration);
    const known = this.#configurations.get(index);
    if (known?.text === text) return;
    const shadow = this.#shadow(member);
    if (known !== undefined)
      shadow.fail(
        "equal-configuration",
        index,
        `has configuration ${text} at index ${index}, n${known.by} had ${known.text} there`,
      );
    this.#configurations.set(index, { text, by: member });
    const newest = this.#newestConfiguration;
    if (newest !== undefined && newest.index > index) return;
    this.#newestConfiguration = { index, configuration };
    if (newest !== undefined) this.#checkOverlap(shadow, index, newest.configuration, configuration);
  }

  /** A member is about to ask its core for a read. */
  readRequested(member: MemberId, context: number): void {
    this.#shadow(member).reads.set(context, this.commit);
  }

  /** A client was told that its write, the entry at (index, term), took effect. */
  acknowledged(member: MemberId, index: Index, term: Term): void {
    const committed = this.#committed.at(index);
    if (index > this.commit)
      this.#shadow(member).fail(
        "acknowledged-committed",
        index,
        `acknowledged the write at index ${index}, but the commit is ${this.commit}`,
      );
    if (committed !== undefined && committed.term !== term)
      this.#shadow(member).fail(
        "acknowledged-committed",
        index,
        `acknowledged a write of term ${term} at index ${index}, where term ${committed.term} was committed`,
      );
  }

  #shadow(member: MemberId): MemberShadow {
    const shadow = this.#members.get(member);
    if (shadow === undefined) throw new Error(`n${member} was never started`);
    return shadow;
  }

  #compact(shadow: MemberShadow): void {
    shadow.compact();
    let lowest = this.commit;
    for (const each of this.#members.values())
      lowest = Math.min(lowest, each.log.base, each.disk.base, each.applied);
    if (lowest < this.#pruned + pruneStride) return;
    this.#pruned = lowest;
    this.#tree.prune(lowest);
    this.#committed.compact(lowest);
  }

  // Elections

  #recordClaim(candidate: MemberId, term: Term, claim: Claim): void {
    let claims = this.#claims.get(term);
    if (claims === undefined) {
      claims = new Map();
      this.#claims.set(term, claims);
    }
    claims.set(candidate, claim);
  }

  #checkVote(voter: MemberId, term: Term, candidate: MemberId): void {
    const shadow = this.#shadow(voter);
    shadow.promise(term, candidate);
    const claim = this.#claims.get(term)?.get(candidate);
    if (claim !== undefined && voter !== candidate) shadow.checkVote(term, candidate, claim);
  }

  #elected(shadow: MemberShadow): void {
    const { id, core } = shadow;
    const other = this.#leaders.get(core.term);
    if (other !== undefined)
      shadow.fail(
        "election-safety",
        0,
        other.id === id
          ? `leads term ${core.term} once more after a restart`
          : `leads term ${core.term}, and so does n${other.id}`,
      );
    this.#leaders.set(core.term, shadow);
    shadow.leading = core.term;
    this.#checkComplete(shadow);
  }

  #checkComplete(leader: MemberShadow): void {
    let newest: LogNode | undefined = this.#committed.last;
    // A later leader, of whom this one has not heard yet, may have committed more, also entries of earlier terms.
    while (newest !== undefined && newest.committedIn >= leader.leading) newest = newest.previous;
    if (newest !== undefined && !leader.log.holds(newest))
      leader.fail(
        "leader-completeness",
        newest.index,
        `leads term ${leader.leading} without index ${newest.index} of term ${newest.term}, ` +
          `which was committed in term ${newest.committedIn}`,
      );
  }

  // Commit

  #advanceCommit(shadow: MemberShadow): void {
    const { commit } = shadow.core;
    if (commit < shadow.commit)
      shadow.fail("monotone-state", commit, `moved its commit back from ${shadow.commit} to ${commit}`);
    const tip = shadow.log.at(commit);
    if (tip === undefined)
      shadow.fail(
        "state-machine-safety",
        commit,
        `commits index ${commit}, but its log ends at ${shadow.log.last.index}`,
      );
    if (commit > this.commit) this.#commitFirst(shadow, tip);
    else this.#checkCommitted(shadow, tip);
    shadow.commit = commit;
  }

  /** What the member commits was committed before. */
  #checkCommitted(shadow: MemberShadow, tip: LogNode): void {
    const committed = this.#committed.at(tip.index);
    if (committed !== undefined && committed !== tip)
      shadow.fail(
        "state-machine-safety",
        tip.index,
        `commits term ${tip.term} at index ${tip.index}, where term ${committed.term} was committed before`,
      );
  }

  /** The commit moves for the whole cluster. */
  #commitFirst(shadow: MemberShadow, tip: LogNode): void {
    const { core, log } = shadow;
    const { index } = tip;
    const from = this.commit;
    const below = log.at(from);
    if (below !== undefined) this.#checkCommitted(shadow, below);
    if (!shadow.isLeader)
      shadow.fail(
        "commit-durable",
        index,
        `as ${core.role} commits index ${index}, leaders no more than ${from}`,
      );
    if (tip.term !== core.term)
      shadow.fail(
        "commit-own-term",
        index,
        `leads term ${core.term} and commits index ${index}, which is of term ${tip.term}`,
      );
    // A change applied since the last batch may have come after the commit: then the earlier quorum counted.
    if (
      !this.#durableOnQuorum(core.configuration, tip) &&
      (core.configuration === shadow.configuration || !this.#durableOnQuorum(shadow.configuration, tip))
    )
      shadow.fail(
        "commit-durable",
        index,
        `commits index ${index} in term ${core.term}, which is durable on ${this.#holders(tip)}, ` +
          `while its configuration is ${describeConfiguration(core.configuration)}`,
      );
    for (let i = from + 1; i <= index; i++) {
      const committed = log.at(i)!;
      committed.committedIn = core.term;
      this.#committed.put(committed);
    }
    for (const other of this.#members.values())
      if (other.leading > core.term && other.isLeader && other.core.term === other.leading)
        this.#checkComplete(other);
  }

  #durableOnQuorum(configuration: Configuration, node: LogNode): boolean {
    const { voters, votersOutgoing } = configuration;
    return this.#durableOnMajority(voters, node) && this.#durableOnMajority(votersOutgoing, node);
  }

  #durableOnMajority(voters: readonly MemberId[], node: LogNode): boolean {
    let holders = 0;
    for (let i = 0; i < voters.length; i++) {
      const shadow = this.#members.get(voters[i]!) ?? this.#removed.get(voters[i]!);
      if (shadow?.disk.holds(node)) holders++;
    }
    return voters.length === 0 || holders * 2 > voters.length;
  }

  #holders(node: LogNode): string {
    const names: string[] = [];
    for (const member of this.#members.values()) if (member.disk.holds(node)) names.push(`n${member.id}`);
    return names.length === 0 ? "no disk" : names.join(", ");
  }

  #checkProgress(leader: MemberShadow): void {
    for (const { member, match, next, inflight } of leader.core.status().progress) {
      if (inflight > this.#maxInflight)
        leader.fail(
          "inflight-limit",
          match,
          `has ${inflight} appends under way to n${member}; the limit is ${this.#maxInflight}`,
        );
      const follower = this.#members.get(member);
      const node = leader.log.at(match);
      const comparable = follower !== undefined && follower.core.term === leader.core.term;
      if (match >= next || (comparable && node !== undefined && !follower.disk.holds(node)))
        leader.fail(
          "progress",
          match,
          `takes n${member} to match up to ${match}, next ${next}; its disk ends at ${follower?.disk.last.index ?? 0}`,
        );
    }
  }

  // Applying and reading

  #checkSnapshot(shadow: MemberShadow, snapshot: Snapshot): void {
    const { index, term } = snapshot.meta;
    const committed = this.#committed.at(index);
    if (index > this.commit || (committed !== undefined && committed.term !== term))
      shadow.fail(
        "state-machine-safety",
        index,
        `restores a snapshot of index ${index}, term ${term}, which was never committed`,
      );
  }

  #handOutCommitted(shadow: MemberShadow, entry: Entry): void {
    const { index } = entry;
    if (index !== shadow.handedOut + 1 || index > shadow.commit)
      shadow.fail(
        "applied-committed",
        index,
        `is to apply index ${index} after ${shadow.handedOut}; its commit is ${shadow.commit}`,
      );
    const committed = this.#committed.at(index);
    if (committed?.entry !== undefined && !sameEntry(committed.entry, entry))
      shadow.fail(
        "state-machine-safety",
        index,
        `is to apply an entry of term ${entry.term} at index ${index}, not the committed one of term ${committed.term}`,
      );
    shadow.handedOut = index;
  }

  #compareState(shadow: MemberShadow, index: Index, stateHash: number): void {
    const committed = this.#committed.at(index);
    if (committed === undefined) return;
    if (committed.stateHash === undefined) {
      committed.stateHash = stateHash;
      committed.stateHashBy = shadow.id;
    } else if (committed.stateHash !== stateHash)
      shadow.fail(
        "equal-state",
        index,
        `has state ${stateHash} at index ${index}, n${committed.stateHashBy} had ${committed.stateHash} there`,
      );
  }

  #answerRead(shadow: MemberShadow, read: Ready["readStates"][number]): void {
    const expected = shadow.reads.get(read.context);
    if (expected === undefined) return;
    shadow.reads.delete(read.context);
    if (read.index < expected)
      shadow.fail(
        "read-linearizable",
        read.index,
        `may answer a read at index ${read.index}, though ${expected} was committed before it was asked`,
      );
  }

  // Configurations and starts

  #checkOverlap(shadow: MemberShadow, index: Index, before: Configuration, after: Configuration): void {
    if (Math.max(before.voters.length, after.voters.length) * 2 > maxComparedMembers) return;
    const split = disjointQuorum(before, after);
    if (split !== undefined)
      shadow.fail(
        "quorums-intersect",
        index,
        `goes from ${describeConfiguration(before)} to ${describeConfiguration(after)} at index ${index}: ` +
          `{${split.join(" ")}} could decide in the one, and the others in the other`,
      );
  }

  #checkStart(shadow: MemberShadow): void {
    const { commit, log } = shadow;
    if (commit <= this.commit) {
      const tip = log.at(commit);
      if (tip !== undefined) this.#checkCommitted(shadow, tip);
      return;
    }
    if (this.#batches > 0)
      shadow.fail(
        "state-machine-safety",
        commit,
        `restarts with commit ${commit}, but nothing after ${this.commit} was ever committed`,
      );
    // A cluster that starts from given logs: they are the history so far.
    if (log.base > this.commit) this.#committed.restart(log.at(log.base)!);
    for (let index = this.commit + 1; index <= commit; index++) this.#committed.put(log.at(index)!);
  }
}
