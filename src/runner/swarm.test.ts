import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resolvePlan } from "./swarm.ts";

describe("a swarm", () => {
  it("draws the same plan from the same seed, and others from others", () => {
    const draw = (seed: number) => resolvePlan({ swarm: true, seed });
    expect(draw(3)).toEqual(draw(3));
    expect(
      new Set(Array.from({ length: 50 }, (_, seed) => JSON.stringify({ ...draw(seed), seed: 0 }))).size,
    ).toBeGreaterThan(40);
  });

  it("keeps what was set", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 9 }), fc.boolean(), (seed, nodes, preVote) => {
        const plan = resolvePlan({
          swarm: true,
          seed,
          nodes,
          raftkv: { preVote },
          network: { latencyMs: 3 },
        });
        expect(plan.nodes).toBe(nodes);
        expect(plan.raftkv.preVote).toBe(preVote);
        expect(plan.network.latencyMs).toBe(3);
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it("draws no fault that cannot bite, unless nothing else was asked for", () => {
    const drawn = (workload: string, faults?: string[]) =>
      new Set(
        Array.from({ length: 200 }, (_, seed) => seed).flatMap(
          (seed) => resolvePlan({ swarm: true, seed, workload, ...(faults && { faults }) }).faults,
        ),
      );
    expect(drawn("lock")).toContain("lease-hunt");
    expect(drawn("register")).not.toContain("lease-hunt");
    expect([...drawn("register", ["lease-hunt"])]).toEqual(["lease-hunt"]);
  });

  it("gives a concrete plan, which stands for itself", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const plan = resolvePlan({ swarm: true, seed });
        expect(plan.swarm).toBe(false);
        expect(resolvePlan(plan)).toEqual(plan);
      }),
      { seed: 1, numRuns: 50 },
    );
  });

  it("draws some of the allowed faults, never none and never others", () => {
    const faults = ["partition", "kill", "pause"];
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const drawn = resolvePlan({ swarm: true, seed, faults }).faults;
      expect(drawn.length).toBeGreaterThan(0);
      expect(faults).toEqual(expect.arrayContaining(drawn));
      seen.add(drawn.join());
    }
    expect(seen.size).toBe(7);
    expect(resolvePlan({ swarm: true, seed: 1, faults: [] }).faults).toEqual([]);
  });

  it("cuts no log short while a snapshot in small pieces is on a slow way", () => {
    let small = 0;
    for (let seed = 0; seed < 500; seed++) {
      const { raftkv, network } = resolvePlan({ swarm: true, seed });
      if (raftkv.snapshotChunkBytes > 64) continue;
      small++;
      const quick = network.loss === 0 && network.latencyMs <= 1;
      expect(quick || raftkv.snapshotEvery > 20 || raftkv.catchUpEntries === 200).toBe(true);
    }
    expect(small).toBeGreaterThan(50);
  });

  it("leaves elections time for several round trips", () => {
    for (let seed = 0; seed < 300; seed++) {
      const { raftkv, network } = resolvePlan({ swarm: true, seed });
      expect(raftkv.tickMs * raftkv.electionTicks).toBeGreaterThanOrEqual(10 * network.latencyMs);
    }
  });
});
