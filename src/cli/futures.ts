/** `faultline futures`: from when on a failing simulated run could not be saved any more. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cpuUsage, stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import { happened, renderFutures, rise, tellRise } from "../../reports/futures-page.ts";
import { bounds, explore, type Futures, rate } from "../futures/futures.ts";
import { UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { run } from "../runner/run.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { repeatLine } from "./execute.ts";
import { number } from "./plan-options.ts";
import { Status } from "./status.ts";

const EXAMPLES = `
Examples:
  npx faultline futures                                        the newest run
  npx faultline futures store/register/2026-01-31-1200-seed7   a certain one
  npx faultline futures --cpu-budget 300                       for up to five CPU-minutes`;

/** Happenings printed of the stretch in which the likelihood rises; the page has more. */
const SHOWN = 15;
const BAR = 30;

export function futuresCommand(): Command {
  return new Command("futures")
    .description("find out from when on a failing simulated run could not be saved any more")
    .argument("[run]", "run directory", "store/latest")
    .option("--cpu-budget <seconds>", "CPU-seconds it may take", "60")
    .addHelpText("after", EXAMPLES)
    .action(async (path: string, { cpuBudget }: { readonly cpuBudget: string }) => {
      const directory = RunDirectory.open(path);
      const plan = directory.plan();
      if (plan.place !== "simulated")
        throw new UsageError(
          `${path}: only simulated runs have futures to draw; this one ran on ${plan.place}`,
        );
      const budget = number("--cpu-budget", cpuBudget) ?? 0;
      if (budget <= 0) throw new UsageError(`--cpu-budget: ${cpuBudget} is not more than 0`);
      const futures = await explored(directory, budget);
      const finished = directory.read();
      const page = join(directory.path, "futures.html");
      writeFileSync(page, await renderFutures(futures, finished, repeatLine(plan, directory)));
      print(futures);
      const { from, to } = rise(futures.moments);
      const happenings = happened(finished, from.at, to.at);
      stdout.write(`${pc.bold(tellRise(futures))}\n`);
      if (happenings.length > SHOWN) stdout.write(`  … ${happenings.length - SHOWN} more before\n`);
      for (const { at, who, what } of happenings.slice(-SHOWN))
        stdout.write(`  ${at.toFixed(3).padStart(9)} s  ${who.padEnd(10)}  ${what}\n`);
      stdout.write(`  page: ${page}\n`);
    });
}

async function explored(directory: RunDirectory, budget: number): Promise<Futures> {
  const status = new Status();
  const before = cpuUsage();
  const spent = (): number => {
    const { user, system } = cpuUsage(before);
    return (user + system) / 1e6;
  };
  try {
    return await explore(directory.plan(), {
      run: (plan) => run(assemble(plan), { record: () => {}, messages: false }),
      spent: () => spent() / budget,
      progress: (moments) => {
        const drawn = moments.reduce((sum, { futures }) => sum + futures, 0);
        status.update(
          () =>
            `${drawn} futures of ${moments.length} moments  ${spent().toFixed(0)} of ${budget} CPU-seconds`,
        );
      },
    });
  } finally {
    status.clear();
  }
}

function print({ failure, proved, moments }: Futures): void {
  stdout.write(
    `How often there is still: ${pc.red(`${failure.anomaly} (${failure.checker})`)}, proved at ${proved.toFixed(3)} s, if all chance is drawn anew from a moment on\n`,
  );
  for (const moment of moments) {
    const [low, high] = bounds(moment).map((share) => Math.round(100 * share));
    const share = `${Math.round(100 * rate(moment))} %`.padStart(5);
    const interval = `[${low}..${high}]`.padEnd(9);
    const bar = "█".repeat(Math.round(BAR * rate(moment)));
    stdout.write(
      `  ${moment.at.toFixed(3).padStart(9)} s  ${share} ${pc.dim(interval)} of ${moment.futures}  ${pc.red(bar)}\n`,
    );
  }
}
