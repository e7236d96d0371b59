/**
 * How fast the whole slice runs: full servers, network, disks, clients, faults, all invariants and the checkers.
 *
 *   npm run bench:simulator
 *
 * Prints per cluster size and load: events and operations per CPU-second, and virtual over CPU time. Seeds are run
 * one after the other in one process, after a warm-up; the median of the rounds is shown with its range.
 */
import { cpuUsage, stdout } from "node:process";
import type { PlanInput } from "../src/plan.ts";
import { assemble } from "../src/registry.ts";
import { run } from "../src/runner/run.ts";
import { resolvePlan } from "../src/runner/swarm.ts";

interface Load {
  readonly name: string;
  readonly rate: number;
  /** Virtual seconds per run. */
  readonly duration: number;
}

const loads: readonly Load[] = [
  { name: "light, 5 op/s", rate: 5, duration: 120 },
  { name: "50 op/s", rate: 50, duration: 60 },
  { name: "saturated", rate: 0, duration: 4 },
];
const ROUNDS = 5;
const faults = ["partition", "kill", "pause", "clock"];

interface Sample {
  readonly events: number;
  readonly operations: number;
  readonly virtual: number;
  readonly cpu: number;
}

async function measure(input: PlanInput): Promise<Sample> {
  const before = cpuUsage();
  const { result } = await run(assemble(resolvePlan(input)), { record: () => {}, messages: false });
  const { user, system } = cpuUsage(before);
  if (result.validity !== "valid") throw new Error(`seed ${input.seed} is not valid: ${result.summary}`);
  const { events, operations, virtualSeconds } = result.counts;
  return { events, operations, virtual: virtualSeconds, cpu: (user + system) / 1e6 };
}

function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const show = (value: number | undefined): string => String(Math.round(value ?? 0)).padStart(8);
  return `${show(sorted[Math.floor(sorted.length / 2)])} [${show(sorted[0]).trim()}..${show(sorted.at(-1)).trim()}]`.padEnd(28);
}

async function main(): Promise<void> {
  for (let seed = 0; seed < 8; seed++) await measure({ seed, faults, duration: 20, workload: "register" });
  stdout.write("nodes  load            events/CPU-s                operations/CPU-s            virtual/CPU time\n");
  for (const nodes of [3, 5]) {
    for (const { name, rate, duration } of loads) {
      const samples: Sample[] = [];
      for (let seed = 100; seed < 100 + ROUNDS; seed++) {
        samples.push(await measure({ nodes, rate, duration, seed, faults, workload: "register" }));
      }
      const per = (pick: (sample: Sample) => number): string => spread(samples.map((sample) => pick(sample) / sample.cpu));
      stdout.write(
        `${nodes}      ${name.padEnd(14)}  ${per((s) => s.events)}${per((s) => s.operations)}${per((s) => s.virtual)}\n`,
      );
    }
  }
}

await main();
