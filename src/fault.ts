/**
 * A fault: a kind of damage, packed with its schedule, its cure and its colour in the plots.
 *
 * The nemesis is one process of the history. Its calls are `start-NAME` and `heal-NAME`; what lies between is a
 * span. A completion carries evidence that the fault bit; a fault without any makes the run vacuous.
 */
import type { Ability, Cluster } from "./cluster.ts";
import type { OpGenerator } from "./generator/generator.ts";
import type { Json, Nanos, NodeId, Signature } from "./history/op.ts";
import type { Random } from "./runtime/random.ts";
import type { Runtime } from "./runtime/runtime.ts";

/** `in` says what to do in terms that do not depend on the run ("isolate the leader"), `out` what was done to whom. */
export type FaultSignature = Signature;

export interface FaultOptions {
  readonly nodes: readonly NodeId[];
  /** Mean time between the starts of two such faults. */
  readonly interval: Nanos;
  /** Mean time that such a fault stays in force, less than `interval`. */
  readonly span: Nanos;
  /** This fault's own stream: what it draws does not depend on what else happens in the run. */
  readonly random: Random;
  /** Restricts the victims: "one", "minority", "majority", "leaders", "all", … ; undefined draws. */
  readonly target?: string;
}

export interface Fault {
  readonly name: string;
  /** One sentence for `faultline list faults`. */
  readonly summary: string;
  readonly needs: readonly Ability[];
  /** It cannot bite in a smaller cluster. */
  readonly leastNodes: number;
  /** CSS colour of its spans. */
  readonly colour: string;
  /** Starts and heals, for as long as it is asked. */
  schedule(options: FaultOptions): OpGenerator<FaultSignature>;
  open(cluster: Cluster<unknown>, runtime: Runtime): Injector;
}

export interface Injector {
  /** Performs `start-NAME`, or another function of the fault; resolves to evidence. */
  invoke(f: string, value: Json): Promise<Json>;
  /** Undoes everything still in force; safe to call at any time, any number of times. */
  heal(): Promise<Json>;
  /** How often this fault has bitten so far. 0 after a run means it was vacuous. */
  bites(): number;
}
