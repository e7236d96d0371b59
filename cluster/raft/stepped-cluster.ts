/**
 * A cluster of real cores with no will of its own: nothing is delivered, written, applied or crashed until the caller
 * says so. The disk of a member is a MemoryStorage and a HardState; a batch is on it only when `persist` says so, and
 * a crash loses the batches that are not. Every step is told to the invariants, which throw a `Violation`.
 *
 * Tests choose the steps: by chance, or all of them.
 */
import { RaftInvariants } from "./invariants.ts";
import { MemoryStorage } from "./memory-storage.ts";
import type {
  ConfigChange,
  Configuration,
  Entry,
  HardState,
  Index,
  MemberId,
  Message,
  ProposeResult,
  RaftCore,
  RaftOptions,
  Ready,
} from "./message.ts";
import { createRaft } from "./raft.ts";

export type Tuning = Omit<RaftOptions, "id" | "storage" | "hard" | "applied" | "random" | "trace">;

export interface SteppedOptions extends Tuning {
  readonly voters: readonly MemberId[];
  /** More members, which run but are not in the first configuration. */
  readonly spares: readonly MemberId[];
  readonly random: (bound: number) => number;
  /** Apply at once what a core hands out; otherwise it waits for `apply`. */
  readonly applyAtOnce: boolean;
}

type Append = NonNullable<Ready["append"]>;

/** What a snapshot carries: a hash that stands for the whole state machine. */
interface SnapshotData {
  readonly stateHash: number;
}

export class SteppedMember {
  readonly id: MemberId;
  readonly storage: MemoryStorage;
  /** As on disk. */
  hard: HardState = { term: 0, vote: 0, commit: 0 };
  /** Undefined while the member is down. */
  core: RaftCore | undefined;
  /** Batches handed out and not yet on disk, oldest first. */
  pending: Append[] = [];
  /** Entries handed out and not yet applied, oldest first. */
  unapplied: Entry[] = [];
  applied: Index = 0;
  stateHash = 0;
  /** Reads answered in this incarnation, in the order of the answers. */
  answered: number[] = [];

  constructor(id: MemberId, storage: MemoryStorage) {
    this.id = id;
    this.storage = storage;
  }
}

export class SteppedCluster {
  readonly members: readonly SteppedMember[];
  readonly invariants: RaftInvariants;
  /** Messages under way, oldest first. */
  readonly network: Message[] = [];
  readonly #options: SteppedOptions;
  #reads = 0;

  constructor(options: SteppedOptions) {
    this.#options = options;
    this.invariants = new RaftInvariants({ maxInflight: options.maxInflightMessages });
    const configuration: Configuration = {
      voters: options.voters,
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    // Spares begin with the same configuration, since the log they will replay begins with it.
    this.members = [...options.voters, ...options.spares].map(
      (id) => new SteppedMember(id, new MemoryStorage(configuration)),
    );
    for (const member of this.members) this.start(member);
  }

  member(id: MemberId): SteppedMember | undefined {
    return this.members.find((member) => member.id === id);
  }

  /** Brings a member up with what its disk holds. */
  start(member: SteppedMember): void {
    const { storage, hard } = member;
    const snapshot = storage.snapshot();
    member.applied = storage.snapshotMeta.index;
    member.stateHash = snapshot === undefined ? 0 : (snapshot.data as SnapshotData).stateHash;
    member.answered = [];
    const core = createRaft({
      ...this.#options,
      id: member.id,
      storage,
      hard,
      applied: member.applied,
      trace: () => {},
    });
    member.core = core;
    this.invariants.started(member.id, {
      core,
      storage,
      hard,
      applied: member.applied,
      stateHash: member.stateHash,
    });
    this.#drain(member, core);
  }

  /** Loses everything that is not on disk, but for the oldest `survivors` of the batches under way. */
  crash(member: SteppedMember, survivors: number): void {
    for (let i = 0; i < survivors; i++) write(member, member.pending[i]!);
    member.core = undefined;
    member.pending = [];
    member.unapplied = [];
  }

  tick(member: SteppedMember): void {
    member.core!.tick();
    this.#drain(member, member.core!);
  }

  campaign(member: SteppedMember): void {
    member.core!.campaign();
    this.#drain(member, member.core!);
  }

  propose(member: SteppedMember, data: Uint8Array): ProposeResult {
    const result = member.core!.propose([{ kind: "normal", data }]);
    this.#drain(member, member.core!);
    return result;
  }

  proposeChange(member: SteppedMember, change: ConfigChange): ProposeResult {
    const result = member.core!.propose([{ kind: "config", change, data: new Uint8Array() }]);
    this.#drain(member, member.core!);
    return result;
  }

  transfer(member: SteppedMember, to: MemberId): void {
    member.core!.transferLeader(to);
    this.#drain(member, member.core!);
  }

  /** The context of the read, to be found in `answered` later. */
  read(member: SteppedMember): number {
    const context = ++this.#reads;
    this.invariants.readRequested(member.id, context);
    member.core!.readIndex(context);
    this.#drain(member, member.core!);
    return context;
  }

  /** Takes a message off the network; a member that is down never sees it. */
  deliver(position: number): void {
    const [message] = this.network.splice(position, 1);
    this.#step(message!);
  }

  /** Delivers a message that stays on the network, to arrive once more. */
  deliverCopy(position: number): void {
    this.#step(this.network[position]!);
  }

  drop(position: number): void {
    const [message] = this.network.splice(position, 1);
    this.#report(message!, false);
  }

  /** The oldest batch under way reaches the disk. */
  persist(member: SteppedMember): void {
    const core = member.core!;
    const append = member.pending.shift()!;
    write(member, append);
    this.invariants.persisted(member.id, append);
    if (append.snapshot !== undefined) {
      member.applied = append.snapshot.meta.index;
      member.unapplied = member.unapplied.filter((entry) => entry.index > member.applied);
      member.stateHash = (append.snapshot.data as SnapshotData).stateHash;
      this.invariants.restored(member.id, member.applied, member.stateHash);
    }
    for (const message of append.afterSync) {
      this.invariants.sent(message);
      if (message.to === member.id) core.step(message);
      else this.network.push(message);
    }
    core.storageAppended(append.ack);
    this.#drain(member, core);
  }

  /** Applies the next entry that was handed out. */
  apply(member: SteppedMember): void {
    this.#applyNext(member, member.core!);
    this.#drain(member, member.core!);
  }

  /** Takes a snapshot of what was applied, and drops the log up to there. */
  compact(member: SteppedMember): void {
    if (member.applied <= member.storage.snapshotMeta.index) return;
    const data: SnapshotData = { stateHash: member.stateHash };
    member.storage.keepSnapshot(member.applied, member.core!.configuration, data);
    member.storage.compact(member.applied);
  }

  #step(message: Message): void {
    const receiver = this.member(message.to);
    if (receiver?.core !== undefined) {
      receiver.core.step(message);
      this.#drain(receiver, receiver.core);
    }
    this.#report(message, receiver?.core !== undefined);
  }

  /** Snapshots go over a connection of their own, whose end the sender sees. */
  #report(message: Message, delivered: boolean): void {
    if (message.type !== "snapshot") return;
    const sender = this.member(message.from);
    if (sender?.core === undefined) return;
    sender.core.reportSnapshot(message.to, delivered);
    this.#drain(sender, sender.core);
  }

  #drain(member: SteppedMember, core: RaftCore): void {
    while (core.hasReady()) {
      const ready = core.takeReady();
      this.invariants.ready(member.id, ready);
      for (const message of ready.messages) {
        this.invariants.sent(message);
        this.network.push(message);
      }
      if (ready.append !== undefined) member.pending.push(ready.append);
      for (const entry of ready.committed) member.unapplied.push(entry);
      for (const read of ready.readStates) member.answered.push(read.context);
      if (this.#options.applyAtOnce) while (member.unapplied.length > 0) this.#applyNext(member, core);
    }
  }

  #applyNext(member: SteppedMember, core: RaftCore): void {
    const entry = member.unapplied.shift()!;
    member.applied = entry.index;
    member.stateHash = mix(mix(member.stateHash, entry.term), entry.kind === "config" ? -1 : 0);
    for (const byte of entry.data) member.stateHash = mix(member.stateHash, byte);
    this.invariants.applied(member.id, entry.index, member.stateHash);
    if (entry.kind === "config")
      this.invariants.configurationApplied(member.id, entry.index, core.applyConfigChange(entry.change));
    core.storageApplied(entry.index);
  }
}

function write(member: SteppedMember, append: Append): void {
  if (append.hard !== undefined) member.hard = append.hard;
  if (append.snapshot !== undefined) member.storage.restore(append.snapshot);
  member.storage.append(append.entries);
}

function mix(hash: number, value: number): number {
  return (Math.imul(hash ^ value, 0x01000193) ^ (hash >>> 15)) | 0;
}
