/** `faultline run`: one plan, from boot to report. */
import { randomInt } from "node:crypto";
import { Command } from "commander";
import { exitCode } from "../result.ts";
import { execute } from "./execute.ts";
import { addPlanOptions, type PlanFlags, planInput, storeOption } from "./plan-options.ts";
import { printResult } from "./print.ts";
import { type ShrinkFlags, shrinkFailure, shrinkOption } from "./shrink.ts";

const EXAMPLES = `
Examples:
  npx faultline run                                         five nodes, the default faults, a random seed
  npx faultline run -w kv -f partition,kill -n 3 -d 5m      three nodes for five virtual minutes
  npx faultline run -w watch --swarm -s 42                  sizes, knobs and faults drawn from seed 42
  npx faultline run -c plan.yaml --set raftkv.preVote=false a plan from a file, but for one knob`;

export function runCommand(): Command {
  const command = new Command("run").description("run one plan: boot, break, check, report");
  return addPlanOptions(command)
    .addHelpText("after", EXAMPLES)
    .addOption(shrinkOption())
    .addOption(storeOption())
    .action(async (flags: PlanFlags & ShrinkFlags) => {
      const asked = planInput(flags);
      const input = asked.seed === undefined ? { ...asked, seed: randomInt(1_000_000_000) } : asked;
      const executed = await execute(input, flags.store);
      printResult(executed);
      await shrinkFailure(executed, flags);
      process.exitCode = exitCode(executed.result);
    });
}
