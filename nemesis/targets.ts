/** Whom a fault hits. A target is drawn as a name and resolved to members only when the fault strikes. */
import type { Cluster } from "../src/cluster.ts";
import type { FaultOptions } from "../src/fault.ts";
import type { NodeId } from "../src/history/op.ts";
import { UsageError } from "../src/plan.ts";
import type { Random } from "../src/runtime/random.ts";
import { isCut } from "./partition.ts";

export const targets = [
  "one",
  "minority",
  "minority-third",
  "majority",
  "leaders",
  "followers",
  "all",
] as const;
export type Target = (typeof targets)[number];

/** The plan's target, which may also be a node's name, or one of `usual`. */
export function drawTarget(random: Random, options: FaultOptions, usual: readonly Target[]): string {
  const wanted = options.target;
  if (wanted === undefined || isCut(wanted)) return random.pick(usual);
  if ((targets as readonly string[]).includes(wanted) || options.nodes.includes(wanted)) return wanted;
  throw new UsageError(
    `target ${wanted} is unknown; use ${targets.join(", ")}, or one of ${options.nodes.join(", ")}`,
  );
}

/** At least one member, in the cluster's order. */
export async function resolveTarget(
  target: string,
  cluster: Cluster<unknown>,
  random: Random,
): Promise<readonly NodeId[]> {
  const { nodes } = cluster;
  const some = (count: number): readonly NodeId[] => {
    const chosen = new Set(random.shuffle(nodes).slice(0, Math.max(1, count)));
    return nodes.filter((node) => chosen.has(node));
  };
  const n = nodes.length;
  switch (target as Target) {
    case "one":
      return some(1);
    case "minority":
      return some(Math.ceil(n / 2) - 1);
    case "minority-third":
      return some(Math.floor((n - 1) / 3));
    case "majority":
      return some(Math.floor(n / 2) + 1);
    case "leaders": {
      const leaders = await cluster.leaders();
      return leaders.length > 0 ? leaders : some(1);
    }
    case "followers": {
      const leaders = new Set(await cluster.leaders());
      const followers = nodes.filter((node) => !leaders.has(node));
      return followers.length > 0 ? followers : some(1);
    }
    case "all":
      return nodes;
  }
  if (nodes.includes(target)) return [target];
  throw new Error(`no member and no target is called ${target}`);
}
