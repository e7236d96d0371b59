/** A cluster under test: its members, how to speak to one, and what can be done to it. */
import type { Json, Nanos, NodeId } from "./history/op.ts";

export interface Cluster<Api> {
  readonly nodes: readonly NodeId[];
  /** Opens a connection of its own to exactly one node: no failover, no retry. */
  api(node: NodeId): Api;
  /** Members that believe to lead, newest term first; empty if none is known. */
  leaders(): Promise<readonly NodeId[]>;
  readonly can: Abilities;
  /** Resolves when a client could write through every one of `nodes`; keeps trying as long as it takes. */
  ready(nodes: readonly NodeId[]): Promise<void>;
  stop(): Promise<void>;
}

/** What can be done to a cluster. A fault whose ability is missing is not offered. */
export interface Abilities {
  readonly processes?: Processes;
  readonly power?: Power;
  readonly links?: Links;
  /** Links that do more than lose what they carry: delay, double, reorder, alter it. */
  readonly packets?: true;
  readonly clocks?: Clocks;
  readonly disks?: Disks;
  readonly members?: Members;
  readonly admin?: Admin;
  readonly snapshots?: Snapshots;
  readonly events?: Events;
  readonly recovery?: Recovery;
}
export type Ability = keyof Abilities;

/** Every action says what it did, as evidence: pids before and after, bytes lost, … */
export interface Processes {
  /** Ends the process at once; what it wrote stays in the page cache. */
  kill(node: NodeId): Promise<Json>;
  /** Asks it to end. */
  stop(node: NodeId): Promise<Json>;
  /** Starts a dead node from its disk; does nothing to a live one. */
  start(node: NodeId): Promise<Json>;
  /** Freezes and thaws the process; its clocks run on. */
  pause(node: NodeId): Promise<Json>;
  resume(node: NodeId): Promise<Json>;
  state(node: NodeId): "running" | "paused" | "dead";
}

export interface Power {
  /** Takes the power away: unsynced writes are lost, peers get no goodbye. `Processes` starts the node again. */
  off(node: NodeId): Promise<Json>;
}

/** How traffic from one node to another is spoilt. Probabilities in [0, 1]. */
export interface LinkFault {
  readonly cut?: boolean;
  /** Streams: held back and released in order on heal. */
  readonly hold?: boolean;
  readonly delay?: Nanos;
  readonly jitter?: Nanos;
  readonly loss?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  /** Messages per second at most. */
  readonly rate?: number;
  /** Probability that a message arrives altered; a stream then breaks. */
  readonly corrupt?: number;
}

export interface Links {
  /** Adds a fault to each directed pair. Several faults on one pair combine. Returns a handle. */
  spoil(pairs: readonly (readonly [from: NodeId, to: NodeId])[], fault: LinkFault): Promise<LinkHandle>;
  /** Breaks the open connections between two nodes once, with a reset. */
  reset(a: NodeId, b: NodeId): Promise<Json>;
  /** Breaks the connections of all clients of a node once. */
  resetClients(node: NodeId): Promise<Json>;
}
export interface LinkHandle {
  /** Undoes it; returns what it did: messages dropped, delayed, duplicated, … */
  heal(): Promise<{ readonly [effect: string]: number }>;
}

export interface Clocks {
  /** Moves the wall clock once. */
  jump(node: NodeId, by: Nanos): Promise<Json>;
  /** Lets the monotonic and the wall clock run at `rate` of true time (1 is right). */
  drift(node: NodeId, rate: number): Promise<Json>;
  /** Back to true time and rate 1. */
  reset(node: NodeId): Promise<Json>;
  /** Wall clock minus true time. */
  offset(node: NodeId): Promise<Nanos>;
}

export type DiskFault =
  | { readonly kind: "slow"; readonly latency: Nanos }
  | { readonly kind: "error"; readonly probability: number }
  | { readonly kind: "full" }
  /** A sync fails once, and the next one succeeds without having written ("fsyncgate"). */
  | { readonly kind: "sync-error" }
  /** Syncs report success and do nothing: a lying disk. */
  | { readonly kind: "lying-sync" }
  /** Flips bits of durable bytes in files whose path contains `file`. */
  | { readonly kind: "bit-flip"; readonly file: string; readonly bits: number }
  | { readonly kind: "truncate"; readonly file: string; readonly bytes: number };

export interface Disks {
  spoil(node: NodeId, fault: DiskFault): Promise<Json>;
  /** Undoes what can be undone; returns counts of what was hit. */
  heal(node: NodeId): Promise<{ readonly [effect: string]: number }>;
}

export interface Members {
  /** Members by their own agreement: voters and learners. */
  list(): Promise<{ readonly voters: readonly NodeId[]; readonly learners: readonly NodeId[] }>;
  /**
   * Makes a node a voter, with an empty disk if it was not one, and as a learner first if asked; does nothing to one
   * that is a voter. Rejects if the cluster does not agree in time, and can be tried again.
   */
  add(node: NodeId, learner: boolean): Promise<Json>;
  /** Removes it from the cluster and wipes it. */
  remove(node: NodeId): Promise<Json>;
  transferLeader(to: NodeId): Promise<Json>;
}

export interface Admin {
  /** Compacts the store's history at its head minus `keep` revisions. */
  compact(keep: number): Promise<Json>;
}

export interface Snapshots {
  /** Makes the node snapshot its state machine and drop its log before it. */
  take(node: NodeId): Promise<Json>;
}

/** What nodes tell of their inside; the simulator hears all, a real cluster what its logs say. */
export interface ClusterEvent {
  readonly time: Nanos;
  readonly node: NodeId;
  readonly kind: string;
  readonly detail: { readonly [field: string]: Json };
}
export interface Events {
  /** Calls `listener` for each event of these kinds from now on; the function returned ends it. */
  subscribe(kinds: readonly string[], listener: (event: ClusterEvent) => void): () => void;
}

/**
 * The second phase of a run: after safety under faults, progress once enough is whole again (TigerBeetle's VOPR does
 * the same). A core, a quorum of members, is started, connected with each other and with the clients, and cut off
 * from all others; whatever is broken elsewhere stays broken. Without the cut a half-reachable leader outside could
 * hold the core hostage, which raft does not promise to prevent.
 */
export interface Recovery {
  healCore(): Promise<{ readonly core: readonly NodeId[] }>;
  /** Ends the isolation of the core. */
  releaseCore(): Promise<void>;
  /** How long a core may take until it serves writes again. */
  readonly bound: Nanos;
}
