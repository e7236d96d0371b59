#!/usr/bin/env node
/**
 * The command line. Exit codes: 0 valid, 1 invalid, 2 unknown or vacuous, 254 a mistake in how it was called,
 * 255 the harness itself broke.
 */
import { stderr, stdout } from "node:process";
import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import pc from "picocolors";
import { UsageError } from "../plan.ts";
import { version } from "../version.ts";
import { checkCommand } from "./check.ts";
import { demoCommand } from "./demo.ts";
import { exportCommand } from "./export.ts";
import { listCommand } from "./list.ts";
import { replayCommand } from "./replay.ts";
import { reportCommand } from "./report.ts";
import { runCommand } from "./run.ts";
import { shrinkCommand } from "./shrink.ts";
import { sweepCommand } from "./sweep.ts";

const USAGE = 254;
const BROKEN = 255;

const EXAMPLES = `
Examples:
  npx faultline demo                                      see a split brain found, explained and repeated
  npx faultline run --workload kv --faults partition,kill one run, with a random seed
  npx faultline sweep --workload watch --seeds 1000       a thousand runs, each with its own sizes and faults
  npx faultline list bugs                                 what can be planted with --bug

Exit codes: 0 valid, 1 invalid, 2 unknown or vacuous, 254 wrong call, 255 the harness broke.`;

/** Commander's complaint and its suggestion in one line, with the command that tells more. */
function oneLine(help: string): (text: string, write: (text: string) => void) => void {
  return (text, write) => {
    const complaint = text
      .trim()
      .replace(/^error: /, "")
      .replace(/\.?\n\(Did you mean ([^)]*)\)/, "; did you mean $1");
    write(`${pc.red("faultline:")} ${complaint} (${help} says more)\n`);
  };
}

function program(): Command {
  const root = new Command("faultline")
    .description("Breaks distributed systems on purpose and proves whether they kept their promises.")
    .version(version)
    .addHelpText("after", EXAMPLES)
    .exitOverride();
  for (const command of [
    demoCommand(),
    runCommand(),
    sweepCommand(),
    replayCommand(),
    shrinkCommand(),
    checkCommand(),
    reportCommand(),
    exportCommand(),
    listCommand(),
  ]) {
    const help = `faultline ${command.name()} --help`;
    root.addCommand(command.exitOverride().configureOutput({ outputError: oneLine(help) }));
  }
  return root.configureOutput({ outputError: oneLine("faultline --help") });
}

async function main(): Promise<number> {
  try {
    await program().parseAsync();
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) {
      // Help and version are errors to commander, and what was asked for to the user.
      return error.exitCode === 0 ? 0 : USAGE;
    }
    if (error instanceof UsageError) {
      stderr.write(`${pc.red("faultline:")} ${error.message}\n`);
      return USAGE;
    }
    return broken(error);
  }
}

function broken(error: unknown): number {
  stderr.write(`${pc.red("faultline: the harness broke:")} ${inspect(error)}\n`);
  return BROKEN;
}

/** A reader that has seen enough (`| head`) is no failure of ours: the work goes on, and its exit code holds. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") throw error;
}
stdout.on("error", ignoreClosedPipe);
stderr.on("error", ignoreClosedPipe);

/** What Node exits with when everything waits for what never comes. */
const STUCK = 13;
process.on("uncaughtException", (error) => process.exit(broken(error)));
process.on("exit", (code) => {
  if (code === STUCK) process.exitCode = broken("everything waits for something that never comes");
});

process.exitCode = await main();
