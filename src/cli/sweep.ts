/** `faultline sweep`: many seeds on all cores, until one fails or all have passed. */
import { availableParallelism } from "node:os";
import { cpuUsage, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import pc from "picocolors";
import Tinypool from "tinypool";
import { sitesOf } from "../../cluster/sites.ts";
import { type PlanInput, parsePlan, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { exitCode, toothlessFaults } from "../result.ts";
import { resolvePlan } from "../runner/swarm.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { unreachedSites } from "./coverage.ts";
import { execute } from "./execute.ts";
import { findings, tellFinding } from "./findings.ts";
import { onInterrupt } from "./interrupt.ts";
import { addPlanOptions, natural, type PlanFlags, planInput, storeOption } from "./plan-options.ts";
import { printResult } from "./print.ts";
import { type ShrinkFlags, shrinkFailure, shrinkOption } from "./shrink.ts";
import { Status } from "./status.ts";
import type { SeedResult, SweepTask } from "./sweep-worker.ts";

interface SweepFlags extends PlanFlags, ShrinkFlags {
  readonly seeds: string;
  readonly first: string;
  readonly jobs?: string;
  readonly keepGoing?: boolean;
  readonly requireSites?: boolean;
}

interface Range {
  readonly first: number;
  readonly count: number;
  readonly jobs: number;
  /** Stop at the first failure. */
  readonly stop: boolean;
}

type Concluding = ShrinkFlags & Pick<SweepFlags, "requireSites">;

/** Seeds per task: enough to hide the cost of handing it over, few enough to stop soon. */
const CHUNK = 4;
const MOST_JOBS = 256;
/** Milliseconds between two looks at how far the workers are. */
const REFRESH = 250;

export interface Sweep {
  readonly results: readonly SeedResult[];
  readonly cpuSeconds: number;
}

/** Runs seeds [first, first + count) of `input`. With `stop`, no new seeds are begun after a failure. */
export async function sweep(
  input: PlanInput,
  range: Range,
  progress: (done: readonly SeedResult[]) => void,
): Promise<Sweep> {
  const pool = new Tinypool({
    filename: fileURLToPath(new URL("./sweep-worker.js", import.meta.url)),
    minThreads: range.jobs,
    maxThreads: range.jobs,
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  const before = cpuUsage();
  const results: SeedResult[] = [];
  let next = range.first;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (next < range.first + range.count && !(failed && range.stop)) {
      const first = next;
      const count = Math.min(CHUNK, range.first + range.count - first);
      next += count;
      const task: SweepTask = { input, first, count, stop: range.stop };
      const done: readonly SeedResult[] = await pool.run(task);
      results.push(...done);
      if (done.some((result) => result.validity !== "valid")) failed = true;
      progress(results);
    }
  };
  try {
    await Promise.all(Array.from({ length: range.jobs }, lane));
  } finally {
    await pool.destroy();
  }
  const { user, system } = cpuUsage(before);
  return { results: results.sort((a, b) => a.seed - b.seed), cpuSeconds: (user + system) / 1e6 };
}

const EXAMPLES = `
Without --no-swarm each seed draws its own sizes, knobs and faults; what flags set stays as it is.

Examples:
  npx faultline sweep                                   200 seeds of the register workload
  npx faultline sweep -w watch --seeds 5000 --first 200 seeds 200 to 5199 of another
  npx faultline sweep --bug quorum-half                 how many seeds until a planted bug is found?`;

export function sweepCommand(): Command {
  const command = new Command("sweep").description("run many seeds on all cores; stop at the first failure");
  return addPlanOptions(command)
    .option("--no-swarm", "run the plan as it is; only the seed varies")
    .option("--seeds <count>", "how many seeds", "200")
    .option("--first <seed>", "the first seed", "0")
    .option("--jobs <count>", "worker threads; one per core unless given")
    .option("--keep-going", "run all seeds, whatever fails")
    .option("--require-sites", "demand that every site was reached by some seed (see: list sites)")
    .addOption(shrinkOption())
    .addOption(storeOption())
    .addHelpText("after", EXAMPLES)
    .action(async (flags: SweepFlags) => {
      if (flags.seed !== undefined)
        throw new UsageError("--seed: a sweep chooses its seeds; use --first and --seeds");
      const input: PlanInput = { ...planInput(flags), swarm: flags.swarm !== false };
      RunDirectory.requireWritable(flags.store);
      requireRunnable(input);
      const range: Range = {
        first: natural("--first", flags.first, 0),
        count: natural("--seeds", flags.seeds, 1),
        jobs: jobsOf(flags),
        stop: flags.keepGoing !== true,
      };
      await sweepAndConclude(input, range, flags);
    });
}

/** Threads or processes to work on. Throws UsageError. */
export function jobsOf({ jobs }: { readonly jobs?: string }): number {
  if (jobs === undefined) return availableParallelism();
  const count = natural("--jobs", jobs, 1);
  if (count > MOST_JOBS) throw new UsageError(`--jobs: ${count} is too many; at most ${MOST_JOBS}`);
  return count;
}

/** Sweeps, with progress on the terminal, says what came of it, and keeps and shrinks the first failure. */
export async function sweepAndConclude(input: PlanInput, range: Range, flags: Concluding): Promise<void> {
  const { count } = range;
  const status = new Status();
  const started = Date.now();
  let finished: readonly SeedResult[] = [];
  const deaf = onInterrupt(() => {
    status.clear();
    if (finished.length === 0) return "interrupted before the first seeds were done";
    const bad = finished.filter((result) => result.validity !== "valid").map((result) => result.seed);
    return `interrupted after ${finished.length} of ${count} seeds: ${bad.length === 0 ? "all valid" : `not valid: ${bad.join(", ")}`}`;
  });
  const show = (): void => status.update(() => progressLine(finished, count, Date.now() - started));
  const showing = setInterval(show, REFRESH);
  const { results, cpuSeconds } = await sweep(input, range, (done) => {
    finished = done;
  }).finally(() => clearInterval(showing));
  deaf();
  status.clear();
  await conclude(input, results, cpuSeconds, flags);
}

/** Throws UsageError if what is set can be no run at all, whichever part of it a seed draws. */
export function requireRunnable(input: PlanInput): void {
  if (input.swarm === true) resolvePlan({ ...input, seed: 0 });
  // A seed that draws a fault of datagrams also draws their transport.
  const raftkv =
    input.swarm === true ? { peerTransport: "datagram" as const, ...input.raftkv } : input.raftkv;
  assemble(parsePlan({ ...input, swarm: false, faults: input.faults ?? [], ...(raftkv && { raftkv }) }));
}

function progressLine(done: readonly SeedResult[], count: number, elapsed: number): string {
  const perSecond = done.length / (elapsed / 1_000);
  const virtual = done.reduce((sum, result) => sum + result.counts.virtualSeconds, 0);
  const failures = done.filter((result) => result.validity === "invalid").length;
  const left = done.length === 0 ? "?" : Math.round((count - done.length) / perSecond);
  return `${done.length} of ${count} seeds  ${perSecond.toFixed(1)} seeds/s  ${Math.round(virtual)} virtual seconds  ${failures} violations  about ${left} s left`;
}

async function conclude(
  input: PlanInput,
  results: readonly SeedResult[],
  cpuSeconds: number,
  flags: Concluding,
): Promise<void> {
  const virtual = Math.round(results.reduce((sum, result) => sum + result.counts.virtualSeconds, 0));
  const operations = results.reduce((sum, result) => sum + result.counts.operations, 0);
  const count = (want: (result: SeedResult) => boolean): number => results.filter(want).length;
  const invalid = count((result) => result.validity === "invalid");
  const unknown = count((result) => result.validity === "unknown");
  const vacuous = count((result) => result.validity === "valid" && result.vacuous);
  const toothless = toothlessFaults(results);
  const workload = parsePlan({ ...input, swarm: false }).workload;
  const unreached = unreachedSites(workload, results);
  stdout.write(
    `${results.length} seeds: ${results.length - invalid - unknown} valid, ${invalid} invalid, ${unknown} unknown\n` +
      `${operations} operations in ${virtual} virtual seconds, ${cpuSeconds.toFixed(1)} CPU-seconds\n`,
  );
  if (vacuous > 0) stdout.write(`${vacuous} runs in which a fault never bit\n`);
  const reachable = sitesOf(workload).length;
  stdout.write(`${reachable - unreached.length} of ${reachable} sites reached`);
  stdout.write(unreached.length > 0 ? `; never: ${unreached.map((site) => site.name).join(", ")}\n` : "\n");
  const bugs = findings(results);
  if (bugs.length > 0)
    stdout.write(
      `\n${bugs.length === 1 ? "one finding" : `${bugs.length} findings`}:\n${bugs.map(tellFinding).join("")}`,
    );
  const worst =
    results.find((result) => result.validity === "invalid") ??
    results.find((result) => result.validity === "unknown");
  if (worst === undefined) {
    const missed = flags.requireSites === true && unreached.length > 0;
    process.exitCode = toothless.length > 0 || missed ? 2 : 0;
    if (toothless.length > 0) stdout.write(`vacuous: ${toothless.join(", ")} never bit in any run\n`);
    else if (missed) stdout.write("unknown: not every site was reached\n");
    else stdout.write(`${pc.green(pc.bold("VALID"))}  every promise held in every run\n`);
    return;
  }
  stdout.write(`\nseed ${worst.seed}, found by ${worst.found.join(", ") || "no checker"}:\n`);
  const failing: PlanInput = { ...input, seed: worst.seed };
  const executed = await execute(failing, flags.store);
  printResult(executed);
  await shrinkFailure(executed, flags);
  process.exitCode = exitCode(executed.result);
}
