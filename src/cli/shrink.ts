/** `faultline shrink`: a failing simulated run, made as small as it gets and still failing in the same way. */
import { cpuUsage, stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import { type Plan, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { exitCode } from "../result.ts";
import { run } from "../runner/run.ts";
import { sizeOf } from "../shrink/script.ts";
import { type Shrunk, shrink } from "../shrink/shrink.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { execute, repeatLine } from "./execute.ts";
import { number, storeOption } from "./plan-options.ts";
import { printResult } from "./print.ts";
import { Status } from "./status.ts";

const EXAMPLES = `
Examples:
  npx faultline shrink                                      the newest run
  npx faultline shrink store/register/2026-01-31-1200-seed7 a certain one
  npx faultline shrink --shrink-budget 300                  for up to five CPU-minutes`;

export function shrinkCommand(): Command {
  return new Command("shrink")
    .description("make a failing simulated run as small as it gets: fewer nodes, clients, faults, operations")
    .argument("[run]", "run directory", "store/latest")
    .option("--shrink-budget <seconds>", "CPU-seconds it may take", "60")
    .addOption(storeOption())
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: { readonly shrinkBudget: string; readonly store: string }) => {
      const plan = RunDirectory.open(path).plan();
      if (plan.place !== "simulated")
        throw new UsageError(`${path}: only simulated runs can be shrunk; this one ran on ${plan.place}`);
      RunDirectory.requireWritable(flags.store);
      const budget = number("--shrink-budget", flags.shrinkBudget) ?? 0;
      const { shrunk, cpuSeconds } = await shrinkPlan(plan, budget);
      stdout.write(
        `${pc.bold("Shrunk")} in ${shrunk.runs} runs and ${cpuSeconds.toFixed(1)} CPU-seconds from ${extent(plan)} to ${extent(shrunk.plan)}.\n`,
      );
      const executed = await execute(shrunk.plan, flags.store);
      printResult(executed, repeatLine(shrunk.plan));
      process.exitCode = exitCode(executed.result);
    });
}

/** Shrinks for at most `budget` CPU-seconds. Throws UsageError if the plan does not fail. */
async function shrinkPlan(
  plan: Plan,
  budget: number,
): Promise<{ readonly shrunk: Shrunk; readonly cpuSeconds: number }> {
  const status = new Status();
  const before = cpuUsage();
  const spent = (): number => {
    const { user, system } = cpuUsage(before);
    return (user + system) / 1e6;
  };
  let best = plan;
  try {
    const shrunk = await shrink(plan, {
      run: (candidate) => run(assemble(candidate), { record: () => {}, messages: false }),
      goOn: () => {
        status.update(() => `shrinking  ${spent().toFixed(0)} of ${budget} CPU-seconds  ${extent(best)}`);
        return spent() < budget;
      },
      progress: (smaller) => {
        best = smaller;
      },
    });
    return { shrunk, cpuSeconds: spent() };
  } finally {
    status.clear();
  }
}

function extent({ nodes, faults, duration, rate, script }: Plan): string {
  if (script === undefined)
    return `${nodes} nodes, ${faults.length} classes of faults, ${duration} s at ${rate} operations a second`;
  const size = sizeOf(script);
  return `${nodes} nodes, ${size.faults} faults, ${size.operations} operations`;
}
