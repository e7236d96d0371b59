/**
 * One member of the cluster: a raft core, a store, and their host. Every event (a tick, a message, a finished write)
 * is put into the core or the store; then `#pump` carries out what the core wants done, in its order: persist, send,
 * apply. All I/O goes through the runtime, so the same code runs in the simulator and on real machines.
 */
import type { Nanos, NodeId } from "../../src/history/op.ts";
import type { Disk, DiskError, NodeRuntime } from "../../src/runtime/runtime.ts";
import { encodeCommand } from "../kv/codec.ts";
import { type Applied, type Command, withoutRanges } from "../kv/command.ts";
import { ErrRequestTooLarge, ErrTooManyRequests } from "../kv/errors.ts";
import type { ResponseHeader, Revision } from "../kv/request.ts";
import { Store } from "../kv/store.ts";
import { DEFAULT_MAX_TXN_OPS } from "../kv/validate.ts";
import { WatchHub } from "../kv/watch.ts";
import type { Entry, HardState, Index, MemberId, Message, RaftCore, Snapshot } from "../raft/message.ts";
import { createRaft } from "../raft/raft.ts";
import { type Append, Batch } from "./batch.ts";
import { Deadlines } from "./deadlines.ts";
import { commandOf } from "./entry-command.ts";
import { LeaderRequests } from "./leader-requests.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { Locks } from "./lock.ts";
import { NodeLog } from "./log.ts";
import {
  decodeUpdate,
  encodeUpdate,
  isUpdate,
  type Member,
  type MemberChange,
  type MembersChanged,
  Membership,
  type MemberUpdate,
} from "./membership.ts";
import type { NodeObserver } from "./observer.ts";
import { Peers } from "./peers.ts";
import { proposalBody } from "./proposal.ts";
import { type ProposalDone, Proposals } from "./proposals.ts";
import type { PeerMessage } from "./protocol.ts";
import { type ReadReady, Reads } from "./reads.ts";
import { complete, type Recovered, recover } from "./recovery.ts";
import { Requests } from "./requests.ts";
import { Server } from "./server.ts";
import { type Reception, SnapshotFiles } from "./snapshot-file.ts";
import { type DecodedSnapshot, framesOf, type SnapshotSource } from "./snapshot-format.ts";
import { Wal, WalError } from "./wal.ts";

export interface NodeOptions {
  readonly clusterId: number;
  readonly member: MemberId;
  /** The founders of the cluster, this one included; empty if it joins. */
  readonly members: readonly { readonly id: MemberId; readonly node: NodeId; readonly learner?: boolean }[];
  /** Whether the cluster exists already, so that an empty disk means to learn from the others. */
  readonly join: boolean;
  readonly tick: Nanos;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly readMode: "safe" | "lease";
  /** Entries applied between two snapshots. */
  readonly snapshotEvery: number;
  /** Length of the pieces that a snapshot is written, sent and read in, roughly; half a MiB unless told otherwise. */
  readonly snapshotChunkBytes?: number;
  /** Entries before the newest snapshot that are kept for members that are behind. */
  readonly catchUpEntries: number;
  readonly maxEntriesPerMessage: number;
  readonly maxInflightMessages: number;
  readonly segmentBytes: number;
  readonly requestTimeout: Nanos;
  readonly peerTransport: "stream" | "datagram";
  readonly watchMaxEvents: number;
  readonly leaseCheckpoints: boolean;
  /** Operations of a transaction at most; 128 unless told otherwise, as in etcd. */
  readonly maxTxnOps?: number;
  /** Bytes of a request at most; one and a half MiB unless told otherwise, as in etcd. */
  readonly maxRequestBytes?: number;
  /** Bytes of the store above which the member raises an alarm; none unless told otherwise. */
  readonly quotaBytes?: number;
  /** Bytes of a state that this member takes from another at most; any unless told otherwise. */
  readonly maxStateBytes?: number;
  /** Name of a planted bug, or "". */
  readonly bug: string;
  readonly observer?: NodeObserver;
  /** Called once, when the node has recovered and takes part. */
  readonly started?: () => void;
}

/** A snapshot that has come in: as raft hands it on. */
type Received = DecodedSnapshot & { readonly reception: Reception };

/** What applying a proposal gives its proposer. */
type Outcome = Applied | MembersChanged;

const MAX_BYTES_PER_MESSAGE = 1 << 20;
const MAX_UNCOMMITTED_BYTES = 64 << 20;
/** A turn of the host takes a few batches; a core whose state is damaged may go on for ever. */
const MAX_BATCHES_PER_TURN = 100_000;
/** No cluster gets this far between two words of it: half a century of elections, one each second. */
const MAX_TERM_JUMP = 2 ** 31;
const DEFAULT_MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;
const MAX_UNAPPLIED_ENTRIES = 5000;
/** What is applied in one turn at most: a member that comes back may have a long log to apply. */
const MAX_APPLIED_PER_TURN = { entries: 2000, bytes: 2 << 20 };
/** Longer than what a disk writes at once, so that other work comes in between. */
const DEFAULT_SNAPSHOT_CHUNK_BYTES = 1 << 19;
/** What is kept of the log for members that are behind, at most: it is in memory. */
const MAX_CATCH_UP_BYTES = 64 << 20;
/** A store above this is not written anew before the log has grown by half of its size. */
const LARGE_STORE_BYTES = 16 << 20;

/** What a node with these options finds on its disk; gives way now and then. Throws WalError. */
export function recoverNode(disk: Disk, options: NodeOptions): Generator<void, Recovered> {
  const { clusterId, member, join, bug } = options;
  const members = options.members.map(({ id, node, learner = false }) => ({ id, node, learner }));
  return recover(disk, { clusterId, member, members, join, bug });
}

export class Node {
  readonly raft: RaftCore;
  /** The durable log, as raft reads it. */
  readonly log: NodeLog;
  readonly member: MemberId;
  readonly #runtime: NodeRuntime;
  readonly #options: NodeOptions;
  readonly #observer: NodeObserver | undefined;
  readonly #wal: Wal;
  readonly #snapshots: SnapshotFiles;
  readonly #chunkBytes: number;
  readonly #peers: Peers;
  readonly #deadlines = new Deadlines();
  readonly #proposals: Proposals<Outcome>;
  readonly #reads: Reads;
  readonly #leases: LeaseKeeper;
  readonly #locks: Locks;
  readonly #hub: WatchHub;
  readonly #leaderRequests: LeaderRequests;
  readonly #server: Server;
  readonly #clusterName: string;
  readonly #memberName: string;
  #store: Store;
  #membership: Membership;
  #applied: Index;
  /** Index of the newest snapshot; what `snapshotEvery` counts from. */
  #snapshotIndex: Index;
  /** What was applied since then. */
  #appliedBytes = 0;
  /** A snapshot of this member's own is not durable yet. */
  #savingSnapshot = false;
  /** A snapshot that has come in, until raft has taken it or not. */
  #arrived: Reception | undefined;
  /** Appends that wait until the incoming snapshot of the first one is saved. */
  readonly #held: Append[] = [];
  /** Why this member must not start, if so. */
  #refused: string | undefined;
  #started = false;
  #scheduled = false;
  #leader: MemberId = 0;
  /** Ticks left to a member that was removed, for the others to learn of it. */
  #farewell: number | undefined;

  /**
   * Goes on from what was recovered from the disk, or recovers it now, and starts once what it has read is durable.
   * Exits if it cannot trust its disk.
   */
  constructor(runtime: NodeRuntime, options: NodeOptions, known?: Recovered) {
    this.#runtime = runtime;
    this.#options = options;
    this.#observer = options.observer;
    this.member = options.member;
    this.#clusterName = String(options.clusterId);
    this.#memberName = String(options.member);
    const failed = (error: DiskError) => {
      // A disk that fails or is full says EIO or ENOSPC; a file that is not there is a mistake of ours.
      if (error.code !== "EIO" && error.code !== "ENOSPC") throw error;
      runtime.exit(`disk failure: ${error.message}`);
    };

    const recovered = known ?? this.#recover();
    const { contents, snapshot, entries, hard } = recovered;
    this.log = new NodeLog(snapshot?.meta, () => this.#stateNow());
    this.log.append(entries);
    this.#store = snapshot?.store ?? new Store({ bug: options.bug });
    this.#membership = new Membership(snapshot?.members ?? []);
    this.#applied = snapshot?.meta.index ?? 0;
    this.#snapshotIndex = this.#applied;
    this.#wal = new Wal(
      runtime.disk,
      {
        clusterId: options.clusterId,
        member: options.member,
        segmentBytes: options.segmentBytes,
        bug: options.bug,
        trace: (kind, detail) => runtime.trace(kind, detail),
        failed,
      },
      contents,
    );
    this.#chunkBytes = options.snapshotChunkBytes ?? DEFAULT_SNAPSHOT_CHUNK_BYTES;
    const store = { bug: options.bug };
    this.#snapshots = new SnapshotFiles(runtime.disk, {
      chunkBytes: this.#chunkBytes,
      store,
      maxBytes: options.maxStateBytes,
      failed,
    });
    this.raft = this.#createRaft(hard);

    this.#proposals = new Proposals(this.raft, options.member, this.#wal.incarnation, options.bug);
    this.#reads = new Reads(this.raft, this.#wal.incarnation, options.bug, (context, again) => {
      if (again) runtime.trace("read-asked-again", { context });
      this.#observer?.readRequested(context);
    });
    this.#peers = new Peers(runtime, this.#peersOptions());
    this.#peers.update(this.#membership.list());
    const host = this.#host();
    this.#leases = new LeaseKeeper(
      runtime.clock,
      {
        extend: options.electionTicks * options.tick,
        checkpoints: options.leaseCheckpoints,
        bug: options.bug,
      },
      host,
    );
    this.#locks = new Locks(host);
    this.#hub = new WatchHub(this.#store, { bug: options.bug, maxEventsPerResponse: options.watchMaxEvents });
    this.#leaderRequests = new LeaderRequests(host, this.#wal.incarnation);
    const requests = new Requests(runtime, host, {
      electionTimeout: options.electionTicks * options.tick,
      maxTxnOps: options.maxTxnOps ?? DEFAULT_MAX_TXN_OPS,
      quotaBytes: options.quotaBytes ?? 0,
    });
    this.#server = new Server({
      hub: this.#hub,
      requests,
      leaderRequests: this.#leaderRequests,
      header: (revision) => this.#header(revision),
      schedule: () => this.#schedule(),
      trace: (kind) => runtime.trace(kind),
    });
    if (this.#refused === undefined) this.#open(recovered);
    else runtime.exit(this.#refused);
  }

  get store(): Store {
    return this.#store;
  }

  /** Last index the store has applied. */
  get applied(): Index {
    return this.#applied;
  }

  /** Last index whose entry, or a snapshot in its place, is truly on disk. */
  get durableIndex(): Index {
    return this.#wal.syncedIndex;
  }

  get snapshotIndex(): Index {
    return this.#snapshotIndex;
  }

  /** Whether it has recovered and takes part. */
  get started(): boolean {
    return this.#started;
  }

  members(): readonly Member[] {
    return this.#membership.list();
  }

  /** The leader's id as far as this member knows; 0 for none. */
  get leader(): MemberId {
    return this.raft.leader;
  }

  get learner(): boolean {
    return this.raft.configuration.learners.includes(this.member);
  }

  /** As in an answer given now. */
  header(): ResponseHeader {
    return this.#header(this.#store.revision);
  }

  /** Takes a snapshot now, unless one is being taken or nothing has changed since the last. */
  snapshotNow(): void {
    if (this.#started && !this.#savingSnapshot && this.#applied > this.#snapshotIndex) this.#takeSnapshot();
  }

  // Birth

  #recover(): Recovered {
    try {
      return complete(recoverNode(this.#runtime.disk, this.#options));
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      this.#refused = error.message;
      const hard: HardState = { term: 0, vote: 0, commit: 0 };
      const contents = {
        incarnation: 0,
        hard,
        entries: [],
        markers: [],
        segments: [],
        length: 0,
        tornBytes: 0,
        overwritten: 0,
      };
      return { contents, snapshot: undefined, entries: [], hard, unsaved: false };
    }
  }

  #createRaft(hard: HardState): RaftCore {
    const options = this.#options;
    const random = this.#runtime.random.fork("election");
    return createRaft({
      id: options.member,
      storage: this.log,
      hard,
      applied: this.#applied,
      electionTicks: options.electionTicks,
      heartbeatTicks: options.heartbeatTicks,
      preVote: options.preVote,
      checkQuorum: options.checkQuorum,
      readMode: options.readMode,
      maxBytesPerMessage: MAX_BYTES_PER_MESSAGE,
      maxEntriesPerMessage: options.maxEntriesPerMessage,
      maxInflightMessages: options.maxInflightMessages,
      maxUncommittedBytes: MAX_UNCOMMITTED_BYTES,
      maxCommittedBytesPerReady: MAX_BYTES_PER_MESSAGE,
      stepDownOnRemoval: true,
      disableProposalForwarding: false,
      random: (bound) => random.below(bound),
      trace: (event) => {
        // These happen with every request; who needs them looks at the core.
        if (event.kind !== "commit-advanced" && event.kind !== "read-confirmed")
          this.#runtime.trace(event.kind, event);
      },
      bug: options.bug,
    });
  }

  #peersOptions(): ConstructorParameters<typeof Peers>[1] {
    return {
      clusterId: this.#options.clusterId,
      self: this.member,
      transport: this.#options.peerTransport,
      bug: this.#options.bug,
      believable: (term) => term <= this.raft.term + MAX_TERM_JUMP,
      received: (message) => this.#received(message),
      receive: (term) =>
        term < this.raft.term || this.#held.length > 0 ? undefined : this.#snapshots.receive(),
      arrived: (reception, snapshot, from, term) => {
        const data: Received = { ...snapshot, reception };
        this.#arrived = reception;
        this.raft.step({
          type: "snapshot",
          from,
          to: this.member,
          term,
          snapshot: { meta: data.meta, data },
        });
        this.#schedule();
      },
      interrupted: (reception, reason) => {
        this.#runtime.trace("snapshot-interrupted", { reason });
        this.#snapshots.discard(reception);
      },
      unreachable: (member) => this.raft.reportUnreachable(member),
      snapshotReported: (member, delivered) => {
        this.raft.reportSnapshot(member, delivered);
        this.#schedule();
      },
    };
  }

  /** What the parts of this node see of it. */
  #host() {
    const node = this;
    return {
      self: this.member,
      raft: this.raft,
      peers: this.#peers,
      deadlines: this.#deadlines,
      bug: this.#options.bug,
      get store() {
        return node.#store;
      },
      get applied() {
        return node.#applied;
      },
      get membership() {
        return node.#membership;
      },
      get leases() {
        return node.#leases;
      },
      get locks() {
        return node.#locks;
      },
      get leaderRequests() {
        return node.#leaderRequests;
      },
      get deadline() {
        return node.#deadline();
      },
      propose: (command: Command, done: ProposalDone<Applied>) => this.#propose(command, done),
      proposeAsLeader: (command: Command, done: ProposalDone<Applied>) => {
        this.#proposeAsLeader({ kind: "normal" }, encodeCommand(command), done as ProposalDone<Outcome>);
      },
      proposeChange: (plan: MemberChange, done: ProposalDone<MembersChanged>) => {
        const body = new TextEncoder().encode(JSON.stringify(plan.member));
        const proposal = { kind: "config", change: plan.change } as const;
        return this.#proposeAsLeader(proposal, body, done as ProposalDone<Outcome>);
      },
      proposeUpdate: (update: MemberUpdate, done: ProposalDone<MembersChanged>) =>
        this.#proposeAsLeader({ kind: "normal" }, encodeUpdate(update), done as ProposalDone<Outcome>),
      linearizable: (ready: ReadReady) => this.#linearizable(ready),
      trace: (kind: string, detail: { readonly [field: string]: string | number }) =>
        this.#runtime.trace(kind, detail),
    };
  }

  #open(recovered: Recovered): void {
    const { contents, snapshot, unsaved, hard } = recovered;
    const start = () => this.#start(hard);
    const openLog = () => this.#wal.open(contents, start);
    if (snapshot === undefined || !unsaved) openLog();
    else {
      const chunks = snapshot.store.snapshot(this.#chunkBytes);
      this.#snapshots.save({ ...snapshot, chunks }, openLog);
    }
  }

  #start(hard: HardState): void {
    this.#started = true;
    this.#observer?.started({
      core: this.raft,
      storage: this.log,
      hard,
      applied: this.#applied,
      stateHash: this.#store.hash(),
    });
    this.#peers.start();
    this.#server.start(this.#runtime);
    this.#runtime.timer(this.#options.tick, this.#tick);
    // Who is alone need not wait for the word of another.
    const { voters, votersOutgoing } = this.raft.configuration;
    if (voters.length === 1 && voters[0] === this.member && votersOutgoing.length === 0) this.raft.campaign();
    this.#options.started?.();
    this.#schedule();
  }

  // Inputs

  readonly #tick = (): void => {
    this.#runtime.timer(this.#options.tick, this.#tick);
    this.raft.tick();
    this.#deadlines.check(this.#runtime.clock.monotonic());
    this.#reads.tick();
    this.#leaderRequests.tick();
    this.#leases.tick();
    this.#peers.tick();
    this.#server.tick();
    if (this.#farewell !== undefined && --this.#farewell <= 0) {
      this.#runtime.exit("removed from the cluster");
      return;
    }
    this.#schedule();
  };

  #received(message: PeerMessage): void {
    switch (message.type) {
      case "hello":
        return;
      case "ask-leader":
      case "leader-answer":
        this.#leaderRequests.received(message);
        break;
      default:
        this.raft.step(message);
        this.#scheduleIfDue();
        return;
    }
    this.#schedule();
  }

  #deadline(): Nanos {
    return this.#runtime.clock.monotonic() + this.#options.requestTimeout;
  }

  #propose(command: Command, done: ProposalDone<Applied>): void {
    const body = encodeCommand(command);
    if (body.length > (this.#options.maxRequestBytes ?? DEFAULT_MAX_REQUEST_BYTES)) done(ErrRequestTooLarge);
    else if (this.raft.commit > this.#applied + MAX_UNAPPLIED_ENTRIES) done(ErrTooManyRequests);
    else {
      const pending = this.#proposals.add(body, this.#deadline(), done as ProposalDone<Outcome>);
      this.#observer?.proposed(command, pending.data);
      this.#deadlines.add(pending);
      this.#schedule();
    }
  }

  #proposeAsLeader(
    proposal: Parameters<Proposals<Outcome>["addAsLeader"]>[0],
    body: Uint8Array,
    done: ProposalDone<Outcome>,
  ): "proposed" | "config-change-pending" | "refused" {
    const result = this.#proposals.addAsLeader(proposal, body, this.#deadline(), done);
    if (typeof result === "string") return result;
    this.#deadlines.add(result);
    this.#schedule();
    return "proposed";
  }

  #linearizable(ready: ReadReady): void {
    if (this.#options.bug === "follower-reads-locally" && this.raft.role !== "leader") {
      ready();
      return;
    }
    this.#deadlines.add(this.#reads.add(this.#deadline(), ready));
    this.#schedule();
  }

  // Work

  /** Lets `#pump` run once after this event, however much happens in it. */
  #schedule(): void {
    if (this.#scheduled || !this.#started) return;
    this.#scheduled = true;
    this.#runtime.defer(this.#pump);
  }

  /** After what gives raft something to do only now and then. */
  #scheduleIfDue(): void {
    if (this.raft.hasReady() || this.#proposals.waiting || this.#reads.waiting) this.#schedule();
  }

  readonly #pump = (): void => {
    this.#scheduled = false;
    const { raft } = this;
    const entries = this.#applied + MAX_APPLIED_PER_TURN.entries;
    const bytes = this.#appliedBytes + MAX_APPLIED_PER_TURN.bytes;
    for (let batches = 0; ; batches++) {
      if (batches > MAX_BATCHES_PER_TURN) throw new Error("raft's core hands out work without end");
      this.#proposals.flush();
      this.#reads.flush();
      if (!raft.hasReady()) break;
      const ready = raft.takeReady();
      this.#observer?.ready(ready);
      if (ready.soft !== undefined) this.#roleChanged(ready.soft.leader);
      for (const message of ready.messages) this.#send(message);
      if (ready.append !== undefined) this.#persist(ready.append);
      if (ready.committed.length > 0) this.#apply(ready.committed);
      for (const read of ready.readStates) this.#reads.confirmed(read.context, read.index, this.#applied);
      if (this.#applied > entries || this.#appliedBytes > bytes) {
        this.#scheduled = true;
        this.#runtime.timer(0, this.#pump);
        break;
      }
    }
    if (this.#arrived !== undefined && !raft.hasReady()) this.#discard(this.#arrived);
    this.#server.deliver();
  };

  #send(message: Message): void {
    this.#observer?.sent(message);
    this.#peers.send(message);
  }

  #roleChanged(leader: MemberId): void {
    if (this.raft.role !== "leader") this.#leases.demote();
    if (leader === this.#leader) return;
    this.#leader = leader;
    if (leader !== 0) this.#reads.retry();
    this.#proposals.leaderChanged();
    this.#leaderRequests.leaderChanged(leader);
  }

  // Persistence

  #persist(append: Append): void {
    if (append.snapshot !== undefined) this.#arrived = undefined;
    if (this.#held.length === 0 && append.snapshot === undefined) this.#write(append);
    else if (this.#held.push(append) === 1) this.#saveHeld();
  }

  /** Raft had no use for it. */
  #discard(reception: Reception): void {
    this.#arrived = undefined;
    this.#snapshots.discard(reception);
  }

  /** Saves the snapshot of the first held append, then writes all up to the next one with a snapshot. */
  #saveHeld(): void {
    const snapshot = this.#held[0]?.snapshot;
    if (snapshot === undefined) return;
    this.#snapshots.adopt((snapshot.data as Received).reception, snapshot.meta, () => {
      do {
        this.#write(this.#held.shift() as Append);
      } while (this.#held.length > 0 && this.#held[0]?.snapshot === undefined);
      this.#saveHeld();
    });
  }

  #write(append: Append): void {
    const { hard, entries, snapshot } = append;
    const early =
      this.#options.bug === "single-node-replies-early" && this.raft.configuration.voters.length === 1;
    if (early) this.#durable(append);
    const batch = new Batch(append, this.#observer, early ? () => {} : this.#durable);
    this.#wal.append(hard, entries, snapshot?.meta, batch);
  }

  readonly #durable = (append: Append): void => {
    if (append.snapshot !== undefined) this.#restore(append.snapshot);
    this.log.append(append.entries);
    for (const message of append.afterSync) {
      if (message.to === this.member) {
        this.#observer?.sent(message);
        this.raft.step(message);
      } else this.#send(message);
    }
    this.raft.storageAppended(append.ack);
    if (append.snapshot === undefined) this.#scheduleIfDue();
    else this.#schedule();
  };

  // Application

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      this.#applied = entry.index;
      this.#appliedBytes += entry.data.length;
      if (entry.kind === "config") this.#applyChange(entry);
      else if (entry.data.length > 0) this.#applyCommand(entry);
      this.#observer?.applied(entry.index, this.#store.hash());
      if (!this.#leases.promoted && this.raft.role === "leader" && entry.term === this.raft.term)
        this.#leases.promote(entry.term);
    }
    this.raft.storageApplied(this.#applied);
    this.#reads.applied(this.#applied);
    if (!this.#savingSnapshot && this.#isSnapshotDue()) this.#takeSnapshot();
  }

  /** A large state takes longer to write than the entries since: then their bytes decide, and not their number. */
  #isSnapshotDue(): boolean {
    const size = this.#store.approximateBytes();
    if (this.#appliedBytes >= Math.max(MAX_CATCH_UP_BYTES, size / 2)) return true;
    return size < LARGE_STORE_BYTES && this.#applied - this.#snapshotIndex >= this.#options.snapshotEvery;
  }

  #applyCommand(entry: Entry): void {
    if (isUpdate(entry.data)) {
      this.#applyUpdate(entry, decodeUpdate(entry.data));
      return;
    }
    let command = commandOf(entry);
    if (this.#options.bug === "txn-checked-by-one" && this.#proposals.find(entry.data) === undefined)
      command = withoutRanges(command);
    if (this.#options.bug === "lease-id-drawn-on-apply" && command.kind === "lease-grant")
      command = { ...command, id: String(1 + this.#runtime.random.below(1_000_000_000)) };
    const applied = this.#store.apply(command);
    this.#observer?.commandApplied(entry, command, applied);
    this.#leases.applied(command, applied.response);
    this.#hub.notify(applied);
    this.#answer(entry, applied);
    if (applied.events.length > 0) this.#locks.notify(applied.events, command.kind === "lease-revoke");
  }

  #applyChange(entry: Extract<Entry, { kind: "config" }>): void {
    // Raft itself proposes to leave a joint configuration, without a word of ours.
    if (entry.data.length > 0) {
      const text = new TextDecoder().decode(proposalBody(entry.data));
      this.#membership.apply({ change: entry.change, member: JSON.parse(text) as Member });
      this.#peers.update(this.#membership.list());
    }
    // It may ask for a snapshot at once, to send it to a new member.
    const configuration = this.raft.applyConfigChange(entry.change);
    this.#observer?.configurationApplied(entry.index, configuration);
    this.#answer(entry, { members: this.#membership.list() });
    if (this.#membership.get(this.member) === undefined) this.#farewell ??= 2 * this.#options.electionTicks;
  }

  #applyUpdate(entry: Entry, update: MemberUpdate): void {
    this.#membership.update(update);
    this.#peers.update(this.#membership.list());
    this.#answer(entry, { members: this.#membership.list() });
  }

  #answer(entry: Entry, outcome: Outcome): void {
    const pending = this.#proposals.find(entry.data);
    if (pending === undefined) return;
    this.#observer?.acknowledged(entry.index, entry.term);
    pending.settle(outcome);
  }

  // Snapshots

  /** The state up to the last entry applied, for whoever wants to keep or send it. */
  #stateNow(): SnapshotSource {
    const index = this.#options.bug === "snapshot-index-behind" ? this.#applied - 1 : this.#applied;
    const term = this.log.term(index);
    if (term === undefined) throw new RangeError(`there is no entry ${index} to take a snapshot at`);
    return {
      meta: { index, term, configuration: this.raft.configuration },
      members: this.#membership.list(),
      chunks: this.#store.snapshot(this.#chunkBytes),
    };
  }

  /** The same, in frames. */
  snapshot(): Iterable<Uint8Array> {
    return framesOf(this.#stateNow());
  }

  #takeSnapshot(): void {
    if (this.#held.length > 0) return;
    this.#savingSnapshot = true;
    const state = this.#stateNow();
    const { meta } = state;
    this.#snapshotIndex = this.#applied;
    this.#runtime.trace("snapshot-begun", { index: this.#applied });
    this.#appliedBytes = 0;
    this.log.keepSnapshot(meta.index, meta.configuration, undefined);
    this.#snapshots.save(state, () => {
      // The log learns of a snapshot when it is durable; only then may what it replaces go.
      this.#wal.append(undefined, [], meta, { durable: () => this.#snapshotSaved(meta.index) });
    });
  }

  #snapshotSaved(index: Index): void {
    this.#savingSnapshot = false;
    this.#runtime.trace("snapshot-saved", { index });
    this.#snapshots.removeBefore(index);
    this.#wal.release(index);
    const keepFrom = this.log.indexBehind(index, this.#options.catchUpEntries, MAX_CATCH_UP_BYTES);
    if (keepFrom < this.log.firstIndex) return;
    this.log.compact(keepFrom);
    this.#runtime.trace("compacted", { index: keepFrom });
  }

  /** Replaces everything by a snapshot of the leader's, which is durable here. */
  #restore({ meta, data }: Snapshot): void {
    const { index } = meta;
    const { members, store } = data as Received;
    this.log.restore({ meta, data: undefined });
    this.#store = store;
    this.#applied = index;
    this.#appliedBytes = 0;
    this.#snapshotIndex = index;
    this.#membership = new Membership(members);
    this.#peers.update(members);
    this.#observer?.restored(index, this.#store.hash());
    this.#runtime.trace("restored", { index, watches: this.#server.watches });
    this.#hub.restored(this.#store);
    this.#leases.restored();
    this.#locks.restored();
    this.#snapshots.removeBefore(index);
    this.#wal.release(index);
    this.#reads.applied(index);
  }

  #header(revision: Revision): ResponseHeader {
    return {
      clusterId: this.#clusterName,
      memberId: this.#memberName,
      revision,
      raftTerm: this.raft.term,
    };
  }
}
