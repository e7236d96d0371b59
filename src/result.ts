/** What a run came to. Holds nothing that differs between two runs of one plan in the simulator. */
import type { Validity, Verdict } from "./checker.ts";
import type { Json, Nanos } from "./history/op.ts";

/** What one fault did in a run. `bites` counts its visible effects; 0 means it was injected in vain. */
export interface FaultSummary {
  readonly fault: string;
  /** CSS colour of its spans in plots. */
  readonly colour: string;
  readonly starts: number;
  readonly bites: number;
}

/** A node that ended by itself: an exception in its code, or an exit it chose. */
export interface NodeEnd {
  readonly time: Nanos;
  readonly node: string;
  readonly kind: "crash" | "exit";
  readonly reason: string;
}

/** A message between two hosts, for the space-time diagram. Times as in the history. */
export interface MessageRecord {
  readonly from: string;
  readonly to: string;
  /** What it says in a few words: "append 3..5", "vote term 4", … */
  readonly what: string;
  readonly sent: Nanos;
  /** Null if it never arrived. */
  readonly arrived: Nanos | null;
}

export interface RunResult {
  readonly validity: Validity;
  /** A fault that was asked for left no evidence of having bitten: the run proves less than it claims. */
  readonly vacuous: boolean;
  /** The verdict in one sentence. */
  readonly summary: string;
  readonly verdicts: readonly Verdict[];
  readonly faults: readonly FaultSummary[];
  readonly nodeEnds: readonly NodeEnd[];
  /** "Sometimes" sites and protocol events, with how often they were reached. */
  readonly reached: { readonly [site: string]: number };
  readonly counts: { readonly operations: number; readonly events: number; readonly virtualSeconds: number };
  /** Rolling hash over every simulated event; "" outside the simulator. */
  readonly traceHash: string;
  /** Where the time of the history stands when recovery began. */
  readonly phases: { readonly [phase: string]: Nanos };
  readonly notes: readonly Json[];
}

/** Exit code of the command line. */
export function exitCode(result: Pick<RunResult, "validity" | "vacuous">): 0 | 1 | 2 {
  if (result.validity === "invalid") return 1;
  return result.validity === "unknown" || result.vacuous ? 2 : 0;
}

/** The faults that left no evidence in any run that started them; all that were drawn if none was ever started. */
export function toothlessFaults(
  results: readonly { readonly faults: readonly Pick<FaultSummary, "fault" | "starts" | "bites">[] }[],
): readonly string[] {
  const bites = new Map<string, number>();
  const drawn = new Set<string>();
  for (const { faults } of results)
    for (const { fault, starts, bites: count } of faults) {
      drawn.add(fault);
      if (starts > 0) bites.set(fault, (bites.get(fault) ?? 0) + count);
    }
  if (bites.size === 0) return [...drawn];
  return [...bites].filter(([, count]) => count === 0).map(([fault]) => fault);
}
