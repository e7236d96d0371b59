/** `faultline shrink`: a failing simulated run, made as small as it gets and still failing in the same way. */
import { cpuUsage, stdout } from "node:process";
import { Command, Option } from "commander";
import pc from "picocolors";
import { type Plan, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { exitCode } from "../result.ts";
import { run } from "../runner/run.ts";
import { shows } from "../shrink/failure.ts";
import { sizeOf } from "../shrink/script.ts";
import { type Shrunk, shrink } from "../shrink/shrink.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { type Executed, execute } from "./execute.ts";
import { number, storeOption } from "./plan-options.ts";
import { Status } from "./status.ts";

const EXAMPLES = `
Examples:
  npx faultline shrink                                      the newest run
  npx faultline shrink store/register/2026-01-31-1200-seed7 a certain one
  npx faultline shrink --shrink-budget 300                  for up to five CPU-minutes`;

export interface ShrinkFlags {
  readonly store: string;
  readonly shrinkBudget: string;
}

/** Calls printed of a shrunk run; the plan has all. */
const SHOWN = 20;

/** How long a failing run is shrunk. */
export function shrinkOption(): Option {
  return new Option(
    "--shrink-budget <seconds>",
    "CPU-seconds for shrinking a failing run; 0 for none",
  ).default("60");
}

export function shrinkCommand(): Command {
  return new Command("shrink")
    .description("make a failing simulated run as small as it gets: fewer nodes, clients, faults, operations")
    .argument("[run]", "run directory", "store/latest")
    .addOption(shrinkOption())
    .addOption(storeOption())
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, flags: ShrinkFlags) => {
      const plan = RunDirectory.open(path).plan();
      if (plan.place !== "simulated")
        throw new UsageError(`${path}: only simulated runs can be shrunk; this one ran on ${plan.place}`);
      RunDirectory.requireWritable(flags.store);
      const { result } = await shrinkAndKeep(plan, flags);
      process.exitCode = exitCode(result);
    });
}

/** Shrinks what `executed` found, if it is a simulated failure, the budget allows it and it is not a script already. */
export async function shrinkFailure(
  { plan, result }: Pick<Executed, "plan" | "result">,
  flags: ShrinkFlags,
): Promise<Executed | undefined> {
  const wanted = result.validity === "invalid" && plan.place === "simulated" && plan.script === undefined;
  if (!wanted || budgetOf(flags) === 0) return undefined;
  return shrinkAndKeep(plan, flags);
}

/** Shrinks a plan, runs what is left with everything kept, and prints it. */
async function shrinkAndKeep(plan: Plan, flags: ShrinkFlags): Promise<Executed> {
  const { shrunk, cpuSeconds } = await shrinkPlan(plan, budgetOf(flags));
  const small = shrunk.plan;
  const executed = await execute(small, flags.store);
  if (!shows(executed.result, shrunk.failure)) throw new Error("the shrunk run did not fail again");
  const { checker, anomaly } = shrunk.failure;
  stdout.write(
    `${pc.bold("Shrunk")} to ${extent(small)} in ${shrunk.runs} runs, ${cpuSeconds.toFixed(1)} CPU-seconds, and still: ${pc.red(`${anomaly} (${checker})`)}\n  ${executed.result.summary}\n`,
  );
  const calls = small.script ?? [];
  for (const { at, thread, f, key, value } of calls.slice(0, SHOWN)) {
    const who = thread === undefined ? "nemesis" : `client ${thread}`;
    const what = [f, key ?? "", value === null ? "" : JSON.stringify(value)].join(" ");
    stdout.write(
      `  ${at.toFixed(3).padStart(8)} s  ${who.padEnd(9)}  ${what.replace(/ +/g, " ").trimEnd()}\n`,
    );
  }
  if (calls.length > SHOWN) stdout.write(`  … and ${calls.length - SHOWN} more\n`);
  stdout.write(`  report: ${executed.directory.path}/report.html\n  repeat: ${pc.bold(executed.repeat)}\n`);
  return executed;
}

function budgetOf({ shrinkBudget }: ShrinkFlags): number {
  const budget = number("--shrink-budget", shrinkBudget) ?? 0;
  if (budget < 0) throw new UsageError(`--shrink-budget: ${shrinkBudget} is less than 0`);
  return budget;
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
      spent: () => {
        status.update(() => `shrinking  ${spent().toFixed(0)} of ${budget} CPU-seconds  ${extent(best)}`);
        return spent() / budget;
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
    return `${nodes} nodes, faults ${faults.join("+") || "none"}, ${duration} s at ${rate} operations a second`;
  const size = sizeOf(script);
  return `${nodes} nodes, ${size.faults} faults, ${size.operations} operations`;
}
