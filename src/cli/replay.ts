/**
 * `faultline replay`: runs a simulated run again and compares it byte for byte with the stored one, or, given the
 * flags of a run, runs it twice.
 */
import { readFileSync } from "node:fs";
import { stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import type { Op } from "../history/op.ts";
import { type Plan, UsageError } from "../plan.ts";
import { assemble } from "../registry.ts";
import { exitCode } from "../result.ts";
import { type Run, run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";
import { RunDirectory } from "../store/run-directory.ts";
import { addPlanOptions, type PlanFlags, planInput } from "./plan-options.ts";

export function replayCommand(): Command {
  const command = new Command("replay")
    .description("run a simulated run again and compare every byte of its history")
    .argument("[run]", "run directory; without one, the run that the flags describe is run twice");
  return addPlanOptions(command).action(async (path: string | undefined, flags: PlanFlags) => {
    const { plan, expected, traceHash } = path === undefined ? await fresh(flags) : stored(path);
    const again = await rerun(plan);
    const lines = again.lines;
    const at = firstDifference(expected, lines, traceHash !== undefined);
    if (at !== undefined) {
      stdout.write(
        `${pc.red("DIFFERENT")} from operation ${at}:\n  was: ${expected[at] ?? "(nothing)"}\n  now: ${lines[at] ?? "(nothing)"}\n`,
      );
      process.exitCode = 1;
      return;
    }
    const { result } = again.run;
    if (traceHash !== undefined && traceHash !== result.traceHash) {
      stdout.write(
        `${pc.red("DIFFERENT")} inside: equal histories, but the trace hash was ${traceHash} and is ${result.traceHash}\n`,
      );
      process.exitCode = 1;
      return;
    }
    stdout.write(
      `${pc.green("IDENTICAL")}  ${lines.length} events, trace ${result.traceHash}\n${result.validity}: ${result.summary}\n`,
    );
    process.exitCode = exitCode(result);
  });
}

interface Expected {
  readonly plan: Plan;
  readonly expected: readonly string[];
  /** Undefined if the run did not end. */
  readonly traceHash: string | undefined;
}

function stored(path: string): Expected {
  const directory = RunDirectory.open(path);
  const plan = directory.plan();
  if (plan.place !== "simulated")
    throw new UsageError(`${path}: only simulated runs repeat byte for byte; this one ran on ${plan.place}`);
  const text = readFileSync(directory.file("history"), "utf8");
  if (!text.includes("\n")) throw new UsageError(`${path}: holds no operations`);
  const expected = text.slice(0, text.lastIndexOf("\n")).split("\n");
  return { plan, expected, traceHash: directory.read().result?.traceHash };
}

async function fresh(flags: PlanFlags): Promise<Expected> {
  const plan = resolvePlan(planInput(flags));
  const first = await rerun(plan);
  return { plan, expected: first.lines, traceHash: first.run.result.traceHash };
}

async function rerun(plan: Plan): Promise<{ readonly run: Run; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  const record = (event: Op): void => {
    lines.push(JSON.stringify(event));
  };
  return { run: await run(assemble(plan), { record, messages: false }), lines };
}

/** Where two histories first differ. A stored one that was cut off by the tester's death is compared as far as it goes. */
function firstDifference(
  expected: readonly string[],
  now: readonly string[],
  whole: boolean,
): number | undefined {
  for (let i = 0; i < expected.length; i++) if (expected[i] !== now[i]) return i;
  return whole && now.length > expected.length ? expected.length : undefined;
}
