/** `faultline suite`: a matrix of plans and seeds within a time budget, night after night. */
import { appendFileSync, existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { env, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import pc from "picocolors";
import Tinypool from "tinypool";
import { evidence, renderSuite, sinceWords, suiteSentence } from "../../reports/suite-page.ts";
import { renderJUnit, renderMarkdown } from "../../reports/suite-text.ts";
import { counted } from "../../reports/wording.ts";
import { UsageError } from "../plan.ts";
import { failureOf } from "../shrink/failure.ts";
import { SuiteDirectory } from "../store/suite-directory.ts";
import { builtinSuites } from "../suite/builtin.ts";
import { conduct, type Hands } from "../suite/conduct.ts";
import { type Cell, cellsOf, parseSuite, type Suite } from "../suite/suite.ts";
import { type SuiteSummary, suiteExitCode, summarize } from "../suite/summary.ts";
import type { Trial } from "../suite/trial.ts";
import { execute } from "./execute.ts";
import { onInterrupt } from "./interrupt.ts";
import { readSettings, seconds, storeOption } from "./plan-options.ts";
import { Status } from "./status.ts";
import { jobsOf, requireRunnable } from "./sweep.ts";
import type { SeedResult, SweepTask } from "./sweep-worker.ts";

interface SuiteFlags {
  readonly budget?: string;
  readonly jobs?: string;
  readonly resume?: string;
  readonly store: string;
}

const REFRESH = 250;

const EXAMPLES = `
Examples:
  npx faultline suite smoke                       every important workload, in minutes
  npx faultline suite nightly --budget 2h         as much as two hours allow
  npx faultline suite my-suite.yaml               your own
  npx faultline suite --resume store/suites/nightly/2030-01-31-0200

Exit codes: 0 valid, 1 a finding that is not known, 2 unknown or vacuous, 255 the harness broke in a trial.`;

export function suiteCommand(): Command {
  return new Command("suite")
    .description("run a matrix of plans and seeds, and say what broke, since when, and how to repeat it")
    .argument("[suite]", `a YAML file, or ${builtinSuites.map(({ name }) => name).join(" or ")}`)
    .option("--budget <time>", "begin no trial after that time, such as 20m")
    .option("--jobs <count>", "worker threads; one per core unless given")
    .option("--resume <directory>", "go on with a suite that was interrupted")
    .addOption(storeOption())
    .addHelpText("after", EXAMPLES)
    .action(async (name: string | undefined, flags: SuiteFlags) => {
      if ((name === undefined) === (flags.resume === undefined))
        throw new UsageError("suite: name a suite, or one to go on with by --resume");
      const budget = seconds("--budget", flags.budget) ?? Number.POSITIVE_INFINITY;
      const jobs = jobsOf(flags);
      const known = flags.resume === undefined ? undefined : SuiteDirectory.open(flags.resume);
      const suite = known?.suite ?? suiteOf(name as string);
      const cells = cellsOf(suite, requireRunnable);
      const directory = known ?? SuiteDirectory.create(flags.store, suite, new Date());
      const summary = await runSuite(directory, cells, { jobs, budget: budget * 1_000, store: flags.store });
      process.exitCode = suiteExitCode(summary);
    });
}

function suiteOf(name: string): Suite {
  const builtin = builtinSuites.find((suite) => suite.name === name);
  if (builtin !== undefined) return parseSuite(builtin, name);
  if (!existsSync(name) && !/[./]/.test(name))
    throw new UsageError(
      `${name}: no such suite; there are ${builtinSuites.map((suite) => suite.name).join(", ")}, or name a file`,
    );
  return parseSuite(readSettings(name, "a suite is a map with a name and matrices"), name);
}

interface Limits {
  readonly jobs: number;
  /** Milliseconds. */
  readonly budget: number;
  readonly store: string;
}

async function runSuite(
  directory: SuiteDirectory,
  cells: readonly Cell[],
  { jobs, budget, store }: Limits,
): Promise<SuiteSummary> {
  const trials: Trial[] = [...directory.trials()];
  const before = trials.reduce((most, { elapsed }) => Math.max(most, elapsed), 0);
  const begun = Date.now();
  const elapsed = (): number => before + Date.now() - begun;
  const resume = `npx faultline suite --resume ${directory.path}`;
  const status = new Status();
  const deaf = onInterrupt(() => {
    status.clear();
    return `interrupted after ${trials.length} trials; go on with ${resume}`;
  });
  const showing = setInterval(() => status.update(() => progress(cells, trials, elapsed(), budget)), REFRESH);
  const pool = new Tinypool({
    filename: fileURLToPath(new URL("./sweep-worker.js", import.meta.url)),
    minThreads: jobs,
    maxThreads: jobs,
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  const hands: Hands = {
    simulate: async (plan) => {
      const task: SweepTask = { input: plan, first: plan.seed ?? 0, count: 1, stop: false };
      const [result] = (await pool.run(task)) as readonly SeedResult[];
      return result as SeedResult;
    },
    perform: async (plan) => {
      const { result, directory: run, repeat } = await execute(plan, store);
      return { ...result, failure: failureOf(result), run: run.path, repeat };
    },
    record: (trial) => {
      trials.push(trial);
      directory.append(trial);
    },
    elapsed,
  };
  try {
    await conduct(cells, trials.slice(), hands, { jobs, budget });
  } finally {
    clearInterval(showing);
    deaf();
    status.clear();
    await pool.destroy();
  }
  const earlier = directory.earlier();
  const summary = summarize(directory.suite, cells, trials, directory.started, earlier);
  directory.writeSummary(summary);
  const linkTo = (run: string): string => encodeURI(relative(directory.path, resolve(run)));
  const page = directory.write("index.html", renderSuite({ summary, earlier, linkTo, resume }));
  directory.write("junit.xml", renderJUnit(summary));
  const markdown = renderMarkdown(summary);
  directory.write("summary.md", markdown);
  if (env.GITHUB_STEP_SUMMARY !== undefined) appendFileSync(env.GITHUB_STEP_SUMMARY, markdown);
  tell(summary, page, resume);
  return summary;
}

function progress(cells: readonly Cell[], trials: readonly Trial[], elapsed: number, budget: number): string {
  const planned = cells.reduce((sum, { seeds, impossible }) => sum + (impossible ? 0 : seeds.length), 0);
  const bad = trials.filter(({ status }) => status === "invalid").length;
  const broken = trials.filter(({ status }) => status === "broken").length;
  const byTrials = (elapsed / Math.max(1, trials.length)) * (planned - trials.length);
  const left = Math.max(0, Math.min(byTrials, budget - elapsed));
  return `${trials.length} of ${planned} trials  ${bad} invalid  ${broken} broken  ${Math.round(elapsed / 1_000)} s  about ${Math.round(left / 1_000)} s left`;
}

const colours = { valid: pc.green, invalid: pc.red, unknown: pc.yellow, broken: pc.red } as const;

function tell(summary: SuiteSummary, page: string, resume: string): void {
  const { state, findings, broken, cells } = summary;
  stdout.write(`${colours[state](pc.bold(state.toUpperCase()))}  ${suiteSentence(summary)}\n`);
  for (const finding of findings) {
    const label = finding.known ? pc.yellow("known  ") : pc.red("invalid");
    stdout.write(
      `  ${label} ${pc.bold(finding.signature)}: ${counted(finding.trials, "trial")}, ${sinceWords(finding)}, ${evidence(finding)}\n`,
    );
    if (finding.example.repeat !== undefined) stdout.write(`          repeat: ${finding.example.repeat}\n`);
  }
  for (const { cell, seed, summary: reason } of broken)
    stdout.write(`  ${pc.red("broken ")} ${cell}, seed ${seed}: ${reason}\n`);
  for (const { id, state: cellState, toothless, impossible } of cells) {
    if (cellState === "vacuous") stdout.write(`  vacuous ${id}: ${toothless.join(", ")} never bit\n`);
    if (cellState === "unknown") stdout.write(`  unknown ${id}\n`);
    if (impossible !== undefined) stdout.write(`  ${pc.yellow("left out")} ${id}: ${impossible}\n`);
  }
  if (summary.done < summary.planned) stdout.write(`  go on: ${resume}\n`);
  stdout.write(`  page: ${page}\n`);
}
