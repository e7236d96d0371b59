/**
 * Whether the same seed gives the same bytes: every workload, many swarm seeds, each in two processes, one with a
 * small heap and one with a large, so that no garbage collection falls on the same moment.
 *
 *   npm run bench:determinism [-- --seeds 100] [--first 0] [--duration SECONDS] [WORKLOAD ...]
 *
 * One line per workload: how many seeds, events and virtual seconds were compared. Exit code 1 if any differ.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { argv, execPath, stdout } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { PlanInput } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import { run } from "../src/runner/run.ts";
import { resolvePlan } from "../src/runner/swarm.ts";
import { workloads } from "../workloads/index.ts";

const HEAPS = [256, 2_048];

interface Print {
  readonly seed: number;
  /** Over the history and the result, trace hash and verdicts included. */
  readonly hash: string;
  readonly events: number;
  readonly virtualSeconds: number;
}

/** Runs the seeds in this process and prints what each came to, one JSON value a line. */
async function print(workload: string, first: number, count: number, settings: PlanInput): Promise<void> {
  for (let seed = first; seed < first + count; seed++) {
    const hash = createHash("sha256");
    const record = (event: unknown): void => {
      hash.update(`${JSON.stringify(event)}\n`);
    };
    const plan = resolvePlan({ workload, swarm: true, seed, ...settings });
    const { result } = await run(assemble(plan), { record, messages: false });
    hash.update(JSON.stringify(result));
    const { events, virtualSeconds } = result.counts;
    const line: Print = { seed, hash: hash.digest("hex"), events, virtualSeconds };
    stdout.write(`${JSON.stringify(line)}\n`);
  }
}

function printElsewhere(workload: string, flags: readonly string[], heap: number): Promise<Print[]> {
  const words = [fileURLToPath(import.meta.url), "--print", ...flags, workload];
  const child = spawn(execPath, [`--max-old-space-size=${heap}`, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("close", (code) => {
      if (code === 0) resolve(text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line)])));
      else reject(new Error(`${workload}, with a heap of ${heap} MB: exit code ${code}`));
    });
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv.slice(2),
    allowPositionals: true,
    options: {
      seeds: { type: "string", default: "100" },
      first: { type: "string", default: "0" },
      duration: { type: "string" },
      print: { type: "boolean", default: false },
    },
  });
  const { seeds, first, duration } = values;
  const names = positionals.length > 0 ? positionals : workloads.map(({ name }) => name);
  if (values.print) {
    const settings = duration === undefined ? {} : { duration: Number(duration) };
    return print(names[0] as string, Number(first), Number(seeds), settings);
  }
  const flags = [
    "--first",
    first,
    "--seeds",
    seeds,
    ...(duration === undefined ? [] : ["--duration", duration]),
  ];
  for (const name of names) {
    const [small, large] = await Promise.all(HEAPS.map((heap) => printElsewhere(name, flags, heap)));
    if (small === undefined || large === undefined) throw new Error("two processes print twice");
    const different = small.filter(({ hash }, i) => hash !== large[i]?.hash).map(({ seed }) => seed);
    const events = small.reduce((sum, one) => sum + one.events, 0);
    const virtual = Math.round(small.reduce((sum, one) => sum + one.virtualSeconds, 0));
    const verdict =
      different.length === 0 ? "identical in two processes" : `DIFFERENT: seeds ${different.join(", ")}`;
    stdout.write(
      `${name.padEnd(10)} ${small.length} seeds, ${events} simulated events, ${virtual} virtual seconds: ${verdict}\n`,
    );
    if (different.length > 0 || small.length !== Number(seeds)) process.exitCode = 1;
  }
}

await main();
