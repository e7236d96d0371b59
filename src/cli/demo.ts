/** `faultline demo`: the whole idea in under a minute: a clean cluster survives, a planted split brain is found. */
import { stdout } from "node:process";
import { Command } from "commander";
import pc from "picocolors";
import type { PlanInput } from "../plan.ts";
import { exitCode } from "../result.ts";
import { execute, repeatLine } from "./execute.ts";
import { printResult } from "./print.ts";

/** Seed whose partitions let both halves of the broken cluster answer clients, so that the clients see it too. */
const SEED = 9;

const base = {
  workload: "register",
  nodes: 5,
  faults: ["partition", "kill", "pause", "clock"],
  duration: 60,
} as const satisfies PlanInput;

export function demoCommand(): Command {
  return new Command("demo")
    .description("show it all: a clean cluster survives, a planted split brain is found and explained")
    .option("--store <directory>", "where runs are kept", "store")
    .action(async ({ store }: { readonly store: string }) => {
      stdout.write(
        "Five nodes of a Raft key-value store, in virtual time. Ten clients read, write and compare-and-set\n",
      );
      stdout.write(
        "registers while the network is partitioned, processes are killed and frozen, and clocks jump.\n\n",
      );
      stdout.write(`${pc.bold("1. The clean build.")}\n`);
      const clean = await show({ ...base, faults: [...base.faults], seed: SEED }, store);
      stdout.write(
        `\n${pc.bold("2. The same with a planted bug: half of the members count as a majority.")}\n`,
      );
      const broken = await show({ ...base, faults: [...base.faults], seed: SEED, bug: "quorum-half" }, store);
      stdout.write(
        "\nOpen the two reports in a browser; paste the repeat line to see the same failure again.\n",
      );
      const asPromised = clean === 0 && broken === 1;
      if (!asPromised)
        stdout.write(
          pc.red("The demo did not go as promised: the first run must be valid, the second invalid.\n"),
        );
      process.exitCode = asPromised ? 0 : 255;
    });
}

async function show(input: PlanInput, store: string): Promise<number> {
  const { result, directory } = await execute(input, store);
  printResult(result, repeatLine(input), directory.path);
  return exitCode(result);
}
