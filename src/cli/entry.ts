/**
 * How a command line of ours begins and ends. Exit codes: 0 valid, 1 invalid, 2 unknown or vacuous, 254 a mistake in
 * how it was called, 255 the harness itself broke.
 */
import { stderr, stdout } from "node:process";
import { inspect } from "node:util";
import { type Command, CommanderError } from "commander";
import pc from "picocolors";
import { UsageError } from "../plan.ts";

const USAGE = 254;
const BROKEN = 255;

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

/** Has a command, and all below it, complain in one line; `path` is how it is called. */
function prepare(command: Command, path: string): void {
  command.exitOverride().configureOutput({ outputError: oneLine(`${path} --help`) });
  for (const child of command.commands) prepare(child, `${path} ${child.name()}`);
}

/** Runs what the process was called with. */
export async function runProgram(root: Command): Promise<void> {
  prepare(root, root.name());
  // A reader that has seen enough (`| head`) is no failure of ours: the work goes on, and its exit code holds.
  stdout.on("error", ignoreClosedPipe);
  stderr.on("error", ignoreClosedPipe);
  process.on("uncaughtException", (error) => process.exit(broken(error)));
  process.on("exit", (code) => {
    if (code === STUCK) process.exitCode = broken("everything waits for something that never comes");
  });
  process.exitCode = await exitCode(root);
}

async function exitCode(root: Command): Promise<number> {
  try {
    await root.parseAsync();
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

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE" && error.code !== "ERR_STREAM_DESTROYED") throw error;
}

/** What Node exits with when everything waits for what never comes. */
const STUCK = 13;
