/** `faultline check FILE`: judges a history again, from a run of ours or from a journal alone. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { stdout } from "node:process";
import { Command } from "commander";
import { checkAll, worst } from "../../checkers/compose.ts";
import { workloads } from "../../workloads/index.ts";
import { Budget } from "../checker.ts";
import type { History } from "../history/history.ts";
import { type Plan, parsePlan, UsageError } from "../plan.ts";
import { assemble, lookUp } from "../registry.ts";
import { exitCode, type RunResult } from "../result.ts";
import { readJournal } from "../store/journal.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { number } from "./plan-options.ts";
import { printVerdicts } from "./print.ts";

const EXAMPLES = `
Examples:
  npx faultline check store/latest                      the newest run, by its own workload's checkers
  npx faultline check history.jsonl --workload register a journal from anywhere`;

export function checkCommand(): Command {
  return new Command("check")
    .description("judge a stored history again: a run directory, or a journal (history.jsonl) of any origin")
    .argument("<file>", "run directory or journal")
    .addHelpText("after", EXAMPLES)
    .option("-w, --workload <name>", "the workload whose checkers judge it; the run's own unless given")
    .option("--budget <steps>", "steps each checker may take")
    .action((path: string, options: { readonly workload?: string; readonly budget?: string }) => {
      const budgetGiven = number("--budget", options.budget);
      if (budgetGiven !== undefined) parsePlan({ budget: budgetGiven }, "--budget");
      if (options.workload !== undefined) lookUp("workload", options.workload, workloads);
      const { history, torn, plan, result } = read(path, options.workload);
      if (torn)
        stdout.write(
          "The journal ends in the middle of a line: the tester died. Everything before it is judged.\n",
        );
      const { workload, checkers } = assemble(plan);
      const own = plan.faults.length > 0 || result !== undefined ? checkers : [];
      const again = checkAll([...workload.checkers, ...own], history, new Budget(budgetGiven ?? plan.budget));
      // What only the run itself could see is taken as it was recorded.
      const judged = new Set(again.map((verdict) => verdict.checker));
      const recorded = (result?.verdicts ?? [])
        .filter((verdict) => !judged.has(verdict.checker))
        .map((verdict) => ({ ...verdict, reason: `${verdict.reason} (as recorded)` }));
      const verdicts = [...again, ...recorded];
      printVerdicts(verdicts);
      process.exitCode = exitCode({
        validity: worst(verdicts.map((verdict) => verdict.validity)),
        vacuous: result?.vacuous ?? false,
      });
    });
}

function read(
  path: string,
  workload: string | undefined,
): { readonly history: History; readonly torn: boolean; readonly plan: Plan; readonly result?: RunResult } {
  if (!existsSync(path)) throw new UsageError(`${path}: no such file; expected a run directory or a journal`);
  const isRun = statSync(path).isDirectory() ? existsSync(join(path, "plan.json")) : false;
  if (statSync(path).isDirectory() && !isRun)
    throw new UsageError(`${path}: not a run directory: it has no plan.json`);
  if (isRun) {
    const directory = RunDirectory.open(path);
    const own = directory.plan();
    const plan = workload === undefined ? own : { ...own, workload, workloadOptions: {} };
    // Another workload's checkers judge the bare history, not the run.
    if (workload !== undefined) return { ...readJournal(directory.file("history")), plan };
    const { history, torn, result } = directory.read();
    return { history, torn, plan, ...(result === undefined ? {} : { result }) };
  }
  if (workload === undefined)
    throw new UsageError(
      `${path}: a journal alone does not say what was promised; add --workload, such as --workload register`,
    );
  return { ...readJournal(path), plan: parsePlan({ workload, faults: [] }) };
}
