/** Runs a workload, a checker and a fault of your own from code. */
import type { KvApi } from "../cluster/api.ts";
import { simulated } from "../cluster/simulated/place.ts";
import { type Plan, type PlanInput, parsePlan } from "../src/plan.ts";
import { nodeNames } from "../src/registry.ts";
import { type Run, run, type Test } from "../src/runner/run.ts";
import { seededRandom } from "../src/runtime/random.ts";
import { suspend } from "./suspend.ts";
import { tally } from "./tally.ts";

export function runTally(input: PlanInput): Promise<Run> {
  const plan: Plan = parsePlan(input);
  const workload = tally.create({
    nodes: nodeNames(plan.nodes),
    concurrency: plan.concurrency,
    random: seededRandom(plan.seed).fork("workload"),
    options: plan.workloadOptions,
  });
  const test: Test<KvApi> = { plan, place: simulated, workload, faults: [suspend], checkers: [] };
  return run(test, { record: () => {}, messages: false });
}
