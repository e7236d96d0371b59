/** A simulated run that leaves nothing on disk. */
import type { Op } from "../history/op.ts";
import type { PlanInput } from "../plan.ts";
import { assemble } from "../registry.ts";
import { type Run, run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";

/** Runs `input`; each event goes to `record`, if given. Throws UsageError if the plan cannot be run. */
export function tryPlan(input: PlanInput, record: (event: Op) => void = () => {}): Promise<Run> {
  return run(assemble(resolvePlan(input)), { record, messages: false });
}
