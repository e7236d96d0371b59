/**
 * `faultline demo`: the whole idea in under a minute. A clean cluster survives; with a planted split brain, seeds are
 * tried until clients see the damage, and that run is kept, explained and replayed.
 */
import { cpuUsage, stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import type { PlanInput } from "../plan.ts";
import type { RunResult } from "../result.ts";
import { execute } from "./execute.ts";
import { storeOption } from "./plan-options.ts";
import { printResult } from "./print.ts";
import { replayRun } from "./replay.ts";
import { shrinkFailure } from "./shrink.ts";
import { Status } from "./status.ts";
import { tryPlan } from "./trial.ts";

const CLEAN: PlanInput = {
  workload: "register",
  nodes: 5,
  faults: ["partition", "kill", "pause", "clock"],
  duration: 60,
  seed: 1,
};
const BROKEN: PlanInput = { ...CLEAN, bug: "quorum-half" };
/** CPU-seconds for shrinking. */
const SHRINK_BUDGET = "15";
/** Seeds tried before the hunt is given up. */
const SEEDS = 50;

export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "show it all: a clean cluster survives, a planted split brain is found, explained and repeated",
    )
    .addOption(storeOption())
    .action(async ({ store }: { readonly store: string }) => {
      process.exitCode = (await demonstrate(store)) ? 0 : BROKEN_PROMISE;
    });
}

/** The demo itself failed: the harness, or the cluster it ships, is broken. */
const BROKEN_PROMISE = 255;

/** True if everything went as the demo promises. */
async function demonstrate(store: string): Promise<boolean> {
  stdout.write(
    "Five nodes of a Raft key-value store, in virtual time. Ten clients read, write and compare-and-set\n" +
      "registers while the network is partitioned, processes are killed and frozen, and clocks jump.\n\n",
  );
  heading("1. The clean build survives a virtual minute of this.");
  const clean = await execute(CLEAN, store);
  printResult(clean);
  if (clean.result.validity !== "valid") return failed("the clean build must be valid");

  heading("\n2. The same with a planted bug: half of the members count as a majority.");
  const seed = await hunt();
  if (seed === undefined) return failed(`no client saw the planted bug in ${SEEDS} seeds`);
  const failing: PlanInput = { ...BROKEN, seed };
  const broken = await execute(failing, store);
  printResult(broken);
  if (!seenByClients(broken.result)) return failed("the failing seed did not fail again");

  heading("\n3. The failing run once more, from its plan alone.");
  const replay = await replayRun(broken.directory);
  if (replay.difference !== undefined) return failed(`the replay differs: ${replay.difference}`);
  stdout.write(`${pc.green("identical, event for event")}: ${replay.events} events\n`);

  heading("\n4. The same failure, shrunk to what it takes.");
  const small = await shrinkFailure(broken, { store, shrinkBudget: SHRINK_BUDGET });
  if (small === undefined) return failed("the failing run did not shrink");

  heading("\nOpen these in a browser; the line under them repeats the failure:");
  for (const { directory } of [clean, broken, small]) stdout.write(`  ${directory.path}/report.html\n`);
  stdout.write(`  ${broken.repeat}\n`);
  return true;
}

/** The first seed whose clients see the planted bug, not only the invariants that look inside the nodes. */
async function hunt(): Promise<number | undefined> {
  const before = cpuUsage();
  const status = new Status();
  for (let seed = 1; seed <= SEEDS; seed++) {
    status.update(() => `seed ${seed} of at most ${SEEDS}`);
    const { result } = await tryPlan({ ...BROKEN, seed });
    if (!seenByClients(result)) continue;
    status.clear();
    const { user, system } = cpuUsage(before);
    const seeds = seed === 1 ? "1 seed" : `${seed} seeds`;
    stdout.write(`Found after ${seeds} in ${((user + system) / 1e6).toFixed(1)} CPU-seconds.\n`);
    return seed;
  }
  status.clear();
  return undefined;
}

function seenByClients(result: RunResult): boolean {
  return result.verdicts.some(
    ({ checker, validity }) => checker === "linearizable" && validity === "invalid",
  );
}

function heading(text: string): void {
  stdout.write(`${pc.bold(text)}\n`);
}

function failed(what: string): false {
  stdout.write(pc.red(`The demo did not go as promised: ${what}.\n`));
  return false;
}
