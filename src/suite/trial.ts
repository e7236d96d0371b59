/** A trial: one cell of a suite with one seed, and what came of it. */
import type { Validity } from "../checker.ts";
import type { FaultSummary, RunResult } from "../result.ts";
import type { Failure } from "../shrink/failure.ts";

/** What one run came to. */
export interface Attempt extends Pick<RunResult, "validity" | "summary" | "counts" | "faults" | "traceHash"> {
  /** Its signature, if it is invalid for a reason that has one. */
  readonly failure: Failure | undefined;
}

/** The same of a run that was kept. */
export interface Kept extends Attempt {
  /** Path of the run directory. */
  readonly run: string;
  /** The line that repeats it. */
  readonly repeat: string;
}

export interface Trial {
  readonly cell: string;
  readonly seed: number;
  /** broken: the harness failed, and nothing is known of the system. */
  readonly status: Validity | "broken";
  readonly summary: string;
  readonly failure?: Failure;
  readonly operations: number;
  /** Of the history: virtual, or of the wall clock. */
  readonly seconds: number;
  readonly faults: readonly Pick<FaultSummary, "fault" | "starts" | "bites">[];
  /** Where the run is kept, and the line that repeats it; missing if it was not kept. */
  readonly run?: string;
  readonly repeat?: string;
  /** How often it failed, of how many attempts at the same plan; missing if it did not. */
  readonly failed?: { readonly times: number; readonly of: number };
  /** Milliseconds that the suite had run when the trial was over, interruptions left out. */
  readonly elapsed: number;
}

/** "checker: anomaly", as findings are told apart. */
export function signatureOf({ checker, anomaly }: Failure): string {
  return `${checker}: ${anomaly}`;
}
