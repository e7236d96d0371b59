/**
 * A cluster driven by hand, which tells what it does: every command is one input to one member, or one step of its
 * host or of the network, and adds lines to `output`. Golden scripts are sequences of such commands.
 */
import { MemoryStorage } from "./memory-storage.ts";
import type {
  ConfigChange,
  Configuration,
  Entry,
  HardState,
  MemberId,
  Message,
  RaftCore,
  RaftEvent,
  RaftOptions,
  Ready,
} from "./message.ts";
import { createRaft } from "./raft.ts";

export type Tuning = Omit<RaftOptions, "id" | "storage" | "hard" | "applied" | "random" | "trace">;

type Append = NonNullable<Ready["append"]>;

const defaults: Tuning = {
  electionTicks: 3,
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
  bug: "",
};

/** A member and its host: a disk, the batches on their way to it, and the entries to be applied. */
export class ScriptedMember {
  readonly id: MemberId;
  readonly storage: MemoryStorage;
  /** As on disk. */
  hard: HardState = { term: 0, vote: 0, commit: 0 };
  core!: RaftCore;
  writing: Append[] = [];
  applying: Entry[] = [];
  /** What the state machine holds: the data of normal entries, in order. */
  applied: string[] = [];
  reads: { readonly context: number; readonly index: number }[] = [];

  constructor(id: MemberId, configuration: Configuration) {
    this.id = id;
    this.storage = new MemoryStorage(configuration);
  }
}

export class ScriptedCluster {
  readonly members: ScriptedMember[] = [];
  /** Messages under way, oldest first. */
  readonly network: Message[] = [];
  readonly output: string[] = [];
  readonly #tuning: Tuning;

  /** Members 1 to `count`; they vote unless they are among the learners or the spares. */
  constructor(
    count: number,
    tuning: Partial<Tuning> = {},
    others: { readonly learners?: readonly MemberId[]; readonly spares?: readonly MemberId[] } = {},
  ) {
    this.#tuning = { ...defaults, ...tuning };
    const { learners = [], spares = [] } = others;
    const ids = Array.from({ length: count }, (_, i) => i + 1);
    const configuration: Configuration = {
      voters: ids.filter((id) => !learners.includes(id) && !spares.includes(id)),
      votersOutgoing: [],
      learners,
      learnersNext: [],
      autoLeave: false,
    };
    for (const id of ids) {
      const member = new ScriptedMember(id, configuration);
      this.members.push(member);
      this.#boot(member);
    }
  }

  member(id: MemberId): ScriptedMember {
    const member = this.members[id - 1];
    if (member === undefined) throw new RangeError(`there is no member ${id}`);
    return member;
  }

  core(id: MemberId): RaftCore {
    return this.member(id).core;
  }

  #say(line: string): void {
    this.output.push(line);
  }

  #boot(member: ScriptedMember): void {
    const { storage, hard, id } = member;
    const snapshot = storage.snapshot();
    member.applied = snapshot === undefined ? [] : [...(snapshot.data as string[])];
    member.core = createRaft({
      ...this.#tuning,
      id,
      storage,
      hard,
      applied: storage.snapshotMeta.index,
      // Timeouts are all the same, a tick more than the lease of a leader.
      random: () => 1,
      trace: (event) => this.#say(`${id} ${formatEvent(event)}`),
    });
  }

  /** A crash and a start: only what was written is left. */
  restart(id: MemberId): void {
    const member = this.member(id);
    member.writing = [];
    member.applying = [];
    member.reads = [];
    this.#boot(member);
  }

  // The host

  /** Takes one Ready: sends its messages, and puts the rest in the host's queues. */
  ready(id: MemberId): void {
    const member = this.member(id);
    const ready = member.core.takeReady();
    if (ready.soft !== undefined) {
      this.#say(`${id} is ${ready.soft.role}, leader ${ready.soft.leader || "unknown"}`);
    }
    for (const message of ready.messages) this.#send(message);
    const { append } = ready;
    if (append !== undefined) {
      if (append.hard !== undefined || append.entries.length > 0 || append.snapshot !== undefined) {
        this.#say(`${id} to write: ${formatAppend(append)}`);
      }
      member.writing.push(append);
    }
    if (ready.committed.length > 0) this.#say(`${id} to apply: ${formatEntries(ready.committed)}`);
    member.applying.push(...ready.committed);
    for (const read of ready.readStates) {
      this.#say(`${id} may read ${read.context} once ${read.index} is applied`);
      member.reads.push(read);
    }
  }

  /** The oldest batch reaches the disk. */
  write(id: MemberId): void {
    const member = this.member(id);
    const append = member.writing.shift();
    if (append === undefined) throw new Error(`member ${id} has nothing to write`);
    if (append.hard !== undefined) member.hard = append.hard;
    if (append.snapshot !== undefined) {
      member.storage.restore(append.snapshot);
      member.applied = [...(append.snapshot.data as string[])];
    }
    member.storage.append(append.entries);
    for (const message of append.afterSync) {
      if (message.to === id) member.core.step(message);
      else this.#send(message);
    }
    member.core.storageAppended(append.ack);
  }

  /** Everything handed out is applied. */
  apply(id: MemberId): void {
    const member = this.member(id);
    for (const entry of member.applying.splice(0)) {
      if (entry.kind === "config") {
        const configuration = member.core.applyConfigChange(entry.change);
        this.#say(`${id} uses ${formatConfiguration(configuration)}`);
      } else if (entry.data.length > 0) {
        member.applied.push(decode(entry.data));
      }
      member.core.storageApplied(entry.index);
    }
  }

  /** Keeps a snapshot of everything applied, and compacts the log up to `index`. */
  compact(id: MemberId, index: number): void {
    const { storage, core, applied } = this.member(id);
    storage.keepSnapshot(core.status().applied, core.configuration, [...applied]);
    storage.compact(index);
  }

  // The network

  #send(message: Message): void {
    this.#say(formatMessage(message));
    this.network.push(message);
  }

  /** Delivers the oldest messages that fit, as many as there are now. Says how many. */
  deliver(fits: (message: Message) => boolean): number {
    const chosen = this.network.filter(fits);
    for (const message of chosen) {
      this.network.splice(this.network.indexOf(message), 1);
      this.#say(`=> ${formatMessage(message)}`);
      this.members[message.to - 1]?.core.step(message);
    }
    return chosen.length;
  }

  drop(fits: (message: Message) => boolean): void {
    for (const message of this.network.filter(fits)) {
      this.network.splice(this.network.indexOf(message), 1);
      this.#say(`x  ${formatMessage(message)}`);
    }
  }

  /** Goes on until these members have nothing left to do and nothing to say to each other. */
  settle(ids: readonly MemberId[] = this.members.map((member) => member.id)): void {
    for (let rounds = 0; ; rounds++) {
      if (rounds > 1000) throw new Error("the cluster does not come to rest");
      let busy = false;
      for (const id of ids) {
        const member = this.member(id);
        while (member.core.hasReady() || member.writing.length > 0 || member.applying.length > 0) {
          busy = true;
          if (member.core.hasReady()) this.ready(id);
          else if (member.writing.length > 0) this.write(id);
          else this.apply(id);
        }
      }
      const moved = this.deliver((message) => ids.includes(message.from) && ids.includes(message.to));
      if (!busy && moved === 0) return;
    }
  }

  // Inputs

  tick(id: MemberId, times: number): void {
    for (let i = 0; i < times; i++) this.core(id).tick();
  }

  propose(id: MemberId, ...data: readonly string[]): void {
    const result = this.core(id).propose(data.map((text) => ({ kind: "normal", data: encode(text) })));
    this.#say(formatOutcome(result));
  }

  proposeChange(id: MemberId, change: ConfigChange): void {
    const result = this.core(id).propose([{ kind: "config", change, data: new Uint8Array() }]);
    this.#say(formatOutcome(result));
  }

  read(id: MemberId, context: number): void {
    if (this.core(id).readIndex(context) === "no-leader") this.#say(`${id} knows no leader to ask`);
  }

  status(id: MemberId): void {
    const status = this.core(id).status();
    this.#say(
      `${id} ${status.role} term ${status.term} vote ${status.vote} leader ${status.leader} ` +
        `commit ${status.commit} applied ${status.applied} last ${status.lastIndex}`,
    );
    for (const progress of status.progress) {
      const paused = progress.paused ? " paused" : "";
      const quiet = progress.recentActive ? "" : " inactive";
      this.#say(
        `  ${progress.member}: ${progress.state} match ${progress.match} next ${progress.next}` +
          ` inflight ${progress.inflight}${paused}${quiet}`,
      );
    }
  }

  /** What is on the disk. */
  log(id: MemberId): void {
    const { storage } = this.member(id);
    const entries =
      storage.lastIndex < storage.firstIndex
        ? []
        : storage.entries(storage.firstIndex, storage.lastIndex + 1, Number.MAX_SAFE_INTEGER);
    this.#say(
      `${id} has on disk: ${formatEntries(entries)} after ${storage.firstIndex - 1}/${storage.term(storage.firstIndex - 1)}`,
    );
  }
}

// Notation: an entry is index/term and its data; a position in a log is index/term.

export function encode(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function decode(data: Uint8Array): string {
  return String.fromCharCode(...data);
}

function formatOutcome(result: ReturnType<RaftCore["propose"]>): string {
  if (result.outcome === "accepted") return `accepted at ${result.index}/${result.term}`;
  if (result.outcome === "forwarded") return `forwarded to ${result.to}`;
  return `dropped: ${result.reason}`;
}

function formatEntry(entry: Entry): string {
  const place = `${entry.index}/${entry.term}`;
  if (entry.kind === "config") return `${place} ${formatChange(entry.change)}`;
  return entry.data.length === 0 ? place : `${place} ${decode(entry.data)}`;
}

function formatEntries(entries: readonly Entry[]): string {
  return `[${entries.map(formatEntry).join(", ")}]`;
}

function formatChange({ changes, transition }: ConfigChange): string {
  if (changes.length === 0) return "leave-joint";
  return `${transition} ${changes.map(({ type, member }) => `${type} ${member}`).join(" ")}`;
}

export function formatConfiguration(configuration: Configuration): string {
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = configuration;
  let text = `voters ${voters.join(" ")}`;
  if (votersOutgoing.length > 0) text += ` and ${votersOutgoing.join(" ")}`;
  if (learners.length > 0) text += `, learners ${learners.join(" ")}`;
  if (learnersNext.length > 0) text += `, learners next ${learnersNext.join(" ")}`;
  return autoLeave ? `${text}, to be left` : text;
}

function formatAppend({ hard, entries, snapshot }: Append): string {
  const parts: string[] = [];
  if (hard !== undefined) parts.push(`term ${hard.term} vote ${hard.vote} commit ${hard.commit}`);
  if (snapshot !== undefined) parts.push(`snapshot ${snapshot.meta.index}/${snapshot.meta.term}`);
  if (entries.length > 0) parts.push(formatEntries(entries));
  return parts.join(", ");
}

export function formatMessage(message: Message): string {
  return `${message.from}->${message.to} ${message.type}${formatBody(message)}`;
}

function formatBody(message: Message): string {
  const term = ` term ${message.term}`;
  switch (message.type) {
    case "append": {
      const { previousIndex, previousTerm, entries, commit } = message;
      return `${term} after ${previousIndex}/${previousTerm} ${formatEntries(entries)} commit ${commit}`;
    }
    case "append-response":
      return message.reject
        ? `${term} rejects ${message.index}, try ${message.hintIndex}/${message.hintTerm}`
        : `${term} matches ${message.index}`;
    case "heartbeat":
      return `${term} commit ${message.commit}${message.context > 0 ? ` round ${message.context}` : ""}`;
    case "heartbeat-response":
      return `${term}${message.context > 0 ? ` round ${message.context}` : ""}`;
    case "vote":
    case "pre-vote":
      return `${term} log ${message.lastIndex}/${message.lastTerm}${message.force ? " forced" : ""}`;
    case "vote-response":
    case "pre-vote-response":
      return `${term} ${message.reject ? "refused" : "granted"}`;
    case "snapshot":
      return `${term} ${message.snapshot.meta.index}/${message.snapshot.meta.term}`;
    case "propose":
      return ` ${message.entries.map((entry) => (entry.kind === "config" ? formatChange(entry.change) : decode(entry.data))).join(" ")}`;
    case "read-index":
      return ` ${message.context}`;
    case "read-index-response":
      return `${term} ${message.context} at ${message.index}`;
    case "transfer-leader":
      return `${term} to ${message.transferee}`;
    case "timeout-now":
      return term;
  }
}

function formatEvent(event: RaftEvent): string {
  const { kind, term, ...rest } = event;
  const details = Object.entries(rest)
    .map(([name, value]) => `${name} ${value}`)
    .join(" ");
  return `* ${kind} term ${term}${details === "" ? "" : ` ${details}`}`;
}
