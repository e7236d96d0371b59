#!/usr/bin/env node
/**
 * The command line. Exit codes: 0 valid, 1 invalid, 2 unknown or vacuous, 254 a mistake in how it was called,
 * 255 the harness itself broke.
 */
import { stderr, stdout } from "node:process";
import { Command, CommanderError } from "commander";
import pc from "picocolors";
import { UsageError } from "../plan.ts";
import { version } from "../version.ts";
import { checkCommand } from "./check.ts";
import { demoCommand } from "./demo.ts";
import { listCommand } from "./list.ts";
import { replayCommand } from "./replay.ts";
import { reportCommand } from "./report.ts";
import { runCommand } from "./run.ts";
import { sweepCommand } from "./sweep.ts";

const USAGE = 254;
const BROKEN = 255;

function program(): Command {
  const root = new Command("faultline")
    .description("Breaks distributed systems on purpose and proves whether they kept their promises.")
    .version(version)
    .showHelpAfterError("(add --help for what can be said)")
    .exitOverride();
  for (const command of [
    demoCommand(),
    runCommand(),
    sweepCommand(),
    replayCommand(),
    checkCommand(),
    reportCommand(),
    listCommand(),
  ]) {
    root.addCommand(command.exitOverride().showHelpAfterError("(add --help for what can be said)"));
  }
  return root;
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
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    stderr.write(`${pc.red("faultline: the harness broke:")} ${text}\n`);
    return BROKEN;
  }
}

/** A reader that has seen enough (`| head`) is no failure of ours. */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit();
}
stdout.on("error", leaveQuietly);
stderr.on("error", leaveQuietly);

process.exitCode = await main();
