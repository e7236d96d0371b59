import { describe, expect, it } from "vitest";
import type { Cluster } from "../src/cluster.ts";
import { UsageError } from "../src/plan.ts";
import { seededRandom } from "../src/runtime/random.ts";
import { drawTarget, resolveTarget } from "./targets.ts";

const nodes = ["n1", "n2", "n3", "n4", "n5"];
function cluster(leaders: readonly string[], members: readonly string[] = nodes): Cluster<unknown> {
  return { nodes: members, leaders: async () => leaders, can: {} } as unknown as Cluster<unknown>;
}
const resolve = (target: string, leaders: readonly string[] = ["n2"], members = nodes) =>
  resolveTarget(target, cluster(leaders, members), seededRandom(4));

describe("a target", () => {
  it.each([
    ["one", 1],
    ["minority", 2],
    ["minority-third", 1],
    ["majority", 3],
    ["all", 5],
  ])("%s is %i of five", async (target, count) => {
    expect(await resolve(target)).toHaveLength(count);
  });

  it("has at least one victim in the smallest cluster", async () => {
    for (const target of ["one", "minority", "minority-third", "majority", "leaders", "followers", "all"]) {
      expect(await resolve(target, ["n1"], ["n1"])).toEqual(["n1"]);
    }
  });

  it("knows leaders from followers, and takes anyone while there is no leader", async () => {
    expect(await resolve("leaders", ["n2", "n5"])).toEqual(["n2", "n5"]);
    expect(await resolve("followers")).toEqual(["n1", "n3", "n4", "n5"]);
    expect(await resolve("leaders", [])).toHaveLength(1);
  });

  it("may be a member's name", async () => {
    expect(await resolve("n3")).toEqual(["n3"]);
    await expect(resolve("n9")).rejects.toThrow(/n9/);
  });

  it("is what the plan says, or else drawn from what is usual", () => {
    const options = { nodes, interval: 1, span: 1, random: seededRandom(1) };
    expect(drawTarget(seededRandom(1), { ...options, target: "all" }, ["one"])).toBe("all");
    expect(drawTarget(seededRandom(1), options, ["minority"])).toBe("minority");
    for (const cut of ["n1|n2", "isolate-leader"])
      expect(drawTarget(seededRandom(1), { ...options, target: cut }, ["minority"])).toBe("minority");
    expect(() => drawTarget(seededRandom(1), { ...options, target: "most" }, ["one"])).toThrow(UsageError);
  });
});
