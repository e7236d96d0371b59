import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseHistory } from "../src/history/notation.ts";
import { type LatencyPoint, latencies, OUTCOMES, quantiles, rates, sampled, slices } from "./series.ts";

const settings = { seed: 21, numRuns: 200 };
const point: fc.Arbitrary<LatencyPoint> = fc.record({
  second: fc.double({ min: 0, max: 100, noNaN: true }),
  ms: fc.double({ min: 0.001, max: 10_000, noNaN: true }),
  type: fc.constantFrom(...OUTCOMES),
});

describe("a sample", () => {
  it("is no larger than its limit, in order, and keeps the slowest and fastest of each outcome", () => {
    fc.assert(
      fc.property(fc.array(point, { maxLength: 500 }), fc.integer({ min: 6, max: 200 }), (points, limit) => {
        const kept = sampled(points, limit);
        expect(kept.length).toBeLessThanOrEqual(limit);
        expect(points.filter((one) => kept.includes(one))).toEqual([...kept]);
        for (const type of OUTCOMES) {
          const all = points.filter((one) => one.type === type).map(({ ms }) => ms);
          if (all.length === 0) continue;
          const left = kept.filter((one) => one.type === type).map(({ ms }) => ms);
          expect([Math.min(...left), Math.max(...left)]).toEqual([Math.min(...all), Math.max(...all)]);
        }
      }),
      settings,
    );
  });

  it("is everything if there is not too much", () => {
    const points: LatencyPoint[] = [{ second: 1, ms: 2, type: "ok" }];
    expect(sampled(points, 6)).toBe(points);
  });
});

describe("slices", () => {
  it("cover the whole span without a gap", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), fc.integer({ min: 1, max: 200 }), (until, most) => {
        const all = slices(0, until, most);
        expect(all.length).toBeGreaterThan(0);
        expect(all.length).toBeLessThanOrEqual(most);
        expect(all[0]?.second).toBe(0);
        expect(all.at(-1)?.until).toBeCloseTo(until / 1e9, 6);
        for (let i = 1; i < all.length; i++)
          expect(all[i]?.second).toBeCloseTo(all[i - 1]?.until as number, 9);
      }),
      settings,
    );
  });
});

const history = parseHistory(`
  1000ms 0 invoke write 1
  1010ms 0 ok     write
  1500ms 0 invoke write 2
  1530ms 0 fail   write 2 ! refused
  2000ms 1 invoke write 3
  2500ms 0 invoke write 4
  2540ms 0 ok     write
  3900ms 1 info   write 3 ! timeout
  4000ms 0 invoke write 5
`);

it("gives each completed operation the time of its invocation and how long it took", () => {
  expect(latencies(history.client)).toEqual([
    { second: 1, ms: 10, type: "ok" },
    { second: 1.5, ms: 30, type: "fail" },
    { second: 2, ms: 1900, type: "info" },
    { second: 2.5, ms: 40, type: "ok" },
  ]);
});

it("counts completions when they happen, and leaves out times without any", () => {
  const { rates: all, availability } = rates(history.client, slices(0, 4e9, 4));
  const of = (type: string): number[] => all.filter((rate) => rate.type === type).map(({ rate }) => rate);
  expect(of("ok")).toEqual([0, 1, 1, 0]);
  expect(of("fail")).toEqual([0, 1, 0, 0]);
  expect(of("info")).toEqual([0, 0, 0, 1]);
  expect(availability.map(({ second, percent }) => [second, percent])).toEqual([
    [1, 50],
    [2, 100],
    [3, 0],
  ]);
});

it("takes quantiles of what succeeded, the nearest that occurred", () => {
  const points = Array.from(
    { length: 100 },
    (_, i): LatencyPoint => ({ second: 0.1, ms: 100 - i, type: "ok" }),
  );
  points.push({ second: 0.1, ms: 5_000, type: "info" });
  const found = quantiles(points, slices(0, 1e9, 1)).map(({ name, ms }) => [name, ms]);
  expect(found).toEqual([
    ["median", 50],
    ["95 %", 95],
    ["99 %", 99],
    ["slowest", 100],
  ]);
});

it("has no quantile of nothing, and counts each operation to its own slice", () => {
  const points: LatencyPoint[] = [
    { second: 0.5, ms: 7, type: "ok" },
    { second: 1.5, ms: 8, type: "info" },
    { second: 2.5, ms: 9, type: "ok" },
  ];
  const medians = quantiles(points, slices(0, 3e9, 3)).filter(({ name }) => name === "median");
  expect(medians.map(({ second, ms }) => [second, ms])).toEqual([
    [0, 7],
    [1, null],
    [2, 9],
  ]);
});
