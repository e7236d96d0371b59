/**
 * What must hold across all members of a cluster after every step, whatever crashed, was lost or came late.
 *
 * An observer from outside: it believes no member. It keeps its own copy of every log, built from the batches the
 * cores hand out, of what each simulated disk holds, of every promise that left a member in a message, and of the
 * one history that was committed. Entries are kept as a tree: a node stands for (index, term) and knows the node
 * before it, so that two logs that hold the same node are equal up to there, exactly and not by a hash. A log is a
 * path in the tree, and most checks compare one node with another.
 *
 * Work is done only where something changed: a member without a `Ready` costs nothing, an entry costs one look-up
 * per member. A broken invariant throws a `Violation`; the observer is of no use afterwards.
 *
 * "Paper" is the extended raft paper, "thesis" is Ongaro's dissertation.
 */
import type {
  Configuration,
  Entry,
  HardState,
  Index,
  LogStorage,
  MemberId,
  Message,
  RaftCore,
  Ready,
  Term,
} from "./message.ts";

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

/** What a member starts from: on its first start, and again after each crash. */
export interface MemberStart {
  readonly core: RaftCore;
  /** As recovered, and durable: what was read back from a page cache must be synced before the core may use it. */
  readonly storage: LogStorage;
  readonly hard: HardState;
  /** Last index contained in the recovered state machine, 0 if it is empty. */
  readonly applied: Index;
  /** Hash of the recovered state machine; undefined if it is not hashed. */
  readonly stateHash?: number | undefined;
}

type Append = NonNullable<Ready["append"]>;

/** One entry in the tree of all logs. */
interface Node {
  readonly index: Index;
  readonly term: Term;
  /** Undefined before the first entry, below a snapshot whose past was never seen, and where the past was pruned. */
  previous: Node | undefined;
  /** Undefined for the node under the first entry of a log whose past was never seen. */
  readonly entry: Entry | undefined;
  /** Another entry at the same index, of another term. */
  sibling: Node | undefined;
  /** Term of the leader that first committed it. Along the committed history it never decreases. */
  committedIn: Term;
  /** State machine after this entry, by the first member that applied it. */
  stateHash: number | undefined;
  stateHashBy: MemberId;
}

/** A path in the tree: nodes at indexes [base, last]; the node at `base` stands for all that went before. */
class ShadowLog {
  base: Index;
  #nodes: Node[];
  #offset: Index;

  constructor(first: Node) {
    this.base = first.index;
    this.#offset = first.index;
    this.#nodes = [first];
  }

  get last(): Node {
    return this.#nodes[this.#nodes.length - 1]!;
  }

  at(index: Index): Node | undefined {
    return index < this.base ? undefined : this.#nodes[index - this.#offset];
  }

  /** Whether the log contains the node; what lies under `base` was committed, and is. */
  holds(node: Node): boolean {
    return node.index <= this.base || this.#nodes[node.index - this.#offset] === node;
  }

  /** Replaces what is at the node's index and after it. */
  put(node: Node): void {
    this.#nodes.length = node.index - this.#offset;
    this.#nodes.push(node);
  }

  restart(first: Node): void {
    this.base = first.index;
    this.#offset = first.index;
    this.#nodes = [first];
  }

  /** Moves `base` up. The array is cut rarely, so that the cost per entry stays constant. */
  compact(base: Index): void {
    if (base <= this.base || base > this.last.index) return;
    this.base = base;
    const dead = base - this.#offset;
    if (dead < 256 || dead * 2 < this.#nodes.length) return;
    this.#nodes = this.#nodes.slice(dead);
    this.#offset = base;
  }
}

/** A batch on its way to the disk. */
interface Pending {
  readonly append: Append;
  readonly nodes: readonly Node[];
  readonly snapshot: Node | undefined;
}

interface Shadow {
  readonly id: MemberId;
  incarnation: number;
  core: RaftCore;
  storage: LogStorage;
  /** The member's log as its core sees it, up to the last batch handed out. */
  readonly log: ShadowLog;
  /** What its disk holds. */
  readonly disk: ShadowLog;
  diskHard: HardState;
  /** Handed out and not yet durable, oldest first. */
  readonly pending: Pending[];
  hard: HardState;
  commit: Index;
  /** Last index handed out to be applied. */
  handedOut: Index;
  applied: Index;
  /** Greatest term in which the member bound itself in a message that left it. */
  promisedTerm: Term;
  /** Whom it promised its vote, by term; across incarnations. */
  readonly votes: Map<Term, MemberId>;
  /** The term it was last seen leading in, in this incarnation; 0 if none. */
  leading: Term;
  /** Pending reads: the commit index that each must see, by the asker's context. */
  readonly reads: Map<number, Index>;
  configuration: Configuration;
  readys: number;
}

/** A leader's progress is looked at once in so many of its batches, since asking for it is not cheap. */
const progressInterval = 64;
/** Beyond this many members the quorums of two configurations are not compared: it takes 2^n steps. */
const maxComparedMembers = 16;

export class RaftInvariants {
  readonly #members = new Map<MemberId, Shadow>();
  readonly #maxInflight: number;
  /** The tree: by index, the newest node; others behind `sibling`. */
  readonly #nodes = new Map<Index, Node>();
  readonly #root: Node = node(0, 0, undefined, undefined);
  /** The one history. */
  readonly #committed = new ShadowLog(this.#root);
  /** Who led in a term. */
  readonly #leaders = new Map<Term, { readonly member: MemberId; readonly incarnation: number }>();
  /** The last log position each candidate claimed when it asked for votes, by term and candidate. */
  readonly #candidates = new Map<Term, Map<MemberId, { index: Index; term: Term }>>();
  /** Configurations by the index that brought them. */
  readonly #configurations = new Map<Index, { readonly text: string; readonly by: MemberId }>();
  #newestConfiguration: { readonly index: Index; readonly configuration: Configuration } | undefined;
  #pruned: Index = 0;
  #running = false;

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
    const { core, storage, hard } = start;
    const before = this.#members.get(member);
    if (before !== undefined) this.#checkRecovery(before, storage, hard);
    const log = new ShadowLog(this.#root);
    this.#recover(member, log, start);
    const disk = new ShadowLog(log.at(log.base)!);
    for (let index = log.base + 1; index <= log.last.index; index++) disk.put(log.at(index)!);
    const commit = Math.max(hard.commit, storage.snapshotMeta.index);
    const shadow: Shadow = {
      id: member,
      incarnation: (before?.incarnation ?? 0) + 1,
      core,
      storage,
      log,
      disk,
      diskHard: hard,
      pending: [],
      hard,
      commit,
      handedOut: start.applied,
      applied: start.applied,
      promisedTerm: before?.promisedTerm ?? hard.term,
      votes: before?.votes ?? new Map(),
      leading: 0,
      reads: new Map(),
      configuration: core.configuration,
      readys: 0,
    };
    if (hard.vote !== 0) shadow.votes.set(hard.term, hard.vote);
    this.#members.set(member, shadow);
    this.#checkCommitRecovered(shadow);
    if (start.applied > commit)
      fail(
        shadow,
        "applied-committed",
        start.applied,
        `n${member} starts with state up to index ${start.applied}, but its commit is ${commit}`,
      );
    if (start.stateHash !== undefined) this.#compareState(shadow, start.applied, start.stateHash);
  }

  /** The member and its disk are gone on purpose: it may come back with nothing. */
  wiped(member: MemberId): void {
    this.#members.delete(member);
  }

  /** Call right after `takeReady`, before anything in the batch is sent, written or applied. */
  ready(member: MemberId, ready: Ready): void {
    const shadow = this.#shadow(member);
    this.#running = true;
    const { core } = shadow;
    if (ready.append !== undefined) this.#handOut(shadow, ready.append);
    if (core.role === "leader") {
      if (shadow.leading !== core.term) this.#elected(shadow);
      if (++shadow.readys % progressInterval === 0) this.#checkProgress(shadow);
    }
    if (core.commit !== shadow.commit) this.#advanceCommit(shadow);
    shadow.configuration = core.configuration;
    for (const entry of ready.committed) this.#handOutCommitted(shadow, entry);
    for (const read of ready.readStates) this.#answerRead(shadow, read.context, read.index);
  }

  /**
   * A batch has reached the member's disk and would survive a loss of power; earlier batches are taken to be
   * durable as well. To be told by the disk and not by the member's code, and before `append.afterSync` is sent.
   */
  persisted(member: MemberId, append: Append): void {
    const shadow = this.#shadow(member);
    let count = 0;
    while (count < shadow.pending.length && shadow.pending[count]!.append !== append) count++;
    if (count === shadow.pending.length) return;
    for (let i = 0; i <= count; i++) {
      const batch = shadow.pending[i]!;
      if (batch.snapshot !== undefined) shadow.disk.restart(batch.snapshot);
      for (const entry of batch.nodes) shadow.disk.put(entry);
      if (batch.append.hard !== undefined) shadow.diskHard = batch.append.hard;
    }
    shadow.pending.splice(0, count + 1);
    if (shadow.storage.firstIndex - 1 > shadow.disk.base) this.#compact(shadow);
  }

  /** A message leaves its sender, or is stepped by it if it is addressed to itself. */
  sent(message: Message): void {
    switch (message.type) {
      case "vote":
        this.#recordCandidate(message.from, message.term, message.lastIndex, message.lastTerm);
        this.#promise(message.from, message.term, message.from);
        break;
      case "vote-response":
        if (!message.reject) {
          this.#promise(message.from, message.term, message.to);
          if (message.to !== message.from) this.#checkUpToDate(message.from, message.term, message.to);
        }
        break;
      case "append-response":
        if (!message.reject) this.#checkAcknowledged(message.from, message.term, message.index);
        break;
      default:
        break;
    }
  }

  /** A member's state machine has applied the entry; `stateHash` is undefined where the state is not hashed. */
  applied(member: MemberId, index: Index, stateHash: number | undefined): void {
    const shadow = this.#shadow(member);
    if (index > shadow.handedOut || index <= shadow.applied)
      fail(
        shadow,
        "applied-committed",
        index,
        `n${member} applied index ${index}, but it was to apply indexes ${shadow.applied + 1} to ${shadow.handedOut}`,
      );
    shadow.applied = index;
    if (stateHash !== undefined) this.#compareState(shadow, index, stateHash);
  }

  /** A configuration came into force at a member, by the entry at `index`; call right after `applyConfigChange`. */
  configurationApplied(member: MemberId, index: Index, configuration: Configuration): void {
    const shadow = this.#shadow(member);
    const text = describeConfiguration(configuration);
    const known = this.#configurations.get(index);
    if (known !== undefined) {
      if (known.text === text) return;
      fail(
        shadow,
        "equal-configuration",
        index,
        `at index ${index} the configuration of n${member} is ${text}, that of n${known.by} is ${known.text}`,
      );
    }
    this.#configurations.set(index, { text, by: member });
    const newest = this.#newestConfiguration;
    if (newest !== undefined && newest.index < index) {
      const split = disjointQuorums(newest.configuration, configuration);
      if (split !== undefined)
        fail(
          shadow,
          "quorums-intersect",
          index,
          `${split} is a quorum of ${describeConfiguration(newest.configuration)}, the others of its successor ${text}`,
        );
    }
    if (newest === undefined || newest.index < index) this.#newestConfiguration = { index, configuration };
  }

  /** A member is about to ask its core for a read; later ones may use the same context again. */
  readRequested(member: MemberId, context: number): void {
    this.#shadow(member).reads.set(context, this.commit);
  }

  /** A client was told that its write, the entry at (index, term), took effect. */
  acknowledged(member: MemberId, index: Index, term: Term): void {
    const entry = this.#committed.at(index);
    if (index > this.commit || (entry !== undefined && entry.term !== term))
      fail(
        this.#shadow(member),
        "acknowledged-committed",
        index,
        `n${member} acknowledged the write at index ${index}, term ${term}, but ` +
          (index > this.commit
            ? `the commit is at ${this.commit}`
            : `term ${entry!.term} was committed there`),
      );
  }

  #shadow(member: MemberId): Shadow {
    const shadow = this.#members.get(member);
    if (shadow === undefined) throw new Error(`n${member} was never started`);
    return shadow;
  }

  // Logs

  /** The node of an entry, new or known; a known one must hold the same entry in the same place. */
  #node(member: MemberId, previous: Node, entry: Entry): Node {
    const first = this.#nodes.get(entry.index);
    let known = first;
    while (known !== undefined && known.term !== entry.term) known = known.sibling;
    if (known === undefined) {
      const added = node(entry.index, entry.term, previous, entry);
      added.sibling = first;
      this.#nodes.set(entry.index, added);
      return added;
    }
    // A node without an entry stood for an unseen past, which is now seen; only its term is known.
    if (known.entry === undefined) return known;
    if (known.previous !== previous && known.previous?.entry !== undefined && previous.entry !== undefined)
      throw new Violation(
        "log-matching",
        member,
        entry.term,
        entry.index,
        `the entry at index ${entry.index} of term ${entry.term} follows an entry of term ${previous.term} on ` +
          `n${member}, and one of term ${known.previous.term} elsewhere`,
      );
    if (!sameEntry(known.entry, entry))
      throw new Violation(
        "log-matching",
        member,
        entry.term,
        entry.index,
        `n${member} holds another entry at index ${entry.index} of term ${entry.term} than others do`,
      );
    return known;
  }

  /** The node under the first entry of a log: the snapshot's. */
  #baseNode(index: Index, term: Term): Node {
    if (index === 0) return this.#root;
    for (let known = this.#nodes.get(index); known !== undefined; known = known.sibling)
      if (known.term === term) return known;
    const added = node(index, term, undefined, undefined);
    added.sibling = this.#nodes.get(index);
    this.#nodes.set(index, added);
    return added;
  }

  #handOut(shadow: Shadow, append: Append): void {
    const { hard, snapshot, entries } = append;
    if (hard !== undefined) this.#checkHardState(shadow, hard);
    const leads = shadow.core.role === "leader" && shadow.leading === shadow.core.term;
    let base: Node | undefined;
    if (snapshot !== undefined) {
      const { index, term } = snapshot.meta;
      const committed = this.#committed.at(index);
      if (index > this.commit || (committed !== undefined && committed.term !== term))
        fail(
          shadow,
          "state-machine-safety",
          index,
          `n${shadow.id} restores a snapshot of index ${index}, term ${term}, which was never committed`,
        );
      if (leads)
        fail(
          shadow,
          "leader-append-only",
          index,
          `n${shadow.id} leads term ${shadow.core.term} and restores a snapshot`,
        );
      base = this.#baseNode(index, term);
      shadow.log.restart(base);
      shadow.handedOut = index;
      shadow.applied = index;
    }
    const nodes: Node[] = [];
    for (const entry of entries) {
      const previous = shadow.log.at(entry.index - 1);
      if (previous === undefined)
        fail(
          shadow,
          "log-matching",
          entry.index,
          `n${shadow.id} appends index ${entry.index} to a log that spans ${shadow.log.base} to ${shadow.log.last.index}`,
        );
      if (entry.term < previous.term || entry.term > shadow.core.term)
        fail(
          shadow,
          "log-terms-monotone",
          entry.index,
          `n${shadow.id} in term ${shadow.core.term} appends an entry of term ${entry.term} after one of term ${previous.term}`,
        );
      const added = this.#node(shadow.id, previous, entry);
      const replaced = shadow.log.at(entry.index);
      if (replaced !== added) {
        if (replaced !== undefined) this.#checkOverwrite(shadow, replaced, leads);
        shadow.log.put(added);
      }
      nodes.push(added);
    }
    shadow.pending.push({ append, nodes, snapshot: base });
  }

  #checkOverwrite(shadow: Shadow, replaced: Node, leads: boolean): void {
    const { id, core } = shadow;
    if (leads)
      fail(
        shadow,
        "leader-append-only",
        replaced.index,
        `n${id} leads term ${core.term} and overwrites its own entry at index ${replaced.index}`,
      );
    if (replaced.index <= shadow.commit)
      fail(
        shadow,
        "state-machine-safety",
        replaced.index,
        `n${id} overwrites index ${replaced.index}, though it knows of the commit of ${shadow.commit}`,
      );
  }

  #compact(shadow: Shadow): void {
    const base = Math.min(shadow.storage.firstIndex - 1, shadow.commit);
    shadow.log.compact(base);
    shadow.disk.compact(base);
    let lowest = this.commit;
    for (const each of this.#members.values())
      lowest = Math.min(lowest, each.log.base, each.disk.base, each.applied);
    // In strides, since all members must be asked.
    if (lowest < this.#pruned + 1024) return;
    for (let index = this.#pruned; index < lowest; index++) this.#nodes.delete(index);
    for (let known = this.#nodes.get(lowest); known !== undefined; known = known.sibling)
      known.previous = undefined;
    this.#pruned = lowest;
    this.#committed.compact(lowest);
  }

  // Elections

  #checkHardState(shadow: Shadow, hard: HardState): void {
    const before = shadow.hard;
    const backwards =
      hard.term < before.term ||
      hard.commit < before.commit ||
      (hard.term === before.term && before.vote !== 0 && hard.vote !== before.vote);
    if (backwards)
      fail(
        shadow,
        "monotone-state",
        hard.commit,
        `n${shadow.id} went from term ${before.term}, vote n${before.vote}, commit ${before.commit} to term ` +
          `${hard.term}, vote n${hard.vote}, commit ${hard.commit}`,
      );
    shadow.hard = hard;
  }

  #promise(member: MemberId, term: Term, vote: MemberId): void {
    const shadow = this.#shadow(member);
    const before = shadow.votes.get(term);
    if (before !== undefined && before !== vote)
      fail(
        shadow,
        "one-vote-per-term",
        0,
        `n${member} gave its vote of term ${term} to n${before} and then to n${vote}`,
      );
    shadow.votes.set(term, vote);
    if (term > shadow.promisedTerm) shadow.promisedTerm = term;
  }

  #recordCandidate(member: MemberId, term: Term, lastIndex: Index, lastTerm: Term): void {
    let candidates = this.#candidates.get(term);
    if (candidates === undefined) {
      candidates = new Map();
      this.#candidates.set(term, candidates);
    }
    candidates.set(member, { index: lastIndex, term: lastTerm });
  }

  #checkUpToDate(voter: MemberId, term: Term, candidate: MemberId): void {
    const claim = this.#candidates.get(term)?.get(candidate);
    if (claim === undefined) return;
    const shadow = this.#shadow(voter);
    // Entries of the term itself may have come from the elected leader, after the vote and before it was sent.
    let own = shadow.log.last;
    while (own.term >= term && own.previous !== undefined) own = own.previous;
    if (own.term < term && (own.term > claim.term || (own.term === claim.term && own.index > claim.index)))
      fail(
        shadow,
        "vote-up-to-date",
        own.index,
        `n${voter} votes in term ${term} for n${candidate}, whose log ends at index ${claim.index}, term ` +
          `${claim.term}, though its own reaches index ${own.index}, term ${own.term}`,
      );
  }

  #elected(shadow: Shadow): void {
    const { id, incarnation, core } = shadow;
    const { term } = core;
    const other = this.#leaders.get(term);
    if (other !== undefined)
      fail(
        shadow,
        "election-safety",
        0,
        other.member === id
          ? `n${id} became leader of term ${term} again after a restart`
          : `n${other.member} and n${id} both lead in term ${term}`,
      );
    this.#leaders.set(term, { member: id, incarnation });
    shadow.leading = term;
    this.#checkComplete(shadow);
  }

  /** The entries that leaders of earlier terms have committed by now must be in the leader's log. */
  #checkComplete(leader: Shadow): void {
    let newest: Node | undefined = this.#committed.last;
    // A later leader, of whom this one has not heard yet, may have committed more, also entries of earlier terms.
    while (newest !== undefined && newest.committedIn >= leader.leading) newest = newest.previous;
    if (newest !== undefined && !leader.log.holds(newest))
      fail(
        leader,
        "leader-completeness",
        newest.index,
        `n${leader.id} leads term ${leader.leading}, but its log lacks index ${newest.index} of term ` +
          `${newest.term}, which was committed before`,
      );
  }

  // Commit

  #advanceCommit(shadow: Shadow): void {
    const { id, core } = shadow;
    const { commit } = core;
    if (commit < shadow.commit)
      fail(shadow, "monotone-state", commit, `the commit of n${id} went from ${shadow.commit} to ${commit}`);
    const tip = shadow.log.at(commit);
    if (tip === undefined)
      fail(
        shadow,
        "state-machine-safety",
        commit,
        `n${id} commits index ${commit}, but its log ends at ${shadow.log.last.index}`,
      );
    if (commit > this.commit) this.#commitFirst(shadow, tip);
    else this.#checkCommitted(shadow, tip);
    shadow.commit = commit;
  }

  #checkCommitted(shadow: Shadow, tip: Node): void {
    const committed = this.#committed.at(tip.index);
    if (committed !== undefined && committed !== tip)
      fail(
        shadow,
        "state-machine-safety",
        tip.index,
        `n${shadow.id} commits term ${tip.term} at index ${tip.index}, where term ${committed.term} was committed before`,
      );
  }

  /** The commit moves for the whole cluster. */
  #commitFirst(shadow: Shadow, tip: Node): void {
    const { id, core, log } = shadow;
    const from = this.commit;
    const below = log.at(from);
    if (below !== undefined) this.#checkCommitted(shadow, below);
    if (core.role !== "leader")
      fail(
        shadow,
        "commit-durable",
        tip.index,
        `n${id}, a ${core.role}, commits index ${tip.index}, but no leader has committed more than ${from}`,
      );
    if (tip.term !== core.term)
      fail(
        shadow,
        "commit-own-term",
        tip.index,
        `n${id}, leader of term ${core.term}, commits index ${tip.index}, which is of term ${tip.term}`,
      );
    // A change applied in the same step may have followed the commit: then the quorum before it counted.
    if (
      !this.#durableOnQuorum(core.configuration, tip) &&
      (core.configuration === shadow.configuration || !this.#durableOnQuorum(shadow.configuration, tip))
    )
      fail(
        shadow,
        "commit-durable",
        tip.index,
        `n${id}, leader of term ${core.term}, commits index ${tip.index}, which is durable on ` +
          `${this.#holders(tip)} only; the configuration is ${describeConfiguration(core.configuration)}`,
      );
    for (let index = from + 1; index <= tip.index; index++) {
      const committed = log.at(index)!;
      committed.committedIn = core.term;
      this.#committed.put(committed);
    }
    for (const other of this.#members.values())
      if (other.leading > core.term && other.core.role === "leader" && other.core.term === other.leading)
        this.#checkComplete(other);
  }

  #durableOnQuorum(configuration: Configuration, entry: Node): boolean {
    return (
      this.#durableOnMajority(configuration.voters, entry) &&
      this.#durableOnMajority(configuration.votersOutgoing, entry)
    );
  }

  #durableOnMajority(voters: readonly MemberId[], entry: Node): boolean {
    let holders = 0;
    for (const voter of voters) if (this.#members.get(voter)?.disk.holds(entry) === true) holders++;
    return voters.length === 0 || holders * 2 > voters.length;
  }

  #holders(entry: Node): string {
    const names: string[] = [];
    for (const member of this.#members.values()) if (member.disk.holds(entry)) names.push(`n${member.id}`);
    return names.length === 0 ? "no disk" : names.join(", ");
  }

  #checkAcknowledged(member: MemberId, term: Term, index: Index): void {
    const shadow = this.#shadow(member);
    // When batches became durable together, an answer to the first may leave after a later leader cut the log.
    if (shadow.diskHard.term > term) return;
    if (shadow.disk.last.index < index)
      fail(
        shadow,
        "acknowledge-durable",
        index,
        `n${member} acknowledges index ${index} in term ${term}, but its disk ends at index ${shadow.disk.last.index}`,
      );
  }

  #checkProgress(leader: Shadow): void {
    for (const progress of leader.core.status().progress) {
      const { member, match, next, inflight } = progress;
      if (inflight > this.#maxInflight)
        fail(
          leader,
          "inflight-limit",
          match,
          `n${leader.id} has ${inflight} appends under way to n${member}; the limit is ${this.#maxInflight}`,
        );
      const follower = this.#members.get(member);
      const node = leader.log.at(match);
      const lacks =
        follower !== undefined &&
        node !== undefined &&
        follower.core.term === leader.core.term &&
        !follower.disk.holds(node);
      if (match < 0 || match >= next || lacks)
        fail(
          leader,
          "progress",
          match,
          `n${leader.id} takes n${member} to match up to ${match}, next ${next}; the disk of n${member} ends at ` +
            `${follower?.disk.last.index ?? 0}`,
        );
    }
  }

  // Applying and reading

  #handOutCommitted(shadow: Shadow, entry: Entry): void {
    const { id } = shadow;
    if (entry.index !== shadow.handedOut + 1 || entry.index > shadow.commit)
      fail(
        shadow,
        "applied-committed",
        entry.index,
        `n${id} is to apply index ${entry.index} after ${shadow.handedOut}; its commit is ${shadow.commit}`,
      );
    const committed = this.#committed.at(entry.index);
    if (committed?.entry !== undefined && !sameEntry(committed.entry, entry))
      fail(
        shadow,
        "state-machine-safety",
        entry.index,
        `n${id} is to apply an entry of term ${entry.term} at index ${entry.index}, which is not the committed one ` +
          `of term ${committed.term}`,
      );
    shadow.handedOut = entry.index;
  }

  #compareState(shadow: Shadow, index: Index, stateHash: number): void {
    const committed = this.#committed.at(index);
    if (committed === undefined) return;
    if (committed.stateHash === undefined) {
      committed.stateHash = stateHash;
      committed.stateHashBy = shadow.id;
    } else if (committed.stateHash !== stateHash)
      fail(
        shadow,
        "equal-state",
        index,
        `after index ${index} the state of n${shadow.id} has hash ${stateHash}, that of n${committed.stateHashBy} had ` +
          `${committed.stateHash}`,
      );
  }

  #answerRead(shadow: Shadow, context: number, index: Index): void {
    const expected = shadow.reads.get(context);
    if (expected === undefined) return;
    shadow.reads.delete(context);
    if (index < expected)
      fail(
        shadow,
        "read-linearizable",
        index,
        `n${shadow.id} may answer a read at index ${index}, though ${expected} was committed before it was asked`,
      );
  }

  // Restarts

  #checkRecovery(before: Shadow, storage: LogStorage, hard: HardState): void {
    const { id, diskHard, promisedTerm, disk } = before;
    const vote = before.votes.get(hard.term);
    if (
      hard.term < promisedTerm ||
      (hard.term === promisedTerm && vote !== undefined && vote !== id && hard.vote !== vote)
    )
      fail(
        before,
        "promise-survives-restart",
        0,
        `n${id} restarts in term ${hard.term} with vote n${hard.vote}, but it had bound itself in term ${promisedTerm}` +
          (vote === undefined ? "" : ` to n${vote}`),
      );
    if (
      hard.term < diskHard.term ||
      (hard.term === diskHard.term && hard.vote !== diskHard.vote && diskHard.vote !== 0)
    )
      fail(
        before,
        "durable-survives-restart",
        0,
        `n${id} restarts in term ${hard.term} with vote n${hard.vote}; its disk held term ${diskHard.term}, vote n${diskHard.vote}`,
      );
    // A write under way may or may not have replaced what it was to replace.
    let last = disk.last.index;
    for (const { nodes, snapshot } of before.pending) {
      if (snapshot !== undefined) last = Math.min(last, disk.base);
      else if (nodes.length > 0) last = Math.min(last, nodes[0]!.index - 1);
    }
    for (let index = Math.max(disk.base, storage.firstIndex - 1); index <= last; index++) {
      const recovered = storage.term(index);
      if (recovered !== disk.at(index)!.term)
        fail(
          before,
          "durable-survives-restart",
          index,
          `n${id} restarts ${recovered === undefined ? "without" : `with term ${recovered} at`} index ${index}; ` +
            `its disk held term ${disk.at(index)!.term} there`,
        );
    }
  }

  #recover(member: MemberId, log: ShadowLog, start: MemberStart): void {
    const { storage, hard } = start;
    const base = storage.firstIndex - 1;
    log.restart(this.#baseNode(base, storage.term(base) ?? 0));
    let index = storage.firstIndex;
    while (index <= storage.lastIndex)
      for (const entry of storage.entries(index, storage.lastIndex + 1, Number.MAX_SAFE_INTEGER)) {
        const previous = log.last;
        if (entry.index !== previous.index + 1 || entry.term < previous.term || entry.term > hard.term)
          throw new Violation(
            "log-terms-monotone",
            member,
            hard.term,
            entry.index,
            `n${member} in term ${hard.term} restarts with an entry of index ${entry.index}, term ${entry.term} after ` +
              `one of index ${previous.index}, term ${previous.term}`,
          );
        log.put(this.#node(member, previous, entry));
        index = entry.index + 1;
      }
  }

  #checkCommitRecovered(shadow: Shadow): void {
    const { commit, log, id } = shadow;
    const tip = log.at(commit);
    if (tip === undefined)
      fail(
        shadow,
        "durable-survives-restart",
        commit,
        `n${id} restarts with commit ${commit}, but its log spans ${log.base} to ${log.last.index}`,
      );
    if (commit <= this.commit) this.#checkCommitted(shadow, tip);
    else if (this.#running)
      fail(
        shadow,
        "state-machine-safety",
        commit,
        `n${id} restarts with commit ${commit}, but nothing after ${this.commit} was ever committed`,
      );
    // A cluster that starts from given logs: they are the history so far.
    else if (log.base > this.commit) {
      this.#committed.restart(log.at(log.base)!);
      for (let index = log.base + 1; index <= commit; index++) this.#committed.put(log.at(index)!);
    } else for (let index = this.commit + 1; index <= commit; index++) this.#committed.put(log.at(index)!);
  }
}

function node(index: Index, term: Term, previous: Node | undefined, entry: Entry | undefined): Node {
  return {
    index,
    term,
    previous,
    entry,
    sibling: undefined,
    committedIn: 0,
    stateHash: undefined,
    stateHashBy: 0,
  };
}

function fail(shadow: Shadow, invariant: Invariant, index: Index, explanation: string): never {
  throw new Violation(invariant, shadow.id, shadow.core.term, index, explanation);
}

function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.term !== b.term || a.kind !== b.kind) return false;
  if (a.kind === "config" && b.kind === "config" && !sameChange(a, b)) return false;
  const { data } = a;
  const other = b.data;
  if (data === other) return true;
  if (data.length !== other.length) return false;
  for (let i = 0; i < data.length; i++) if (data[i] !== other[i]) return false;
  return true;
}

type ConfigEntry = Extract<Entry, { readonly kind: "config" }>;

function sameChange(a: ConfigEntry, b: ConfigEntry): boolean {
  if (a.change.transition !== b.change.transition || a.change.changes.length !== b.change.changes.length)
    return false;
  for (let i = 0; i < a.change.changes.length; i++) {
    const one = a.change.changes[i]!;
    const two = b.change.changes[i]!;
    if (one.type !== two.type || one.member !== two.member) return false;
  }
  return true;
}

function describeConfiguration(configuration: Configuration): string {
  const { voters, votersOutgoing, learners, learnersNext } = configuration;
  let text = `{${voters.join(" ")}}`;
  if (votersOutgoing.length > 0) text += ` joint with {${votersOutgoing.join(" ")}}`;
  if (learners.length > 0) text += `, learners {${learners.join(" ")}}`;
  if (learnersNext.length > 0) text += `, to be learners {${learnersNext.join(" ")}}`;
  return text;
}

/** A quorum of `before` that leaves a quorum of `after` outside itself, as text; undefined if there is none. */
function disjointQuorums(before: Configuration, after: Configuration): string | undefined {
  const members = [
    ...new Set([...before.voters, ...before.votersOutgoing, ...after.voters, ...after.votersOutgoing]),
  ];
  if (members.length > maxComparedMembers) return undefined;
  const all = (1 << members.length) - 1;
  for (let set = 0; set <= all; set++) {
    if (isQuorum(before, members, set) && isQuorum(after, members, all & ~set))
      return `{${members.filter((_, position) => (set >> position) & 1).join(" ")}}`;
  }
  return undefined;
}

function isQuorum(configuration: Configuration, members: readonly MemberId[], set: number): boolean {
  return (
    isMajority(configuration.voters, members, set) && isMajority(configuration.votersOutgoing, members, set)
  );
}

function isMajority(voters: readonly MemberId[], members: readonly MemberId[], set: number): boolean {
  let count = 0;
  for (const voter of voters) count += (set >> members.indexOf(voter)) & 1;
  return voters.length === 0 || count * 2 > voters.length;
}
