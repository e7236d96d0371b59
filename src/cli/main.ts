#!/usr/bin/env node
/** The command line. */
import { Command } from "commander";
import { version } from "../version.ts";
import { checkCommand } from "./check.ts";
import { demoCommand } from "./demo.ts";
import { doctorCommand } from "./doctor.ts";
import { runProgram } from "./entry.ts";
import { exportCommand } from "./export.ts";
import { futuresCommand } from "./futures.ts";
import { huntCommand } from "./hunt.ts";
import { kvCommand } from "./kv.ts";
import { listCommand } from "./list.ts";
import { replayCommand } from "./replay.ts";
import { reportCommand } from "./report.ts";
import { reproCommand } from "./repro.ts";
import { runCommand } from "./run.ts";
import { shrinkCommand } from "./shrink.ts";
import { suiteCommand } from "./suite.ts";
import { sweepCommand } from "./sweep.ts";
import { zooCommand } from "./zoo.ts";

const EXAMPLES = `
Examples:
  npx faultline demo                                      see a split brain found, explained and repeated
  npx faultline run --workload kv --faults partition,kill one run, with a random seed
  npx faultline sweep --workload watch --seeds 1000       a thousand runs, each with its own sizes and faults
  npx faultline list bugs                                 what can be planted with --bug

Exit codes: 0 valid, 1 invalid, 2 unknown or vacuous, 254 wrong call, 255 the harness broke.`;

const root = new Command("faultline")
  .description("Breaks distributed systems on purpose and proves whether they kept their promises.")
  .version(version)
  .addHelpText("after", EXAMPLES);
for (const command of [
  demoCommand(),
  runCommand(),
  sweepCommand(),
  suiteCommand(),
  reproCommand(),
  huntCommand(),
  zooCommand(),
  replayCommand(),
  shrinkCommand(),
  futuresCommand(),
  checkCommand(),
  reportCommand(),
  exportCommand(),
  listCommand(),
  doctorCommand(),
  kvCommand(),
])
  root.addCommand(command);

await runProgram(root);
