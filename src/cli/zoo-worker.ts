/** What a process of a hunt does. Processes and not threads, because CPU time is counted by process. */
import { cpuUsage } from "node:process";
import type { Plan } from "../plan.ts";
import { assemble } from "../registry.ts";
import { type Run, run } from "../runner/run.ts";
import { sizeOf } from "../shrink/script.ts";
import { shrink } from "../shrink/shrink.ts";
import { type Hunt, hunt, type Quarry } from "../zoo/hunt.ts";
import type { Bones } from "../zoo/matrix.ts";

export interface HuntTask {
  readonly quarry: Quarry;
  readonly first: number;
  /** CPU-seconds. */
  readonly limit: number;
  /** CPU-seconds for shrinking what was found; 0 for none. */
  readonly shrinkBudget: number;
}

export interface HuntResult extends Hunt {
  readonly shrunk: Bones | undefined;
}

// A hunt would go on for a minute or two after its parent was killed.
process.once("disconnect", () => process.exit());

const play = (plan: Plan): Promise<Run> => run(assemble(plan), { record: () => {}, messages: false });

function cpu(): number {
  const { user, system } = cpuUsage();
  return (user + system) / 1e6;
}

export default async function huntBug({ quarry, first, limit, shrinkBudget }: HuntTask): Promise<HuntResult> {
  const hunted = await hunt(quarry, { first, limit, run: play, cpu });
  const sighting = hunted.seen ?? hunted.found;
  if (sighting === undefined || shrinkBudget === 0) return { ...hunted, shrunk: undefined };
  const start = cpu();
  const { plan } = await shrink(sighting.plan, { run: play, spent: () => (cpu() - start) / shrinkBudget });
  const { faults, operations } = sizeOf(plan.script ?? []);
  return { ...hunted, shrunk: { nodes: plan.nodes, faults, operations, cpuSeconds: cpu() - start } };
}
