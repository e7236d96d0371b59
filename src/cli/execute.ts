/** Runs one plan with everything a person wants kept: journal, trace, result, report. */

import { renderReport } from "../../reports/page.ts";
import type { Op } from "../history/op.ts";
import { NEMESIS } from "../history/op.ts";
import { type Plan, type PlanInput, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import type { RunResult } from "../result.ts";
import { run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { onInterrupt } from "./interrupt.ts";
import { planFlags } from "./plan-options.ts";
import { Status } from "./status.ts";

export interface Executed {
  readonly plan: Plan;
  readonly result: RunResult;
  readonly directory: RunDirectory;
  /** The line that repeats it. */
  readonly repeat: string;
}

/** Runs `input` into a new directory under `store`. Throws UsageError before anything is written. */
export async function execute(input: PlanInput, store: string): Promise<Executed> {
  const plan = resolvePlan(input);
  const test = assemble(plan);
  const directory = RunDirectory.create(store, plan, new Date());
  const repeat = repeatLine(input, directory);
  const journal = directory.openJournal();
  const status = new Status();
  let operations = 0;
  let faults = 0;
  const unit = plan.place === "simulated" ? "s virtual" : "s";
  const record = (event: Op): void => {
    journal.append(event);
    if (event.type === "invoke") {
      if (event.process !== NEMESIS) operations++;
      else if (event.f.startsWith("start-")) faults++;
    }
    status.update(() => {
      const seconds = event.time / 1e9;
      const percent = Math.min(100, Math.round((100 * seconds) / plan.duration));
      return `${plan.workload}  seed ${plan.seed}  ${seconds.toFixed(1)} s of ${plan.duration} ${unit} (${percent} %)  ${operations} operations  ${faults} faults`;
    });
  };
  const deaf = onInterrupt(() => {
    status.clear();
    return `interrupted; npx faultline check ${directory.path} judges what was recorded`;
  });
  // Checkers do not pause, so a signal would not be heard: it shall end the process at once.
  const judging = (): void => {
    deaf();
    status.announce(`${plan.workload}  seed ${plan.seed}  judging ${operations} operations`);
  };
  try {
    const finished = await run(test, { record, messages: true, remains: directory.file("members"), judging });
    directory.writeTrace(finished.trace, finished.messages);
    directory.writeResult(finished.result);
    directory.writeReport(await renderReport(directory.read(), { repeat }));
    return { plan, result: finished.result, directory, repeat };
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new Error(`in the run of ${directory.path}; repeat: ${repeat}`, { cause: error });
  } finally {
    deaf();
    status.clear();
    journal.close();
  }
}

/** The one line that repeats the run of `directory`, which `input` describes. A script is too long for a line. */
export function repeatLine(input: PlanInput, directory: RunDirectory): string {
  return `npx faultline run ${input.script === undefined ? planFlags(input) : `-c ${directory.path}/plan.json`}`;
}
