/** Runs a workload, a checker and a fault of your own from code. */
import {
  type KvApi,
  nodeNames,
  type Plan,
  type PlanInput,
  parsePlan,
  type Run,
  run,
  seededRandom,
  simulated,
  type Test,
} from "faultline";
import { suspend } from "./suspend.ts";
import { tally } from "./tally.ts";

export function runTally(input: PlanInput): Promise<Run> {
  const plan: Plan = parsePlan(input);
  const workload = tally.create({
    nodes: nodeNames(plan.nodes),
    concurrency: plan.concurrency,
    timeout: plan.timeout * 1e9,
    random: seededRandom(plan.seed).fork("workload"),
    options: plan.workloadOptions,
  });
  const test: Test<KvApi> = { plan, place: simulated, workload, faults: [suspend], checkers: [] };
  return run(test, { record: () => {}, messages: false });
}
