/**
 * One core among imagined peers: tests say what the others send, and see what it answers. Its disk is instant.
 */
import { MemoryStorage } from "./memory-storage.ts";
import type {
  Configuration,
  Entry,
  HardState,
  Index,
  MemberId,
  Message,
  RaftCore,
  RaftOptions,
  Term,
} from "./message.ts";
import { createRaft } from "./raft.ts";

export interface Beginning extends Partial<Omit<RaftOptions, "id" | "storage" | "hard" | "applied">> {
  readonly id?: MemberId;
  readonly voters?: readonly MemberId[];
  readonly learners?: readonly MemberId[];
  /** The terms of the entries on disk, from index 1 on. */
  readonly log?: readonly Term[];
  readonly hard?: Partial<HardState>;
}

export class LoneMember {
  readonly core: RaftCore;
  readonly storage: MemoryStorage;
  readonly id: MemberId;
  hard: HardState;
  /** Indexes handed out to be applied. */
  readonly applied: Index[] = [];
  readonly #sent: Message[] = [];

  constructor(beginning: Beginning = {}) {
    const { id = 1, voters = [1, 2, 3], learners = [], log = [], hard, ...tuning } = beginning;
    const configuration: Configuration = {
      voters,
      votersOutgoing: [],
      learners,
      learnersNext: [],
      autoLeave: false,
    };
    this.id = id;
    this.storage = new MemoryStorage(configuration);
    this.storage.append(entriesOf(log));
    this.hard = { term: log.at(-1) ?? 0, vote: 0, commit: 0, ...hard };
    this.core = createRaft({
      electionTicks: 10,
      heartbeatTicks: 1,
      preVote: false,
      checkQuorum: false,
      readMode: "safe",
      maxBytesPerMessage: 1 << 20,
      maxEntriesPerMessage: 0,
      maxInflightMessages: 64,
      maxUncommittedBytes: 1 << 20,
      maxCommittedBytesPerReady: 1 << 20,
      stepDownOnRemoval: true,
      disableProposalForwarding: false,
      random: () => 0,
      trace: () => {},
      bug: "",
      ...tuning,
      id,
      storage: this.storage,
      hard: this.hard,
      applied: 0,
    });
  }

  /** What it has sent since the last call, all its work done. */
  sent(): readonly Message[] {
    while (this.core.hasReady()) {
      const { messages, append, committed } = this.core.takeReady();
      this.#sent.push(...messages);
      if (append !== undefined) {
        this.hard = append.hard ?? this.hard;
        if (append.snapshot !== undefined) this.storage.restore(append.snapshot);
        this.storage.append(append.entries);
        for (const message of append.afterSync) {
          if (message.to === this.id) this.core.step(message);
          else this.#sent.push(message);
        }
        this.core.storageAppended(append.ack);
      }
      for (const entry of committed) {
        this.applied.push(entry.index);
        if (entry.kind === "config") this.core.applyConfigChange(entry.change);
        this.core.storageApplied(entry.index);
      }
    }
    return this.#sent.splice(0);
  }

  /** What it answers to a message. */
  answers(message: Message): readonly Message[] {
    this.sent();
    this.core.step(message);
    return this.sent();
  }

  /** What it sends in this many ticks. */
  ticks(count: number): readonly Message[] {
    this.sent();
    for (let i = 0; i < count; i++) this.core.tick();
    return this.sent();
  }

  /** Becomes leader of the next term by the votes of these members. */
  win(...voters: readonly MemberId[]): void {
    this.core.campaign();
    this.sent();
    const { term } = this.core;
    for (const from of voters) {
      this.core.step({ type: "vote-response", from, to: this.id, term, reject: false });
    }
  }

  /** Another member says that its log matches up to `index`. */
  accepted(from: MemberId, index: Index): readonly Message[] {
    return this.answers({
      type: "append-response",
      from,
      to: this.id,
      term: this.core.term,
      index,
      reject: false,
      hintIndex: 0,
      hintTerm: 0,
    });
  }

  /** The terms of the entries on disk, from index 1 on. */
  get terms(): readonly Term[] {
    const { firstIndex, lastIndex } = this.storage;
    if (lastIndex < firstIndex) return [];
    return this.storage
      .entries(firstIndex, lastIndex + 1, Number.MAX_SAFE_INTEGER)
      .map((entry) => entry.term);
  }
}

/** Entries of these terms; the data of each is its index. */
export function entriesOf(terms: readonly Term[], first: Index = 1): readonly Entry[] {
  return terms.map((term, i) => ({
    index: first + i,
    term,
    kind: "normal",
    data: Uint8Array.of(first + i),
  }));
}

/** An append of a leader, member 2 unless said otherwise, to member 1. */
export function append(
  term: Term,
  previousIndex: Index,
  previousTerm: Term,
  terms: readonly Term[] = [],
  commit: Index = 0,
  from: MemberId = 2,
): Message {
  return {
    type: "append",
    from,
    to: 1,
    term,
    previousIndex,
    previousTerm,
    entries: entriesOf(terms, previousIndex + 1),
    commit,
  };
}

export function heartbeat(term: Term, commit: Index = 0, from: MemberId = 2): Message {
  return { type: "heartbeat", from, to: 1, term, commit, context: 0 };
}

/** A request for the vote of member 1. */
export function voteRequest(
  term: Term,
  from: MemberId,
  lastIndex: Index = 0,
  lastTerm: Term = 0,
  type: "vote" | "pre-vote" = "vote",
): Message {
  return { type, from, to: 1, term, lastIndex, lastTerm, force: false };
}
