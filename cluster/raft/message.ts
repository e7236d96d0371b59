/**
 * The vocabulary of raft: what members say to each other, and what the core asks of its host.
 *
 * Names follow the extended paper (Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm") and
 * Ongaro's dissertation, features follow etcd-io/raft. Everything here is immutable once handed out: the core never
 * reuses an array it gave away, since a host may hold it across a slow fsync.
 */

/** A member. Positive safe integer; 0 means nobody. */
export type MemberId = number;
/** Terms and log indexes are safe integers; index 0 and term 0 stand before the first entry. */
export type Term = number;
export type Index = number;

export type Entry = {
  readonly index: Index;
  readonly term: Term;
} & (
  | { readonly kind: "normal" /** Empty for the no-op of a new leader. */; readonly data: Uint8Array }
  | {
      readonly kind: "config";
      readonly change: ConfigChange /** The host's own bytes, carried along. */;
      readonly data: Uint8Array;
    }
);

/** One or more changes of membership; more than one, or `joint`, goes through joint consensus (dissertation, 4.3). */
export interface ConfigChange {
  readonly changes: readonly {
    readonly type: "add-voter" | "add-learner" | "remove";
    readonly member: MemberId;
  }[];
  /** `auto`: joint only if several changes need it, left by itself. `implicit`: joint, left by itself. `explicit`: joint until an empty change. */
  readonly transition: "auto" | "implicit" | "explicit";
}

/** Who votes and who listens. Arrays are sorted. `votersOutgoing` is empty unless in a joint configuration. */
export interface Configuration {
  readonly voters: readonly MemberId[];
  readonly votersOutgoing: readonly MemberId[];
  readonly learners: readonly MemberId[];
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  readonly learnersNext: readonly MemberId[];
  readonly autoLeave: boolean;
}

export interface SnapshotMeta {
  readonly index: Index;
  readonly term: Term;
  readonly configuration: Configuration;
}

/** A snapshot on its way: `data` is the host's, opaque to raft. */
export interface Snapshot {
  readonly meta: SnapshotMeta;
  readonly data: unknown;
}

export interface HardState {
  readonly term: Term;
  readonly vote: MemberId;
  readonly commit: Index;
}

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}

export type Message = Envelope &
  (
    | {
        readonly type: "append";
        readonly previousIndex: Index;
        readonly previousTerm: Term;
        readonly entries: readonly Entry[];
        readonly commit: Index;
      }
    | {
        readonly type: "append-response";
        /** Accepted: last index known to match. Rejected: the refused `previousIndex`. */
        readonly index: Index;
        readonly reject: boolean;
        /** On rejection: where the follower suggests to look next, and its term there (raft thesis, 5.3 footnote). */
        readonly hintIndex: Index;
        readonly hintTerm: Term;
      }
    | {
        readonly type: "heartbeat";
        readonly commit: Index /** Position of a pending read batch; 0 if none. */;
        readonly context: number;
      }
    | { readonly type: "heartbeat-response"; readonly context: number }
    | {
        readonly type: "vote" | "pre-vote";
        readonly lastIndex: Index;
        readonly lastTerm: Term /** A transfer of leadership: ignores leases. */;
        readonly force: boolean;
      }
    | { readonly type: "vote-response" | "pre-vote-response"; readonly reject: boolean }
    | { readonly type: "snapshot"; readonly snapshot: Snapshot }
    | { readonly type: "timeout-now" }
    | { readonly type: "propose"; readonly entries: readonly Proposal[] }
    | { readonly type: "read-index" /** The asker's own number for the read. */; readonly context: number }
    | { readonly type: "read-index-response"; readonly context: number; readonly index: Index }
    | { readonly type: "transfer-leader"; readonly transferee: MemberId }
  );

export type MessageType = Message["type"];

/** What a proposer hands in; the leader gives it index and term. */
export type Proposal =
  | { readonly kind: "normal"; readonly data: Uint8Array }
  | { readonly kind: "config"; readonly change: ConfigChange; readonly data: Uint8Array };

/**
 * accepted: appended to the leader's log (it may still be lost); `index` is that of the first proposal, the others
 * follow it. forwarded: sent to the leader (it may be lost on the way). Otherwise all of them were dropped here and
 * will never take effect; "no-leader": none is known, or forwarding to it is disabled.
 */
export type ProposeResult =
  | { readonly outcome: "accepted"; readonly index: Index; readonly term: Term }
  | { readonly outcome: "forwarded"; readonly to: MemberId }
  | {
      readonly outcome: "dropped";
      readonly reason:
        | "no-leader"
        | "transferring"
        | "too-much-uncommitted"
        | "config-change-pending"
        | "invalid-config-change"
        | "not-member";
    };

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/** What the host reads of the durable log. All reads are synchronous, from memory. */
export interface LogStorage {
  /** Index of the first entry still kept; entries before it live in the snapshot. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** Term of an index in [firstIndex - 1, lastIndex]; undefined outside. */
  term(index: Index): Term | undefined;
  /** Entries in [low, high), at least one, then as many as fit into `maxBytes`. */
  entries(low: Index, high: Index, maxBytes: number): readonly Entry[];
  readonly snapshotMeta: SnapshotMeta;
  /** The newest snapshot with its data, to send to a member that is far behind; undefined while none can be had. */
  snapshot(): Snapshot | undefined;
}

/**
 * One batch of work for the host. Contract (etcd-io/raft doc.go, asynchronous storage writes):
 *  - `messages` may be sent at once, also before `append` is durable.
 *  - `append` is written in order of batches; when it is durable, send `append.afterSync` and call
 *    `storageAppended(append.ack)`. Messages in `afterSync` addressed to this member itself are stepped. With a
 *    snapshot, this comes when the state machine has been restored from it, too; entries of earlier batches which are
 *    not applied by then are in it, and must not be applied any more.
 *  - `committed` is applied in order; afterwards call `storageApplied(lastIndex)`.
 *  - a read may be served once the host has applied `readStates[i].index`.
 */
export interface Ready {
  /** Set when role or leader changed. */
  readonly soft?: { readonly role: Role; readonly leader: MemberId; readonly term: Term } | undefined;
  readonly messages: readonly Message[];
  readonly append?:
    | {
        /** Set when any of term, vote, commit changed. */
        readonly hard?: HardState | undefined;
        readonly entries: readonly Entry[];
        /** An incoming snapshot, to be made durable before `entries`. */
        readonly snapshot?: Snapshot | undefined;
        /** False when term, vote and log stay as they are: then no fsync of its own, but still after the earlier batches. */
        readonly mustSync: boolean;
        readonly afterSync: readonly Message[];
        readonly ack: AppendAck;
      }
    | undefined;
  readonly committed: readonly Entry[];
  readonly readStates: readonly { readonly context: number; readonly index: Index }[];
}

/** Says which hand-out became durable; ignored if the term has moved on since (the ABA problem of rawnode.go). */
export interface AppendAck {
  readonly term: Term;
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  readonly snapshotIndex: Index;
}

export interface RaftOptions {
  readonly id: MemberId;
  /**
   * Its first snapshot is the configuration the cluster began with, the same on every member: one that joins later
   * starts with it as well, although it is not in it, or has to be sent a snapshot (the cluster then begins at index 1).
   */
  readonly storage: LogStorage;
  /** From disk; zeros on the first start. */
  readonly hard: HardState;
  /** Last index the host's state machine has applied; entries after it are handed out again. */
  readonly applied: Index;
  /** Ticks without a heartbeat until an election; drawn anew from [electionTicks, 2 * electionTicks) each time. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** `lease` needs `checkQuorum` and clocks whose drift is bounded. */
  readonly readMode: "safe" | "lease";
  readonly maxBytesPerMessage: number;
  /** Entries per append message at most; 0 for no limit but bytes. Small values make rare interleavings common. */
  readonly maxEntriesPerMessage: number;
  readonly maxInflightMessages: number;
  readonly maxUncommittedBytes: number;
  readonly maxCommittedBytesPerReady: number;
  readonly stepDownOnRemoval: boolean;
  readonly disableProposalForwarding: boolean;
  /** Uniform integer in [0, bound), drawn for (this member, term, purpose): chance is injected. */
  readonly random: (bound: number) => number;
  /** Protocol events for traces; must not call back. */
  readonly trace: (event: RaftEvent) => void;
  /** Name of a planted bug, or "": see cluster/bugs.ts. */
  readonly bug: string;
}

/** What an observer can learn of one member's protocol steps. */
export type RaftEvent =
  | {
      readonly kind: "become-follower" | "become-pre-candidate" | "become-candidate" | "become-leader";
      readonly term: Term;
      readonly leader: MemberId;
    }
  | { readonly kind: "vote-granted"; readonly term: Term; readonly to: MemberId; readonly pre: boolean }
  | {
      /** The asker's log is behind, the vote of this term is given, or a leader was heard of lately. */
      readonly kind: "vote-refused-log" | "vote-refused-taken" | "vote-refused-lease";
      readonly term: Term;
      readonly to: MemberId;
    }
  | { readonly kind: "vote-lost" | "pre-vote-lost"; readonly term: Term }
  | { readonly kind: "proposal-dropped"; readonly term: Term; readonly reason: string }
  /** Forwarded to this member, which does not lead. */
  | { readonly kind: "proposal-astray"; readonly term: Term }
  | {
      readonly kind: "log-truncated";
      readonly term: Term;
      readonly from: Index;
      readonly previousLast: Index;
    }
  | { readonly kind: "commit-advanced"; readonly term: Term; readonly index: Index }
  | { readonly kind: "first-commit-of-term"; readonly term: Term; readonly index: Index }
  | { readonly kind: "snapshot-sent"; readonly term: Term; readonly to: MemberId; readonly index: Index }
  | { readonly kind: "snapshot-restored"; readonly term: Term; readonly index: Index }
  | { readonly kind: "config-applied"; readonly term: Term; readonly joint: boolean }
  | { readonly kind: "transfer-started" | "transfer-aborted"; readonly term: Term; readonly to: MemberId }
  | { readonly kind: "read-waits-for-commit" | "read-confirmed"; readonly term: Term; readonly index: Index }
  /** Appends to this follower were lost or refused: it gets one at a time until the logs meet again. */
  | { readonly kind: "replication-probed"; readonly term: Term; readonly to: MemberId }
  | { readonly kind: "quorum-lost"; readonly term: Term };

export interface RaftStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: MemberId;
  readonly leader: MemberId;
  readonly commit: Index;
  readonly applied: Index;
  readonly lastIndex: Index;
  readonly configuration: Configuration;
  readonly transferee: MemberId;
  /** Leader only, by member. Invariant: 0 <= match < next. */
  readonly progress: readonly {
    readonly member: MemberId;
    readonly state: "probe" | "replicate" | "snapshot";
    readonly match: Index;
    readonly next: Index;
    readonly recentActive: boolean;
    readonly inflight: number;
    readonly paused: boolean;
  }[];
}

/** The core, sans-IO: synchronous, no clock, no chance of its own, no callbacks out but `trace`. */
export interface RaftCore {
  /** One tick of the host's clock. After a pause, the missed ticks come before anything else: leases count on them. */
  tick(): void;
  /** A message from another member. Stale, unknown and malformed ones are ignored. */
  step(message: Message): void;
  campaign(): void;
  propose(proposals: readonly Proposal[]): ProposeResult;
  /**
   * To be called when a config entry is applied, before `storageApplied`; returns the configuration now in force. A
   * change that makes no sense in the present one is without effect, on every member alike.
   */
  applyConfigChange(change: ConfigChange): Configuration;
  /**
   * Asks for a linearizable read; the answer comes as a read state with the same context, or never. A context is not
   * to be used again, not even after a restart: the answer to the first read would pass for one to the second.
   */
  readIndex(context: number): "pending" | "no-leader";
  transferLeader(to: MemberId): void;
  forgetLeader(): void;
  reportUnreachable(member: MemberId): void;
  /** To be called for every snapshot message, once its fate is known: until then the member is sent nothing else. */
  reportSnapshot(member: MemberId, delivered: boolean): void;
  storageAppended(ack: AppendAck): void;
  storageApplied(index: Index): void;
  hasReady(): boolean;
  /** Only when `hasReady()`. */
  takeReady(): Ready;
  status(): RaftStatus;
  /** Cheap parts of `status`, for the hot path. */
  readonly role: Role;
  readonly term: Term;
  readonly leader: MemberId;
  readonly commit: Index;
  readonly configuration: Configuration;
}
