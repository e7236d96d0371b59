import { describe, expect, it } from "vitest";
import type { Abilities } from "../../src/cluster.ts";
import { parsePlan } from "../../src/plan.ts";
import { SECOND } from "../../src/runtime/runtime.ts";
import { simulated } from "./place.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
type Able = Required<Abilities>;

/** Does `work` to a cluster, isolates a core at once, and gives it, if it served again in time. */
async function coreAfter(nodes: number, seed: number, work: (can: Able) => Promise<void>): Promise<string[]> {
  const stage = await simulated.boot(parsePlan({ nodes, seed, network: { latencyMs: 100 } }), {
    messages: false,
  });
  const { cluster } = stage;
  const can = cluster.can as Able;
  const found: string[] = [];
  const stuck = await stage.drive(
    (async () => {
      await cluster.ready(cluster.nodes);
      await work(can);
      const { core } = await can.recovery.healCore();
      found.push(...core);
      await cluster.ready(core);
    })(),
    60 * SECOND,
  );
  await stage.close(false);
  expect(stuck).toBeUndefined();
  return found;
}

describe("the core that has to recover", () => {
  it.each(SEEDS)("has no member whose removal is under way (seed %i)", async (seed) => {
    const core = await coreAfter(7, seed, async ({ members }) => {
      members.remove("n2").catch(() => {});
    });
    expect(core).not.toContain("n2");
    expect(core).toHaveLength(4);
  });

  it.each(SEEDS)("can decide before its members have heard of a voter who is new (seed %i)", async (seed) => {
    const core = await coreAfter(5, seed, async ({ members, events }) => {
      await members.remove("n3");
      const promoted = new Promise<void>((resolve) => {
        const changes = new Map<string, number>();
        // Added as a learner, then promoted: whoever leads is the first to apply both.
        events.subscribe(["config-applied"], ({ node }) => {
          changes.set(node, (changes.get(node) ?? 0) + 1);
          if (changes.get(node) === 2) resolve();
        });
      });
      members.add("n3", true).catch(() => {});
      await promoted;
    });
    expect(core.length).toBeGreaterThanOrEqual(3);
  });

  it("is a smallest majority where nothing is in doubt", async () => {
    expect(await coreAfter(5, 1, async () => {})).toHaveLength(3);
  });
});
