import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../runtime/random.ts";
import {
  boundary,
  type Distribution,
  exponential,
  geometric,
  uniform,
  weighted,
  zipf,
} from "./distributions.ts";

function draws<T>(distribution: Distribution<T>, count = 20_000, seed = 1): T[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => distribution(random));
}
const mean = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
const share = <T>(items: readonly T[], wanted: T) =>
  items.filter((item) => item === wanted).length / items.length;

describe("distributions", () => {
  it("uniform gives each value its share", () => {
    const drawn = draws(uniform(-1, 2));
    for (const value of [-1, 0, 1, 2]) expect(share(drawn, value)).toBeCloseTo(0.25, 1);
  });

  it("zipf gives rank k a share of 1 / (k + 1)", () => {
    const drawn = draws(zipf(4));
    const total = 1 + 1 / 2 + 1 / 3 + 1 / 4;
    for (const rank of [0, 1, 2, 3]) expect(share(drawn, rank)).toBeCloseTo(1 / (rank + 1) / total, 1);
  });

  it("zipf with exponent 0 is uniform", () => {
    const drawn = draws(zipf(5, 0));
    for (const rank of [0, 1, 2, 3, 4]) expect(share(drawn, rank)).toBeCloseTo(0.2, 1);
  });

  it("exponential has the mean asked for, and half its draws below mean ln 2", () => {
    const drawn = draws(exponential(50));
    expect(Math.abs(mean(drawn) - 50)).toBeLessThan(1.5);
    expect(drawn.filter((n) => n < 50 * Math.LN2).length / drawn.length).toBeCloseTo(0.5, 1);
    expect(draws(exponential(0), 5)).toEqual([0, 0, 0, 0, 0]);
  });

  it("geometric counts failures before a success", () => {
    const drawn = draws(geometric(0.25));
    expect(Math.abs(mean(drawn) - 3)).toBeLessThan(0.1);
    expect(share(drawn, 0)).toBeCloseTo(0.25, 1);
    expect(share(drawn, 1)).toBeCloseTo(0.1875, 1);
    expect(new Set(draws(geometric(1), 10))).toEqual(new Set([0]));
  });

  it("weighted follows the weights and never draws a weight of 0", () => {
    const drawn = draws(weighted([0, "never"], [1, "once"], [3, "thrice"], [0, "nor this"]));
    expect(new Set(drawn)).toEqual(new Set(["once", "thrice"]));
    expect(share(drawn, "thrice")).toBeCloseTo(0.75, 1);
  });

  it("boundary visits the edges often and the rest too", () => {
    const drawn = draws(boundary(-5, 1_000));
    for (const edge of [-5, -4, -1, 0, 1, 2, 255, 256, 257, 999, 1_000])
      expect(share(drawn, edge)).toBeGreaterThan(0.004);
    expect(new Set(drawn).size).toBeGreaterThan(900);
  });

  it("law: integers in range, the same for the same seed", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.nat(1_000_000), fc.nat(), (low, width, seed) => {
        const high = Math.min(low + width, Number.MAX_SAFE_INTEGER);
        for (const distribution of [uniform(low, high), boundary(low, high)]) {
          const drawn = draws(distribution, 20, seed);
          expect(drawn.every((n) => Number.isSafeInteger(n) && n >= low && n <= high)).toBe(true);
          expect(draws(distribution, 20, seed)).toEqual(drawn);
        }
        const count = (width % 50) + 1;
        expect(draws(zipf(count, 1.2), 20, seed).every((rank) => rank >= 0 && rank < count)).toBe(true);
      }),
      { seed: 5, numRuns: 100 },
    );
  });

  it("refuses what is no distribution", () => {
    const wrong = [
      () => uniform(2, 1),
      () => uniform(0.5, 1),
      () => zipf(0),
      () => zipf(3, -1),
      () => exponential(-1),
      () => geometric(0),
      () => geometric(1.1),
      () => weighted([0, "a"]),
      () => weighted([-1, "a"], [2, "b"]),
    ];
    for (const make of wrong) expect(make).toThrow(RangeError);
  });
});
