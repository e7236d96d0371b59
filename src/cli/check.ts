/** `faultline check FILE`: judges a history again: a run of ours, or what was recorded by anybody. */
import { stdout } from "node:process";
import { Command } from "commander";
import { guess, type Specification, specifications } from "../../checkers/catalogue.ts";
import { checkAll, worst } from "../../checkers/compose.ts";
import { models as consistencyModels } from "../../checkers/transactions/models.ts";
import { workloads } from "../../workloads/index.ts";
import { Budget, type Checker, type Verdict } from "../checker.ts";
import type { History } from "../history/history.ts";
import type { Json } from "../history/op.ts";
import { parsePlan, UsageError } from "../plan.ts";
import { assemble, lookUp } from "../registry.ts";
import { exitCode, type RunResult } from "../result.ts";
import { historyFile, readHistory } from "../store/history-file.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { withHelp } from "./check-jobs.ts";
import type { CheckerSource } from "./check-source.ts";
import { number } from "./plan-options.ts";
import { printVerdicts } from "./print.ts";
import { jobsOf } from "./sweep.ts";

const EXAMPLES = `
Examples:
  npx faultline check store/latest                       the newest run, by its own workload's checkers
  npx faultline check history.edn --model cas-register   a history that Jepsen recorded
  npx faultline check etcd_000.log                       by the model that its functions suggest
  npx faultline check history.jsonl --workload register  a journal, by the checkers of a workload`;

interface Flags {
  readonly workload?: string;
  readonly model?: string;
  readonly init?: string;
  readonly consistency: string;
  readonly budget?: string;
  readonly jobs?: string;
  readonly json?: boolean;
}

export function checkCommand(): Command {
  return new Command("check")
    .description("judge a stored history again: a run directory, or a history of any origin")
    .argument("<file>", "run directory, journal, or history of Jepsen's")
    .addHelpText("after", EXAMPLES)
    .option("-w, --workload <name>", "the workload whose checkers judge it; the run's own unless given")
    .option("-m, --model <name>", "what it is held against (see: list models); guessed unless given")
    .option("--init <json>", "what the model's object holds in the beginning; null unless given")
    .option("--consistency <model>", "what transactions are promised", "strict-serializable")
    .option("--budget <steps>", "steps each checker may take")
    .option("--jobs <count>", "worker threads for what takes long; one per core unless given")
    .option("--json", "print the verdicts as JSON")
    .action(async (path: string, flags: Flags) => {
      const case_ = prepare(path, flags);
      const budgetGiven = number("--budget", flags.budget);
      if (budgetGiven !== undefined) parsePlan({ budget: budgetGiven }, "--budget");
      const steps = budgetGiven ?? case_.budget;
      const jobs = jobsOf(flags);
      if (flags.json !== true) for (const line of case_.about) stdout.write(`${line}\n`);
      const helped = await withHelp(case_, steps, jobs);
      const verdicts = judge({ ...case_, checkers: helped }, new Budget(steps));
      const validity = worst(verdicts.map((verdict) => verdict.validity));
      if (flags.json === true)
        stdout.write(`${JSON.stringify({ validity, about: case_.about, verdicts })}\n`);
      else printVerdicts(verdicts);
      process.exitCode = exitCode({ validity, vacuous: case_.result?.vacuous ?? false });
    });
}

/** A history and what shall judge it. */
interface Case {
  readonly history: History;
  readonly source: CheckerSource;
  readonly checkers: readonly Checker[];
  readonly budget: number;
  /** What was read, and by what it is judged, in lines. */
  readonly about: readonly string[];
  /** Of the run, if it is one of ours and judged by its own checkers. */
  readonly result?: RunResult;
}

/** Throws UsageError. */
function prepare(path: string, flags: Flags): Case {
  const { workload, model } = flags;
  if (workload !== undefined && model !== undefined)
    throw new UsageError("--model: the workload's checkers judge already; leave one of the two out");
  if (workload !== undefined) lookUp("workload", workload, workloads);
  if (model !== undefined) lookUp("model", model, specifications);
  const init = initial(flags);
  const consistency = lookUp("consistency model", flags.consistency, consistencyModels).name;
  const file = historyFile(path);
  const run = RunDirectory.find(path);
  if (run !== undefined && workload === undefined && model === undefined) return ownRun(run);
  const { history, format, torn } = run?.readJournal() ?? readHistory(file);
  const about = `${file}: ${format.name}, ${history.columns.length} operations`;
  const notes = torn ? [TORN] : [];
  if (workload !== undefined) {
    const plan = parsePlan({ workload, faults: [] });
    return {
      history,
      source: { plan },
      checkers: assemble(plan).workload.checkers,
      budget: plan.budget,
      about: [`${about}; workload ${workload}`, ...notes],
    };
  }
  const { specification, why } = specificationOf(file, history, model);
  const source = {
    model: specification.name,
    conventions: { nilIsUnknown: format.nilIsUnknown, init, consistency },
  };
  return {
    history,
    source,
    checkers: [specification.checker(source.conventions)],
    budget: parsePlan({}).budget,
    about: [`${about}; model ${specification.name}${why}`, ...notes],
  };
}

const TORN = "The file ends in the middle of a line: its writer died. Everything before it is judged.";

/** What only the run itself could see is taken as it was recorded. */
function judge({ history, checkers, result }: Case, budget: Budget): readonly Verdict[] {
  const again = checkAll(checkers, history, budget);
  const judged = new Set(again.map((verdict) => verdict.checker));
  const recorded = (result?.verdicts ?? [])
    .filter((verdict) => !judged.has(verdict.checker))
    .map((verdict) => ({ ...verdict, reason: `${verdict.reason} (as recorded)` }));
  return [...again, ...recorded];
}

function ownRun(run: RunDirectory): Case {
  const { plan, history, torn, result } = run.read();
  const { workload, checkers } = assemble(plan);
  const own = plan.faults.length > 0 || result !== undefined ? checkers : [];
  return {
    history,
    source: { plan },
    checkers: [...workload.checkers, ...own],
    budget: plan.budget,
    about: torn ? [TORN] : [],
    ...(result === undefined ? {} : { result }),
  };
}

function specificationOf(
  file: string,
  history: History,
  model: string | undefined,
): { readonly specification: Specification; readonly why: string } {
  const { functions } = history.columns;
  const told = functions.join(", ") || "none";
  if (model === undefined) {
    const specification = guess(history);
    if (specification !== undefined) return { specification, why: `, as its functions are ${told}` };
    throw new UsageError(
      `${file}: no model has the functions ${told}; say what it is held against: --model or --workload (see: faultline list models)`,
    );
  }
  const named = lookUp("model", model, specifications);
  const strange = functions.find((f) => !named.functions.includes(f));
  if (strange !== undefined)
    throw new UsageError(
      `${file}: model ${model} has no function ${strange}; it has ${named.functions.join(", ")}`,
    );
  return { specification: named, why: "" };
}

function initial({ init, model }: Flags): Json {
  if (init === undefined) return null;
  if (model === undefined) throw new UsageError("--init: say of which model, with --model");
  try {
    return JSON.parse(init) as Json;
  } catch {
    throw new UsageError(`--init: ${init} is not JSON; write 0, null or '"text"'`);
  }
}
