/** What a sweep as a whole has shown: sites no seed reached, and faults that never bit. */
import { type Site, sitesOf } from "../../cluster/sites.ts";
import type { SeedResult } from "./sweep-worker.ts";

type Reaching = Pick<SeedResult, "reached">;
type Striking = Pick<SeedResult, "faults">;

/** The sites a workload can come to and no seed came to. */
export function unreachedSites(workload: string, results: readonly Reaching[]): readonly Site[] {
  return sitesOf(workload).filter((site) => results.every(({ reached }) => (reached[site.name] ?? 0) === 0));
}

/** The faults that left no evidence in any run that started them; all that were drawn if none was ever started. */
export function toothlessFaults(results: readonly Striking[]): readonly string[] {
  const bites = new Map<string, number>();
  const drawn = new Set<string>();
  for (const { faults } of results)
    for (const { fault, starts, bites: count } of faults) {
      drawn.add(fault);
      if (starts > 0) bites.set(fault, (bites.get(fault) ?? 0) + count);
    }
  if (bites.size === 0) return [...drawn];
  return [...bites].filter(([, count]) => count === 0).map(([fault]) => fault);
}
