/** A place: where a system runs. Simulated, as processes, in containers. */
import type { Verdict } from "./checker.ts";
import type { Ability, Cluster, ClusterEvent } from "./cluster.ts";
import type { Nanos } from "./history/op.ts";
import type { Plan } from "./plan.ts";
import type { MessageRecord, NodeEnd } from "./result.ts";
import type { Runtime } from "./runtime/runtime.ts";

export interface Place<Api> {
  readonly name: string;
  /** One sentence for `faultline list places`. */
  readonly summary: string;
  /** Names of the systems it can run. */
  readonly systems: readonly string[];
  /** What can be done there to a cluster of this plan. Throws UsageError if the plan cannot be run there at all. */
  abilities(plan: Plan): ReadonlySet<Ability>;
  /** Why something cannot be done there which can be done on other machines, and what would help. */
  lacks?(ability: Ability): string | undefined;
  boot(plan: Plan, watch: Watching): Promise<Stage<Api>>;
}

/** What to keep of the inside of a run beyond the history. */
export interface Watching {
  /** Every message between hosts, for the space-time diagram. */
  readonly messages: boolean;
  /** A directory for what members leave behind, where they do: logs, and data if the run failed. Made if needed. */
  readonly remains?: string;
}

/** A booted cluster and the time it lives in. */
export interface Stage<Api> {
  readonly cluster: Cluster<Api>;
  /** The tester's own door to time and chance. */
  readonly runtime: Runtime;
  /**
   * Lets time pass until `work` has settled; rejects if it does. Gives a reason in words if it had to give up: the
   * system kept itself busy without end, or made no progress for `limit` nanoseconds.
   */
  drive(work: Promise<void>, limit: Nanos): Promise<string | undefined>;
  /** What the place itself saw. Call it after the last `drive`. */
  observed(): Observed;
  /** Ends everything. What a failed run leaves behind is worth keeping. */
  close(failed: boolean): Promise<void>;
}

export interface Observed {
  /** Judgements that need a look inside: protocol invariants, equal replicas, durability. */
  readonly verdicts: readonly Verdict[];
  readonly nodeEnds: readonly NodeEnd[];
  readonly trace: readonly ClusterEvent[];
  readonly messages: readonly MessageRecord[];
  readonly reached: { readonly [site: string]: number };
  /** Events executed; 0 where that has no meaning. */
  readonly events: number;
  readonly traceHash: string;
}
