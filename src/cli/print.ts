/** What a run came to, on a terminal. */
import { stdout } from "node:process";
import pc from "picocolors";
import type { RunResult } from "../result.ts";

const colours = { valid: pc.green, invalid: pc.red, unknown: pc.yellow } as const;

export function printResult(result: RunResult, repeat: string, directory: string): void {
  const label = result.vacuous && result.validity === "valid" ? "valid, but vacuous" : result.validity;
  const colour = result.vacuous && result.validity === "valid" ? pc.yellow : colours[result.validity];
  stdout.write(`${colour(pc.bold(label.toUpperCase()))}  ${result.summary}\n`);
  for (const verdict of result.verdicts) {
    stdout.write(
      `  ${colours[verdict.validity](verdict.validity.padEnd(8))} ${verdict.checker}: ${verdict.reason}\n`,
    );
  }
  const faults = result.faults
    .filter((fault) => fault.starts > 0)
    .map((fault) => `${fault.fault} x${fault.starts}`);
  const { operations, virtualSeconds } = result.counts;
  stdout.write(
    `  ${operations} operations in ${virtualSeconds} virtual seconds; faults: ${faults.join(", ") || "none"}\n`,
  );
  stdout.write(`  report: ${directory}/report.html\n`);
  if (result.validity !== "valid" || result.vacuous) stdout.write(`  repeat: ${pc.bold(repeat)}\n`);
}
