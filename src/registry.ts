/** Everything by name, and how a plan becomes a test. Sees all parts; seen by the command line and the public API only. */
import { liveness } from "../checkers/liveness.ts";
import { stats } from "../checkers/stats.ts";
import type { KvApi } from "../cluster/api.ts";
import { findBug, plantedBugs } from "../cluster/bugs.ts";
import { simulated } from "../cluster/simulated/place.ts";
import { faults } from "../nemesis/index.ts";
import { workloads } from "../workloads/index.ts";
import type { Fault } from "./fault.ts";
import type { NodeId } from "./history/op.ts";
import type { Place } from "./place.ts";
import { type Plan, UsageError } from "./plan.ts";
import type { Test } from "./runner/run.ts";
import { seededRandom } from "./runtime/random.ts";
import type { WorkloadFactory } from "./workload.ts";

export const places: readonly Place<KvApi>[] = [simulated];

export const systems: readonly { readonly name: string; readonly summary: string }[] = [
  { name: "raftkv", summary: "the Raft key-value store of this repository, with etcd's semantics" },
];

/** Names the members of a cluster: n1, n2, … */
export function nodeNames(count: number): NodeId[] {
  return Array.from({ length: count }, (_, i) => `n${i + 1}`);
}

/** Looks a name up; throws UsageError that lists what there is, the likeliest first. */
export function lookUp<T extends { readonly name: string }>(
  kind: string,
  name: string,
  items: readonly T[],
): T {
  const found = items.find((item) => item.name === name);
  if (found !== undefined) return found;
  const names = items.map((item) => item.name);
  const close = names.filter((candidate) => distance(candidate, name) <= 2);
  const hint = close.length > 0 ? `did you mean ${close.join(" or ")}?` : `there are ${names.join(", ")}`;
  throw new UsageError(`${kind} ${name} is unknown; ${hint}`);
}

/** Everything a run needs, checked before anything boots. Throws UsageError. */
export function assemble(plan: Plan): Test<KvApi> {
  const place = lookUp("place", plan.place, places);
  lookUp("system", plan.system, systems);
  if (!place.systems.includes(plan.system)) {
    throw new UsageError(
      `place ${place.name} cannot run ${plan.system}; it runs ${place.systems.join(", ")}`,
    );
  }
  const factory: WorkloadFactory<KvApi> = lookUp("workload", plan.workload, workloads);
  const chosen: Fault[] = [];
  for (const name of plan.faults) {
    const fault = lookUp("fault", name, faults);
    if (chosen.includes(fault)) throw new UsageError(`fault ${name} is named twice`);
    if (plan.nodes < fault.leastNodes) {
      throw new UsageError(
        `fault ${name} needs at least ${fault.leastNodes} nodes, the plan has ${plan.nodes}`,
      );
    }
    chosen.push(fault);
  }
  if (plan.bug !== "" && findBug(plan.bug) === undefined) lookUp("bug", plan.bug, plantedBugs);
  const workload = factory.create({
    nodes: nodeNames(plan.nodes),
    concurrency: plan.concurrency,
    random: seededRandom(plan.seed).fork("workload"),
    options: plan.workloadOptions,
  });
  return { plan, place, workload, faults: chosen, checkers: [stats, liveness] };
}

/** Edit distance of Levenshtein. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
