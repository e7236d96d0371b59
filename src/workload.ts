/** A workload: what clients do, and which promise is checked. */
import type { Checker } from "./checker.ts";
import type { Client } from "./client.ts";
import type { OpGenerator } from "./generator/generator.ts";
import type { Json, Nanos, NodeId, Process, Signature } from "./history/op.ts";
import type { Random } from "./runtime/random.ts";
import type { Runtime } from "./runtime/runtime.ts";

export interface WorkloadOptions {
  readonly nodes: readonly NodeId[];
  /** Number of client threads. */
  readonly concurrency: number;
  /** How long a client waits for an answer before the outcome counts as unknown. */
  readonly timeout: Nanos;
  /** For draws made once per run; the generator's own chance comes from its context. */
  readonly random: Random;
  /** The plan's `workloadOptions`, for the workload to validate. */
  readonly options: { readonly [name: string]: Json };
}

/** `Api` is what a cluster gives for one node: for key-value stores with etcd's semantics, `KvApi` of cluster/api.ts. */
export interface Workload<S extends Signature, Api> {
  readonly name: string;
  /** Endless, or as long as it likes: the runner adds rate and time limits. */
  readonly generator: OpGenerator<S>;
  /** Run after the last fault is healed and the cluster has recovered: final reads. */
  readonly final?: OpGenerator<S>;
  readonly checkers: readonly Checker<S>[];
  /** A client for one process. `api` speaks to exactly one node, simulated or real. */
  open(api: Api, process: Process, runtime: Runtime): Client<S>;
  /**
   * Runs before the first operation, with an api to some node. It is tried again if it rejects, though what it asked
   * for may have been done: it must not do anything twice.
   */
  setup?(api: Api): Promise<void>;
}

/** What a registry holds. */
export interface WorkloadFactory<Api> {
  readonly name: string;
  /** One sentence for `faultline list workloads`. */
  readonly summary: string;
  create(options: WorkloadOptions): Workload<Signature, Api>;
}

/** Forgets what the functions of a workload take and give: the runner hands each only what its own generator made. */
export function untyped<S extends Signature, Api>(workload: Workload<S, Api>): Workload<Signature, Api> {
  return workload as unknown as Workload<Signature, Api>;
}
