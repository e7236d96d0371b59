/**
 * How fast a sweep finds each planted bug, from the default configuration of the bug's workload.
 *
 *   npm run bench:bugs [-- --starts 5] [--limit 60] [NAME ...]
 *
 * One line per bug: how many independent starts found it within the limit, the median and the largest CPU-seconds
 * and seeds to the first invalid run, the checkers that found it, and whether those that see only the clients'
 * history ever did.
 */
import { argv, cpuUsage, stdout } from "node:process";
import { parseArgs } from "node:util";
import { findBug, type PlantedBug, plantedBugs } from "../cluster/bugs.ts";
import { assemble } from "../src/registry.ts";
import { run } from "../src/runner/run.ts";
import { resolvePlan } from "../src/runner/swarm.ts";

interface Hunt {
  readonly found: boolean;
  readonly seeds: number;
  readonly cpu: number;
  readonly checkers: readonly string[];
}

const INSIDE: ReadonlySet<string> = new Set(["raft-invariants", "ground-truth", "progress"]);

async function hunt(bug: PlantedBug, first: number, limit: number): Promise<Hunt> {
  const before = cpuUsage();
  const cpu = (): number => {
    const { user, system } = cpuUsage(before);
    return (user + system) / 1e6;
  };
  for (let seed = first; ; seed++) {
    const plan = resolvePlan({ ...bug.plan, workload: bug.workload, bug: bug.name, swarm: true, seed });
    const { result } = await run(assemble(plan), { record: () => {}, messages: false });
    const checkers = result.verdicts
      .filter((verdict) => verdict.validity === "invalid")
      .map(({ checker }) => checker);
    if (result.validity === "invalid") {
      return {
        found: true,
        seeds: seed - first + 1,
        cpu: cpu(),
        checkers: checkers.length > 0 ? checkers : ["crash"],
      };
    }
    if (cpu() > limit) return { found: false, seeds: seed - first + 1, cpu: cpu(), checkers: [] };
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    args: argv.slice(2),
    allowPositionals: true,
    options: { starts: { type: "string", default: "5" }, limit: { type: "string", default: "60" } },
  });
  const starts = Number(values.starts);
  const limit = Number(values.limit);
  const chosen = positionals.length > 0 ? positionals.map((name) => findBug(name)) : plantedBugs;
  for (let seed = 0; seed < 4; seed++) {
    await run(assemble(resolvePlan({ seed, duration: 20 })), { record: () => {}, messages: false });
  }
  stdout.write(
    "bug                            found  CPU-s median  max    seeds median  max   clients see it  found by\n",
  );
  for (const bug of chosen) {
    if (bug === undefined) throw new Error(`no such bug: ${positionals.join(" ")}`);
    const hunts: Hunt[] = [];
    for (let start = 0; start < starts; start++) hunts.push(await hunt(bug, start * 100_000, limit));
    const found = hunts.filter((one) => one.found);
    const checkers = new Set(found.flatMap((one) => one.checkers));
    const visible = found.filter((one) => one.checkers.some((checker) => !INSIDE.has(checker))).length;
    const cpu = hunts.map((one) => one.cpu);
    const seeds = hunts.map((one) => one.seeds);
    stdout.write(
      `${bug.name.padEnd(30)} ${`${found.length}/${starts}`.padEnd(6)} ` +
        `${median(cpu).toFixed(1).padStart(12)}  ${Math.max(...cpu)
          .toFixed(1)
          .padStart(5)}  ` +
        `${String(median(seeds)).padStart(12)}  ${String(Math.max(...seeds)).padStart(4)}   ` +
        `${`${visible}/${found.length}`.padEnd(14)}  ${[...checkers].join(", ")}\n`,
    );
  }
}

await main();
