/** `faultline zoo`: every planted bug hunted from several starts, and a score that says how far the tester can be trusted. */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import pc from "picocolors";
import Tinypool from "tinypool";
import { equivalentMutants, type PlantedBug, plantedBugs } from "../../cluster/bugs.ts";
import { renderZoo } from "../../reports/zoo-page.ts";
import { UsageError } from "../plan.ts";
import { lookUp } from "../registry.ts";
import type { Quarry } from "../zoo/hunt.ts";
import { type Control, control, type Row, row, type Score, score } from "../zoo/matrix.ts";
import { natural } from "./plan-options.ts";
import { Status } from "./status.ts";
import { jobsOf } from "./sweep.ts";
import type { HuntResult, HuntTask } from "./zoo-worker.ts";

interface ZooFlags {
  readonly starts: string;
  readonly limit: string;
  readonly shrinkBudget: string;
  readonly jobs?: string;
  readonly require: string;
  readonly control: string;
  readonly json?: string;
  readonly page?: string;
}

/** Between the first seeds of two starts: no start reaches the next. */
const STRIDE = 100_000;

const EXAMPLES = `
Examples:
  npx faultline zoo                                   every planted bug, from ten starts each
  npx faultline zoo vote-twice lock-skips-queue       two of them
  npx faultline zoo --starts 1 --require 95           a quick gate: exit 1 unless 95 % are found`;

export function zooCommand(): Command {
  return new Command("zoo")
    .description("hunt every planted bug from several starts and say how far the tester can be trusted")
    .argument("[bugs...]", "planted bugs (faultline list bugs); all unless named")
    .option("--starts <count>", "independent starts for each bug", "10")
    .option("--limit <seconds>", "CPU-seconds after which a start is given up", "60")
    .option(
      "--shrink-budget <seconds>",
      "CPU-seconds for shrinking what the first start found; 0 for none",
      "60",
    )
    .option("--jobs <count>", "processes; one per core unless given")
    .option("--require <percent>", "exit 1 unless so many of the bugs are found by most starts", "0")
    .option("--control <seconds>", "CPU-seconds for each plan without a bug; 0 for no controls", "20")
    .option("--json <file>", "write the matrix there as JSON")
    .option("--page <file>", "write it there as a page")
    .addHelpText("after", EXAMPLES)
    .action(async (names: readonly string[], flags: ZooFlags) => {
      const bugs = names.length === 0 ? plantedBugs : names.map((name) => lookUp("bug", name, plantedBugs));
      const required = natural("--require", flags.require, 0);
      if (required > 100) throw new UsageError(`--require: ${required} is more than 100 %`);
      for (const name of ["json", "page"] as const) requireWritable(name, flags[name]);
      const settings: Settings = {
        starts: natural("--starts", flags.starts, 1),
        limit: natural("--limit", flags.limit, 1),
        shrinkBudget: natural("--shrink-budget", flags.shrinkBudget, 0),
        control: natural("--control", flags.control, 0),
        jobs: jobsOf(flags),
      };
      // What is equivalent to no bug at all belongs to the whole zoo, not to some of its animals.
      const { rows, controls } = await hunts(bugs, names.length === 0 ? equivalentMutants : [], settings);
      const total = score(rows);
      stdout.write(`\n${summary(total, rows)}\n`);
      if (flags.json !== undefined)
        writeFileSync(flags.json, `${JSON.stringify({ rows, controls, score: total }, null, 2)}\n`);
      if (flags.page !== undefined)
        writeFileSync(flags.page, renderZoo({ bugs, rows, controls, score: total }));
      const enough = 100 * total.mostly >= required * total.bugs;
      const alarms = controls.filter(({ alarm }) => alarm !== undefined).length;
      if (controls.length > 0) stdout.write(`${controlSummary(controls)}\n`);
      if (!enough) stdout.write(`${pc.red("too few")}: ${required} % were required\n`);
      process.exitCode = enough && alarms === 0 ? 0 : 1;
    });
}

/** Throws UsageError if the file could not be written at the end, which may be hours away. What it holds stays. */
function requireWritable(option: string, file: string | undefined): void {
  if (file === undefined) return;
  try {
    closeSync(openSync(file, "a"));
  } catch (error) {
    throw new UsageError(`--${option}: ${file} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
  }
}

interface Settings {
  readonly starts: number;
  readonly limit: number;
  readonly shrinkBudget: number;
  /** CPU-seconds for each control; 0 for none. */
  readonly control: number;
  readonly jobs: number;
}

interface Matrix {
  readonly rows: readonly Row[];
  readonly controls: readonly Control[];
}

/** Hunts all bugs, then nothing in the same plans, and prints a row as soon as it is whole, in the order of the table. */
async function hunts(
  bugs: readonly PlantedBug[],
  equivalent: readonly Quarry[],
  settings: Settings,
): Promise<Matrix> {
  const { starts, limit, shrinkBudget, jobs } = settings;
  const pool = new Tinypool({
    filename: fileURLToPath(new URL("./zoo-worker.js", import.meta.url)),
    runtime: "child_process",
    minThreads: jobs,
    maxThreads: jobs,
  });
  const status = new Status();
  const controlled = settings.control === 0 ? [] : [...withoutBugs(bugs), ...equivalent];
  const all = bugs.length * starts + controlled.length;
  let done = 0;
  const begin = async (task: HuntTask): Promise<HuntResult> => {
    const result: HuntResult = await pool.run(task);
    done++;
    status.update(() => `${done} of ${all} hunts`);
    return result;
  };
  const hunting = bugs.map((quarry) =>
    Promise.all(
      Array.from({ length: starts }, (_, start) =>
        begin({ quarry, first: start * STRIDE, limit, shrinkBudget: start === 0 ? shrinkBudget : 0 }),
      ),
    ),
  );
  const watching = controlled.map((quarry) =>
    begin({ quarry, first: 0, limit: settings.control, shrinkBudget: 0 }),
  );
  const rows: Row[] = [];
  const controls: Control[] = [];
  try {
    stdout.write(pc.bold(line("bug", "found", "seen", "CPU-seconds", "seeds", "shrunk to", "found by")));
    for (const [i, bug] of bugs.entries()) {
      const results = (await hunting[i]) ?? [];
      const one = row(bug, results, results[0]?.shrunk);
      rows.push(one);
      status.clear();
      stdout.write(rowLine(one));
    }
    for (const [i, quarry] of controlled.entries()) {
      const one = control(quarry, (await watching[i]) as HuntResult);
      controls.push(one);
      status.clear();
      stdout.write(controlLine(one));
    }
    return { rows, controls };
  } finally {
    status.clear();
    // A hunt that fails takes the others with it; their complaints would hide the first.
    for (const rest of [...hunting, ...watching]) rest.catch(() => {});
    await pool.destroy();
  }
}

/** The plans of the bugs, each once, with none switched on. */
function withoutBugs(bugs: readonly PlantedBug[]): readonly Quarry[] {
  const plans = bugs.map(({ workload, plan }): Quarry => ({ name: "", workload, ...(plan && { plan }) }));
  return [...new Map(plans.map((quarry) => [JSON.stringify(quarry), quarry])).values()];
}

function controlLine({ name, workload, seeds, cpuSeconds, alarm }: Control): string {
  const verdict = alarm === undefined ? "all valid" : pc.red(`false alarm at seed ${alarm.seed}`);
  return line(
    `${name}, ${workload}`,
    alarm === undefined ? "0" : "1",
    "",
    cpuSeconds.toFixed(1),
    String(seeds),
    verdict,
    alarm?.checkers.join(", ") ?? "",
  );
}

function controlSummary(controls: readonly Control[]): string {
  const seeds = controls.reduce((sum, control) => sum + control.seeds, 0);
  const alarms = controls.filter(({ alarm }) => alarm !== undefined).length;
  return `${seeds} runs of ${controls.length} plans without a bug: ${alarms === 0 ? "no false alarm" : pc.red(`${alarms} false alarms`)}`;
}

function rowLine({ bug, starts, found, seen, cpuSeconds, seeds, shrunk, checkers }: Row): string {
  const { median, low, high } = cpuSeconds;
  return line(
    bug,
    `${found}/${starts}`,
    `${seen}/${starts}`,
    `${median.toFixed(1)} [${low.toFixed(1)}..${high.toFixed(1)}]`,
    `${seeds.median}`,
    shrunk === undefined ? "" : `${shrunk.nodes} nodes, ${shrunk.faults} faults, ${shrunk.operations} ops`,
    checkers.join(", "),
  );
}

function line(...cells: readonly string[]): string {
  const widths = [30, 6, 6, 20, 6, 26, 0];
  return `${cells
    .map((cell, i) => cell.padEnd(widths[i] as number))
    .join(" ")
    .trimEnd()}\n`;
}

function summary(total: Score, rows: readonly Row[]): string {
  const worst = rows.reduce(
    (most, { shrunk }) => Math.max(most, (shrunk?.faults ?? 0) + (shrunk?.operations ?? 0)),
    0,
  );
  const bones = rows.some(({ shrunk }) => shrunk !== undefined)
    ? `; shrunk to a median of ${total.medianFaults} faults and ${total.medianOperations} operations, ${worst} together at worst`
    : "";
  return (
    `${total.mostly} of ${total.bugs} bugs found by most starts (${total.always} by all), ` +
    `${total.mostlySeen} of them by what clients saw alone; median ${total.medianCpuSeconds.toFixed(1)} CPU-seconds${bones}`
  );
}
