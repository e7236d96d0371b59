import { describe, expect, it } from "vitest";
import type { Abilities, Cluster } from "../../src/cluster.ts";
import { parsePlan } from "../../src/plan.ts";
import { SECOND } from "../../src/runtime/runtime.ts";
import type { KvApi } from "../api.ts";
import { simulated } from "./place.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
type Able = Required<Abilities>;

/** Does `work` to a cluster that serves; it has to end in time. */
async function on(
  nodes: number,
  seed: number,
  work: (can: Able, cluster: Cluster<KvApi>) => Promise<void>,
): Promise<void> {
  const stage = await simulated.boot(parsePlan({ nodes, seed, network: { latencyMs: 100 } }), {
    messages: false,
  });
  const { cluster } = stage;
  const stuck = await stage.drive(
    (async () => {
      await cluster.ready(cluster.nodes);
      await work(cluster.can as Able, cluster);
    })(),
    60 * SECOND,
  );
  await stage.close(false);
  expect(stuck).toBeUndefined();
}

/** Does `work` to a cluster, isolates a core at once, and gives it, if it served again in time. */
async function coreAfter(nodes: number, seed: number, work: (can: Able) => Promise<void>): Promise<string[]> {
  const found: string[] = [];
  await on(nodes, seed, async (can, cluster) => {
    await work(can);
    const { core } = await can.recovery.healCore();
    found.push(...core);
    await cluster.ready(core);
  });
  return found;
}

describe("a member that was removed and wiped", () => {
  it.each(SEEDS)(
    "is not revived under its old identity, and its node serves a new one (seed %i)",
    async (seed) => {
      await on(5, seed, async ({ members, processes }, cluster) => {
        await members.remove("n2");
        // Long enough for it to be wiped: each round is a few messages of a tenth of a second.
        for (let round = 0; round < 20; round++) await cluster.ready(["n1"]);
        expect(processes.state("n2")).toBe("dead");
        expect(await processes.start("n2")).toBe("removed");
        expect(processes.state("n2")).toBe("dead");
        await members.add("n2", false);
        await cluster.ready(["n2"]);
      });
    },
  );
});

describe("a member that is behind", () => {
  it.each(SEEDS)(
    "answers one of whom it has not heard, and gives it the majority (seed %i)",
    async (seed) => {
      await on(3, seed, async ({ members, links, events }, cluster) => {
        const [leader = ""] = await cluster.leaders();
        const [behind = "", replaced = ""] = cluster.nodes.filter((node) => node !== leader);
        const alone = (node: string) => {
          const others = cluster.nodes.filter((other) => other !== node);
          const pairs = others.flatMap((other) => [[node, other] as const, [other, node] as const]);
          return links.spoil(pairs, { cut: true });
        };
        await members.remove(replaced);
        await cluster.ready([leader, behind]);
        // Whoever leads is the first to apply it; the other has stored it and does not know that it counts.
        const applied = new Promise<void>((resolve) => {
          events.subscribe(["config-applied"], ({ node }) => {
            if (node === leader) resolve();
          });
        });
        const added = members.add(replaced, false);
        await applied;
        const cut = await alone(behind);
        await added;
        await cluster.ready([replaced]);
        await alone(leader);
        await cut.heal();
        await cluster.ready([replaced, behind]);
      });
    },
  );
});

describe("the core that has to recover", () => {
  it.each(SEEDS)("has no member whose removal is under way (seed %i)", async (seed) => {
    const core = await coreAfter(7, seed, async ({ members }) => {
      members.remove("n2").catch(() => {});
    });
    expect(core).not.toContain("n2");
    expect(core).toHaveLength(4);
  });

  it.each(SEEDS)("is a majority with a voter whose addition is under way (seed %i)", async (seed) => {
    const core = await coreAfter(4, seed, async ({ members }) => {
      await members.remove("n2");
      members.add("n2", false).catch(() => {});
    });
    expect([...core].sort()).toEqual(["n1", "n3", "n4"]);
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
