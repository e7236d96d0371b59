import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePlan } from "../plan.ts";
import type { Hunt, Sighting } from "./hunt.ts";
import { control, estimate, median, row, score } from "./matrix.ts";

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
const sighting = (cpuSeconds: number, ...checkers: string[]): Sighting => ({
  seeds: 1,
  cpuSeconds,
  checkers,
  plan: parsePlan({}),
});
const hunted = (cpuSeconds: number, found?: Sighting, seen?: Sighting): Hunt => ({
  seeds: 3,
  cpuSeconds,
  found,
  seen,
});

describe("an estimate", () => {
  // The ranks are those of the usual tables for a sign test at 5 %.
  it.each([
    [6, 1, 6],
    [9, 2, 8],
    [10, 2, 9],
    [15, 4, 12],
    [20, 6, 15],
    [100, 40, 61],
  ])("of %i values lies between the ranks %i and %i", (n, low, high) => {
    expect(estimate(upTo(n).reverse())).toEqual({ median: median(upTo(n)), low, high });
  });

  it("of few values is as wide as they are", () => {
    expect(estimate([4, 9, 1])).toEqual({ median: 4, low: 1, high: 9 });
    expect(estimate([7])).toEqual({ median: 7, low: 7, high: 7 });
  });

  it("holds its median", () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1, maxLength: 60 }), (values) => {
        const { median: middle, low, high } = estimate(values);
        expect(low).toBeLessThanOrEqual(middle);
        expect(middle).toBeLessThanOrEqual(high);
      }),
    );
  });
});

describe("the matrix", () => {
  const quarry = { name: "b", workload: "kv" };

  it("counts a hunt that found nothing with what it used, and what clients saw by itself", () => {
    const inside = sighting(2, "raft-invariants");
    const outside = sighting(5, "linearizable");
    expect(
      row(quarry, [hunted(5, inside, outside), hunted(60), hunted(60, inside)], undefined),
    ).toMatchObject({
      starts: 3,
      found: 2,
      seen: 1,
      cpuSeconds: { median: 2, low: 2, high: 60 },
      checkers: ["raft-invariants", "linearizable"],
    });
  });

  it("holds whatever is found without a bug against the tester", () => {
    const clean = { name: "", workload: "kv" };
    expect(control(clean, hunted(20)).alarm).toBeUndefined();
    expect(control(clean, hunted(4, sighting(4, "linearizable")))).toMatchObject({
      name: "no bug",
      alarm: { seed: 0, checkers: ["linearizable"] },
    });
  });

  it("scores bugs, not starts", () => {
    const one = sighting(4, "linearizable");
    const shrunk = { nodes: 3, faults: 1, operations: 4, cpuSeconds: 9 };
    const rows = [
      row(quarry, [hunted(4, one, one), hunted(4, one, one)], shrunk),
      row(quarry, [hunted(60, one), hunted(60, one), hunted(60)], { ...shrunk, faults: 3 }),
      row(quarry, [hunted(60), hunted(60)], undefined),
    ];
    expect(score(rows)).toEqual({
      bugs: 3,
      always: 1,
      mostly: 2,
      mostlySeen: 1,
      medianCpuSeconds: 4,
      medianFaults: 1,
      medianOperations: 4,
    });
  });
});
