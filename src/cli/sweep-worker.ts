/** What a worker thread of a sweep does: runs seeds one after the other and says what each came to. */
import type { PlanInput } from "../plan.ts";
import { assemble } from "../registry.ts";
import type { RunResult } from "../result.ts";
import { run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";

export interface SweepTask {
  readonly input: PlanInput;
  readonly first: number;
  readonly count: number;
  /** Stop at the first seed that is not valid. */
  readonly stop: boolean;
}

export interface SeedResult
  extends Pick<RunResult, "validity" | "vacuous" | "summary" | "counts" | "reached" | "traceHash"> {
  readonly seed: number;
  /** Checkers that found something. */
  readonly found: readonly string[];
}

export default async function sweepSeeds(task: SweepTask): Promise<readonly SeedResult[]> {
  const results: SeedResult[] = [];
  for (let seed = task.first; seed < task.first + task.count; seed++) {
    const { result } = await run(assemble(resolvePlan({ ...task.input, seed })), {
      record: () => {},
      messages: false,
    });
    const { validity, vacuous, summary, counts, reached, traceHash, verdicts } = result;
    const found = verdicts
      .filter((verdict) => verdict.validity === "invalid")
      .map((verdict) => verdict.checker);
    results.push({ seed, validity, vacuous, summary, counts, reached, traceHash, found });
    if (task.stop && validity !== "valid") break;
  }
  return results;
}
