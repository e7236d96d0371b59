/** Runs one plan with everything a person wants kept: journal, trace, result, report. */

import { stderr } from "node:process";
import { renderReport } from "../../reports/page.ts";
import type { Op } from "../history/op.ts";
import { NEMESIS } from "../history/op.ts";
import type { Plan, PlanInput } from "../plan.ts";
import { assemble } from "../registry.ts";
import type { RunResult } from "../result.ts";
import { run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { planFlags } from "./plan-options.ts";
import { Status } from "./status.ts";

/** What shells report of a process that Ctrl-C ended. */
const INTERRUPTED = 130;

export interface Executed {
  readonly plan: Plan;
  readonly result: RunResult;
  readonly directory: RunDirectory;
}

/** Runs `input` into a new directory under `store`. */
export async function execute(input: PlanInput, store: string): Promise<Executed> {
  const plan = resolvePlan(input);
  const test = assemble(plan);
  const directory = RunDirectory.create(store, plan, new Date());
  const journal = directory.openJournal();
  const status = new Status();
  let operations = 0;
  let faults = 0;
  const record = (event: Op): void => {
    journal.append(event);
    if (event.type === "invoke") {
      if (event.process !== NEMESIS) operations++;
      else if (event.f.startsWith("start-")) faults++;
    }
    status.update(() => {
      const seconds = event.time / 1e9;
      const percent = Math.min(100, Math.round((100 * seconds) / plan.duration));
      return `${plan.workload}  seed ${plan.seed}  ${seconds.toFixed(1)} s of ${plan.duration} s virtual (${percent} %)  ${operations} operations  ${faults} faults`;
    });
  };
  const interrupt = (): void => {
    status.clear();
    stderr.write(`interrupted; npx faultline check ${directory.path} judges what was recorded\n`);
    process.exit(INTERRUPTED);
  };
  process.once("SIGINT", interrupt);
  try {
    const finished = await run(test, { record, messages: true });
    directory.writeTrace(finished.trace, finished.messages);
    directory.writeResult(finished.result);
    status.clear();
    directory.writeReport(await renderReport(directory.read(), { repeat: repeatLine(input) }));
    return { plan, result: finished.result, directory };
  } finally {
    process.removeListener("SIGINT", interrupt);
    status.clear();
    journal.close();
  }
}

/** The one line that repeats a run. */
export function repeatLine(input: PlanInput): string {
  return `npx faultline run ${planFlags(input)}`;
}
