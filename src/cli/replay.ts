/**
 * `faultline replay`: runs a simulated run again and compares it byte for byte with the stored one, or, given the
 * flags of a run, runs it twice.
 */
import { readFileSync } from "node:fs";
import { stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import { findDivergence, type WatchedRun } from "../../cluster/simulated/divergence.ts";
import { simulatedPlace } from "../../cluster/simulated/place.ts";
import { type PlanInput, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { exitCode, type RunResult } from "../result.ts";
import { run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";
import { SECOND } from "../runtime/runtime.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { addPlanOptions, type PlanFlags, planInput } from "./plan-options.ts";
import { tryPlan } from "./trial.ts";

const EXAMPLES = `
Examples:
  npx faultline replay                                      the newest run once more
  npx faultline replay store/register/2026-01-31-1200-seed7 a certain one
  npx faultline replay --workload kv --nodes 3 --seed 7     the flags of a repeat line: run twice and compared`;

export function replayCommand(): Command {
  const command = new Command("replay")
    .description("run a simulated run again and compare every byte of its history")
    .argument("[run]", "run directory; store/latest unless flags describe a run, which is then run twice")
    .addHelpText("after", EXAMPLES);
  return addPlanOptions(command).action(async (path: string | undefined, flags: PlanFlags) => {
    const input = planInput(flags);
    if (path !== undefined && Object.keys(input).length > 0)
      throw new UsageError(`${path}: a stored run has its own plan; leave the other flags out`);
    if (input.place !== undefined && input.place !== "simulated")
      throw new UsageError(
        `--place ${input.place}: only simulated runs repeat byte for byte; on real machines no two runs are the same`,
      );
    const { plan, difference, events, result } = await (Object.keys(input).length > 0
      ? repeat(await remember(input))
      : replayRun(RunDirectory.open(path ?? "store/latest")));
    if (difference !== undefined) {
      stdout.write(`${pc.red(pc.bold("DIFFERENT"))}  ${difference}\n${await partingOfTwo(plan)}\n`);
      process.exitCode = 1;
      return;
    }
    const identical = `${pc.green(pc.bold("IDENTICAL"))}  event for event: ${events} events`;
    if (result === undefined) {
      stdout.write(`${identical}, as far as the stored run went\n`);
      process.exitCode = exitCode({ validity: "unknown", vacuous: false });
      return;
    }
    stdout.write(`${identical}, trace ${result.traceHash}\n${result.validity}: ${result.summary}\n`);
    process.exitCode = exitCode(result);
  });
}

export interface Replay {
  /** What was run again. */
  readonly plan: PlanInput;
  /** Where the two runs part, in words; undefined if they are the same. */
  readonly difference: string | undefined;
  readonly events: number;
  /** What the second run came to; undefined if the first did not end. */
  readonly result: RunResult | undefined;
}

/** Runs the plan of a stored run again. Throws UsageError if it was not simulated or holds nothing. */
export function replayRun(directory: RunDirectory): Promise<Replay> {
  const plan = directory.plan();
  if (plan.place !== "simulated")
    throw new UsageError(
      `${directory.path}: only simulated runs repeat byte for byte; this one ran on ${plan.place}`,
    );
  // Also refuses what is no journal.
  const { result, history } = directory.read();
  const text = readFileSync(directory.file("history"), "utf8");
  const lines = text.slice(0, text.lastIndexOf("\n")).split("\n");
  // What came after the last event of a run that did not end is of no interest; it may be hours.
  const last = (history.events.at(-1)?.time ?? 0) / SECOND + 1;
  const input = result === undefined ? { ...plan, duration: Math.min(plan.duration, last) } : plan;
  return repeat({ input, lines, traceHash: result?.traceHash });
}

interface Remembered {
  readonly input: PlanInput;
  /** The events of the history as they are journalled. */
  readonly lines: readonly string[];
  /** Undefined if the run did not end: then the history is compared as far as it goes. */
  readonly traceHash: string | undefined;
}

async function remember(input: PlanInput): Promise<Remembered & { readonly result: RunResult }> {
  const lines: string[] = [];
  const { result } = await tryPlan(input, (event) => lines.push(JSON.stringify(event)));
  return { input, lines, traceHash: result.traceHash, result };
}

async function repeat(was: Remembered): Promise<Replay> {
  const now = await remember(was.input);
  const ended = was.traceHash !== undefined;
  return {
    plan: was.input,
    difference: differenceOf(was, now),
    events: was.lines.length,
    result: ended ? now.result : undefined,
  };
}

/** Whether this build repeats the run at all: the first event in which two more runs of the plan differ, if any. */
async function partingOfTwo(input: PlanInput): Promise<string> {
  const test = assemble(resolvePlan(input));
  const again: WatchedRun = async (watch) => {
    await run({ ...test, place: simulatedPlace(watch) }, { record: () => {}, messages: false });
  };
  const divergence = await findDivergence(again, again);
  if (divergence === undefined)
    return "Two runs of this build are equal: the stored one came from another build, or was changed since.";
  const before = divergence.before.map(({ time, lane, kind }) => `\n  ${time} ns  ${lane}  ${kind}`);
  return `Two runs of this build differ: ${divergence.description}. Just before, in both:${before.join("")}`;
}

function differenceOf(
  was: Pick<Remembered, "lines" | "traceHash">,
  now: Pick<Remembered, "lines" | "traceHash">,
): string | undefined {
  const ended = was.traceHash !== undefined;
  const length = ended ? Math.max(was.lines.length, now.lines.length) : was.lines.length;
  for (let i = 0; i < length; i++) {
    if (was.lines[i] !== now.lines[i])
      return `from event ${i} on\n  was: ${was.lines[i] ?? "(nothing)"}\n  now: ${now.lines[i] ?? "(nothing)"}`;
  }
  if (ended && was.traceHash !== now.traceHash)
    return `inside only: equal histories, but the trace was ${was.traceHash} and is ${now.traceHash}`;
  return undefined;
}
