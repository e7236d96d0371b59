/** What a worker thread of a sweep does: runs seeds one after the other and says what each came to. */
import type { PlanInput } from "../plan.ts";
import type { RunResult } from "../result.ts";
import type { Run } from "../runner/run.ts";
import { type Failure, failureOf } from "../shrink/failure.ts";
import { tryPlan } from "./trial.ts";

export interface SweepTask {
  readonly input: PlanInput;
  readonly first: number;
  readonly count: number;
  /** Stop at the first seed that is not valid. */
  readonly stop: boolean;
}

export interface SeedResult
  extends Pick<
    RunResult,
    "validity" | "vacuous" | "summary" | "counts" | "faults" | "reached" | "traceHash"
  > {
  readonly seed: number;
  /** Checkers that found something. */
  readonly found: readonly string[];
  /** Its signature, if it is invalid for a reason that has one. */
  readonly failure: Failure | undefined;
}

/** One seed; says which it was if the harness breaks. */
async function attempt(input: PlanInput): Promise<Run> {
  try {
    return await tryPlan(input);
  } catch (error) {
    throw new Error(`seed ${input.seed}`, { cause: error });
  }
}

export default async function sweepSeeds(task: SweepTask): Promise<readonly SeedResult[]> {
  const results: SeedResult[] = [];
  for (let seed = task.first; seed < task.first + task.count; seed++) {
    const { result } = await attempt({ ...task.input, seed });
    const { validity, vacuous, summary, counts, faults, reached, traceHash, verdicts } = result;
    const found = verdicts
      .filter((verdict) => verdict.validity === "invalid")
      .map((verdict) => verdict.checker);
    results.push({
      seed,
      validity,
      vacuous,
      summary,
      counts,
      faults,
      reached,
      traceHash,
      found,
      failure: failureOf(result),
    });
    if (task.stop && validity !== "valid") break;
  }
  return results;
}
