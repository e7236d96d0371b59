/** What a sweep as a whole has shown: sites that no seed reached. */
import { type Site, sitesOf } from "../../cluster/sites.ts";
import type { SeedResult } from "./sweep-worker.ts";

type Reaching = Pick<SeedResult, "reached">;

/** The sites a workload can come to and no seed came to. */
export function unreachedSites(workload: string, results: readonly Reaching[]): readonly Site[] {
  return sitesOf(workload).filter((site) => results.every(({ reached }) => (reached[site.name] ?? 0) === 0));
}
