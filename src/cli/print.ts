/** What a run came to, on a terminal. */
import { stdout } from "node:process";
import pc from "picocolors";
import type { Verdict } from "../checker.ts";
import type { Executed } from "./execute.ts";

const colours = { valid: pc.green, invalid: pc.red, unknown: pc.yellow } as const;
/** Anomalies shown per checker; the report has all. */
const SHOWN = 3;

export function printResult({ plan, result, directory, repeat }: Executed): void {
  const vacuous = result.vacuous && result.validity === "valid";
  const colour = vacuous ? pc.yellow : colours[result.validity];
  const label = vacuous ? "valid, but vacuous" : result.validity;
  stdout.write(`${colour(pc.bold(label.toUpperCase()))}  ${result.summary}\n`);
  for (const { checker, validity, reason } of result.verdicts) {
    stdout.write(`  ${colours[validity](validity.padEnd(8))} ${checker}: ${reason}\n`);
  }
  const faults = result.faults
    .filter((fault) => fault.starts > 0)
    .map(({ fault, starts }) => `${fault} x${starts}`);
  const { operations, virtualSeconds } = result.counts;
  stdout.write(`  faults: ${faults.join(", ") || "none"}\n`);
  const unit = plan.place === "simulated" ? "virtual seconds" : "seconds";
  const early = result.phases.recovery === undefined ? ", ended early" : "";
  stdout.write(`  seed ${plan.seed}: ${operations} operations in ${virtualSeconds} ${unit}${early}\n`);
  stdout.write(`  report: ${directory.path}/report.html\n`);
  const again = plan.place === "simulated" ? "repeat" : "run again, though no two such runs are the same";
  if (result.validity !== "valid" || result.vacuous) stdout.write(`  ${again}: ${pc.bold(repeat)}\n`);
}

/** Verdicts with their first anomalies. */
export function printVerdicts(verdicts: readonly Verdict[]): void {
  for (const { checker, validity, reason, anomalies } of verdicts) {
    stdout.write(`${colours[validity](pc.bold(validity.toUpperCase().padEnd(8)))} ${checker}: ${reason}\n`);
    for (const { name, explanation, witness } of anomalies.slice(0, SHOWN)) {
      stdout.write(`  ${pc.bold(name)}: ${explanation}\n    events ${witness.join(", ")}\n`);
    }
    if (anomalies.length > SHOWN) stdout.write(`  … and ${anomalies.length - SHOWN} more\n`);
  }
}
