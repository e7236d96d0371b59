#!/usr/bin/env node
/** The command line of a server alone: what is bundled into one file that runs without anything beside it. */
import { version } from "../version.ts";
import { runProgram } from "./entry.ts";
import { kvCommand } from "./kv.ts";

await runProgram(kvCommand().name("faultline-kv").version(version));
