/** A hunt: seed after seed with a planted bug, until a run fails, and on until clients alone could tell. */
import type { Plan, PlanInput } from "../plan.ts";
import type { RunResult } from "../result.ts";
import type { Run } from "../runner/run.ts";
import { resolvePlan } from "../runner/swarm.ts";

/** What a hunt looks for, and where. */
export interface Quarry {
  /** "" for a build without a bug, in which nothing must be found. */
  readonly name: string;
  readonly workload: string;
  /** What a plan has to say beyond the workload's name for the bug to be able to show. */
  readonly plan?: PlanInput;
}

export interface HuntOptions {
  /** The first seed. */
  readonly first: number;
  /** CPU-seconds after which it is given up. */
  readonly limit: number;
  readonly run: (plan: Plan) => Promise<Run>;
  /** CPU-seconds used so far by this process. */
  readonly cpu: () => number;
}

/** What it took to see a bug. */
export interface Sighting {
  readonly seeds: number;
  readonly cpuSeconds: number;
  readonly checkers: readonly string[];
  readonly plan: Plan;
}

export interface Hunt {
  readonly seeds: number;
  readonly cpuSeconds: number;
  /** The first failing run; undefined if there was none within the limit. */
  readonly found: Sighting | undefined;
  /** The first run in which a checker failed that sees only what clients saw. */
  readonly seen: Sighting | undefined;
}

/** The checkers that look inside the cluster. */
const INSIDE: ReadonlySet<string> = new Set(["raft-invariants", "ground-truth", "progress"]);

/** The swarm plan in which seed `seed` hunts for a bug. */
export function huntingPlan({ name, workload, plan }: Quarry, seed: number): PlanInput {
  return { ...plan, workload, bug: name, swarm: true, seed };
}

/** Hunts from seed `options.first` on. At least one seed is tried, whatever the limit. */
export async function hunt(quarry: Quarry, { first, limit, run, cpu }: HuntOptions): Promise<Hunt> {
  const start = cpu();
  let found: Sighting | undefined;
  for (let seeds = 1; ; seeds++) {
    const plan = resolvePlan(huntingPlan(quarry, first + seeds - 1));
    const checkers = failed((await run(plan)).result);
    const cpuSeconds = cpu() - start;
    const sighting: Sighting | undefined =
      checkers.length > 0 && cpuSeconds <= limit ? { seeds, cpuSeconds, checkers, plan } : undefined;
    found ??= sighting;
    const seen = sighting !== undefined && checkers.some((checker) => !INSIDE.has(checker));
    if (seen || cpuSeconds > limit) return { seeds, cpuSeconds, found, seen: seen ? sighting : undefined };
  }
}

function failed({ validity, verdicts }: RunResult): readonly string[] {
  if (validity !== "invalid") return [];
  const checkers = verdicts.filter((verdict) => verdict.validity === "invalid").map(({ checker }) => checker);
  return checkers.length > 0 ? checkers : ["crash"];
}
