/** `faultline run`: one plan, from boot to report. */
import { randomInt } from "node:crypto";
import { Command } from "commander";
import { exitCode } from "../result.ts";
import { execute, repeatLine } from "./execute.ts";
import { addPlanOptions, type PlanFlags, planInput } from "./plan-options.ts";
import { printResult } from "./print.ts";

export function runCommand(): Command {
  const command = new Command("run").description("run one plan: boot, break, check, report");
  return addPlanOptions(command)
    .option("--store <directory>", "where runs are kept", "store")
    .action(async (flags: PlanFlags & { readonly store: string }) => {
      const asked = planInput(flags);
      const input = asked.seed === undefined ? { ...asked, seed: randomInt(1_000_000_000) } : asked;
      const { result, directory } = await execute(input, flags.store);
      printResult(result, repeatLine(input), directory.path);
      process.exitCode = exitCode(result);
    });
}
