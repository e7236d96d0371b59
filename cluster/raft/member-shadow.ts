/**
 * One member as seen from outside: its log and its disk, rebuilt from the batches its cores hand out and from what the
 * disk reports, and every promise that left it in a message. It outlives crashes; a new incarnation is measured by
 * what the earlier ones promised. Checks here concern one member alone.
 */
import { type LogNode, LogPath, type LogTree } from "./log-tree.ts";
import type { HardState, Index, LogStorage, MemberId, RaftCore, Ready, Term } from "./message.ts";
import { type Invariant, Violation } from "./violation.ts";

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

/** The last position of a candidate's log, as it claimed when it asked for votes. */
export interface Claim {
  readonly index: Index;
  readonly term: Term;
}

export type Append = NonNullable<Ready["append"]>;

/** A batch on its way to the disk. */
interface Pending {
  readonly append: Append;
  readonly nodes: readonly LogNode[];
  readonly base: LogNode | undefined;
}

const noNodes: LogNode[] = [];

export class MemberShadow {
  readonly id: MemberId;
  readonly core: RaftCore;
  readonly storage: LogStorage;
  readonly incarnation: number;
  /** The log as the core sees it, up to the last batch handed out. */
  readonly log: LogPath;
  /** What the disk holds. */
  readonly disk: LogPath;
  #diskHard: HardState;
  /** Handed out and not yet durable, oldest first. */
  readonly #pending: Pending[] = [];
  #hard: HardState;
  /** Greatest term in which the member bound itself in a message that left it. */
  #promisedTerm: Term;
  /** Whom it promised its vote, by term; across incarnations. */
  readonly #votes: Map<Term, MemberId>;
  /** Where its log ended when it decided on the vote of a term; the answer may leave much later. */
  readonly #decided = new Map<Term, LogNode>();
  /** Last commit index that was checked. */
  commit: Index;
  /** Last index handed out to be applied. */
  handedOut: Index;
  applied: Index;
  /** The last term this incarnation was seen to lead, 0 if none. */
  leading: Term = 0;
  /** Commit index that each pending read must see, by the asker's context. */
  readonly reads = new Map<number, Index>();
  /** In force when the last batch was taken. */
  configuration: RaftCore["configuration"];

  constructor(id: MemberId, start: MemberStart, tree: LogTree, before: MemberShadow | undefined) {
    const { core, storage, hard, applied } = start;
    this.id = id;
    this.core = core;
    this.storage = storage;
    this.incarnation = (before?.incarnation ?? 0) + 1;
    this.#hard = hard;
    this.#diskHard = hard;
    this.#promisedTerm = before === undefined ? hard.term : before.#promisedTerm;
    this.#votes = before === undefined ? new Map() : before.#votes;
    this.commit = Math.max(hard.commit, storage.snapshotMeta.index);
    this.handedOut = applied;
    this.applied = applied;
    this.configuration = core.configuration;
    if (before !== undefined) {
      this.#checkPromises();
      this.#checkDurable(before);
    }
    if (hard.vote !== 0) this.#votes.set(hard.term, hard.vote);
    this.log = this.#recover(tree);
    this.disk = new LogPath(this.log.at(this.log.base)!);
    for (let index = this.log.base + 1; index <= this.log.last.index; index++)
      this.disk.put(this.log.at(index)!);
    if (applied > this.commit)
      this.fail(
        "applied-committed",
        applied,
        `starts with state of index ${applied}, its commit is ${this.commit}`,
      );
    if (this.commit > this.log.last.index)
      this.fail(
        "durable-survives-restart",
        this.commit,
        `starts with commit ${this.commit}, but its log ends at ${this.log.last.index}`,
      );
  }

  get isLeader(): boolean {
    return this.core.role === "leader";
  }

  /** `what` goes on after the member's name. */
  fail(invariant: Invariant, index: Index, what: string): never {
    throw new Violation(invariant, this.id, this.core.term, index, `n${this.id} ${what}`);
  }

  /** A batch goes to the disk, whose snapshot, if any, is a committed one. */
  handOut(append: Append, tree: LogTree): void {
    const { hard, snapshot, entries } = append;
    if (hard !== undefined) this.#checkMonotone(hard);
    // Leading since before this batch: it may hold the last word of the follower that it was.
    const leads = this.isLeader && this.leading === this.core.term;
    let base: LogNode | undefined;
    if (snapshot !== undefined) {
      const { index, term } = snapshot.meta;
      if (leads)
        this.fail("leader-append-only", index, `leads term ${this.core.term} and restores a snapshot`);
      base = tree.base(index, term);
      this.log.restart(base);
      this.handedOut = index;
    }
    const nodes = entries.length === 0 ? noNodes : new Array<LogNode>(entries.length);
    const last = this.log.last;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      const previous = this.log.at(entry.index - 1);
      if (previous === undefined)
        this.fail(
          "log-matching",
          entry.index,
          `appends index ${entry.index} to a log of indexes ${this.log.base} to ${this.log.last.index}`,
        );
      if (entry.term < previous.term || entry.term > this.core.term)
        this.fail(
          "log-terms-monotone",
          entry.index,
          `appends an entry of term ${entry.term} after one of term ${previous.term}, in term ${this.core.term}`,
        );
      const node = tree.add(this.id, previous, entry);
      const replaced = this.log.at(entry.index);
      if (replaced !== node) {
        if (replaced !== undefined) this.#checkOverwrite(replaced, leads);
        this.log.put(node);
      }
      nodes[i] = node;
    }
    this.#pending.push({ append, nodes, base });
    this.#decide(append, last);
  }

  /** Notes the votes of a batch. Whether they fell before or after its entries is not known: the shorter log counts. */
  #decide(append: Append, before: LogNode): void {
    for (let i = 0; i < append.afterSync.length; i++) {
      const message = append.afterSync[i]!;
      if (message.type !== "vote-response" || message.reject || this.#decided.has(message.term)) continue;
      const after = this.log.last;
      const shrunk = after.term < before.term || (after.term === before.term && after.index < before.index);
      this.#decided.set(message.term, shrunk ? after : before);
    }
  }

  /** The batch and all before it are durable; a batch of an earlier incarnation says nothing. */
  persisted(append: Append): void {
    let count = 0;
    while (count < this.#pending.length && this.#pending[count]!.append !== append) count++;
    if (count === this.#pending.length) return;
    for (let i = 0; i <= count; i++) {
      const batch = this.#pending.shift()!;
      if (batch.base !== undefined) this.disk.restart(batch.base);
      const { nodes } = batch;
      for (let j = 0; j < nodes.length; j++) this.disk.put(nodes[j]!);
      if (batch.append.hard !== undefined) this.#diskHard = batch.append.hard;
    }
  }

  /** Gives its vote, or asks for votes, in a message that leaves it. */
  promise(term: Term, vote: MemberId): void {
    const before = this.#votes.get(term);
    if (before !== undefined && before !== vote)
      this.fail("one-vote-per-term", 0, `gave its vote of term ${term} to n${before} and then to n${vote}`);
    this.#votes.set(term, vote);
    if (term > this.#promisedTerm) this.#promisedTerm = term;
  }

  /** It votes for a candidate that made this claim. */
  checkVote(term: Term, candidate: MemberId, claim: Claim): void {
    // Entries of the term itself may have come from the elected leader, after the vote and before it was sent.
    let own = this.#decided.get(term) ?? this.log.last;
    while (own.term >= term && own.previous !== undefined) own = own.previous;
    if (own.term < term && (own.term > claim.term || (own.term === claim.term && own.index > claim.index)))
      this.fail(
        "vote-up-to-date",
        own.index,
        `votes in term ${term} for n${candidate}, whose log ends at index ${claim.index} of term ${claim.term}; ` +
          `its own has index ${own.index} of term ${own.term}`,
      );
  }

  /** It says in `term` that it holds everything up to `index`. */
  checkAcknowledged(term: Term, index: Index): void {
    // When batches become durable together, an answer to the first may leave after a later leader cut the log.
    if (this.#diskHard.term > term || this.disk.last.index >= index) return;
    this.fail(
      "acknowledge-durable",
      index,
      `acknowledges index ${index} in term ${term}, but its disk ends at index ${this.disk.last.index}`,
    );
  }

  /** Follows the storage, which may have dropped what a snapshot covers. */
  compact(): void {
    const base = Math.min(this.storage.firstIndex - 1, this.commit);
    this.log.compact(base);
    this.disk.compact(base);
  }

  #checkOverwrite(replaced: LogNode, leads: boolean): void {
    const { index } = replaced;
    if (leads)
      this.fail(
        "leader-append-only",
        index,
        `leads term ${this.core.term} and overwrites its own index ${index}`,
      );
    if (index <= this.commit)
      this.fail(
        "state-machine-safety",
        index,
        `overwrites index ${index}, though its commit is ${this.commit}`,
      );
  }

  #checkMonotone(hard: HardState): void {
    const before = this.#hard;
    const revoted = hard.term === before.term && before.vote !== 0 && hard.vote !== before.vote;
    if (hard.term < before.term || hard.commit < before.commit || revoted)
      this.fail(
        "monotone-state",
        hard.commit,
        `went from term ${before.term}, vote n${before.vote}, commit ${before.commit} to term ${hard.term}, ` +
          `vote n${hard.vote}, commit ${hard.commit}`,
      );
    this.#hard = hard;
  }

  /** What it told others before the crash must be known after it. */
  #checkPromises(): void {
    const { term, vote } = this.#hard;
    const promised = this.#votes.get(this.#promisedTerm);
    const forgotten = term === this.#promisedTerm && promised !== undefined && promised !== vote;
    if (term < this.#promisedTerm || forgotten)
      this.fail(
        "promise-survives-restart",
        0,
        `restarts in term ${term} with vote n${vote}, though in term ${this.#promisedTerm} it stood for n${promised ?? 0}`,
      );
  }

  #checkDurable(before: MemberShadow): void {
    const { term, vote } = this.#hard;
    const held = before.#diskHard;
    if (term < held.term || (term === held.term && held.vote !== 0 && held.vote !== vote))
      this.fail(
        "durable-survives-restart",
        0,
        `restarts in term ${term} with vote n${vote}; its disk held term ${held.term}, vote n${held.vote}`,
      );
    // A write under way may or may not have replaced what it was to replace.
    let last = before.disk.last.index;
    for (const { nodes, base } of before.#pending) {
      if (base !== undefined) last = Math.min(last, before.disk.base);
      else if (nodes.length > 0) last = Math.min(last, nodes[0]!.index - 1);
    }
    for (let index = Math.max(before.disk.base, this.storage.firstIndex - 1); index <= last; index++) {
      const recovered = this.storage.term(index);
      const lost = before.disk.at(index)!.term;
      if (recovered !== lost)
        this.fail(
          "durable-survives-restart",
          index,
          `restarts with ${recovered === undefined ? "nothing" : `term ${recovered}`} at index ${index}; ` +
            `its disk held term ${lost} there`,
        );
    }
  }

  #recover(tree: LogTree): LogPath {
    const { storage } = this;
    const base = storage.firstIndex - 1;
    const log = new LogPath(tree.base(base, storage.term(base) ?? 0));
    while (log.last.index < storage.lastIndex)
      for (const entry of storage.entries(
        log.last.index + 1,
        storage.lastIndex + 1,
        Number.MAX_SAFE_INTEGER,
      )) {
        const previous = log.last;
        if (entry.index !== previous.index + 1 || entry.term < previous.term || entry.term > this.#hard.term)
          this.fail(
            "log-terms-monotone",
            entry.index,
            `restarts in term ${this.#hard.term} with index ${entry.index} of term ${entry.term} after ` +
              `index ${previous.index} of term ${previous.term}`,
          );
        log.put(tree.add(this.id, previous, entry));
      }
    return log;
  }
}
