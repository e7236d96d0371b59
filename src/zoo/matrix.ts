/** From many hunts to a table that says how far the tester can be trusted. */
import type { Hunt, Quarry } from "./hunt.ts";

/** How small a failing run of a bug became. */
export interface Bones {
  readonly nodes: number;
  readonly faults: number;
  readonly operations: number;
  readonly cpuSeconds: number;
}

/** A median with the bounds between which the true one lies in 95 of 100 such measurements, as far as so few can tell. */
export interface Estimate {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface Row {
  readonly bug: string;
  readonly workload: string;
  readonly starts: number;
  /** Starts that found it within the limit, and those in which clients alone could tell. */
  readonly found: number;
  readonly seen: number;
  /** Over all starts; a start that found nothing counts with what it used. */
  readonly cpuSeconds: Estimate;
  readonly seeds: Estimate;
  readonly checkers: readonly string[];
  readonly shrunk: Bones | undefined;
}

/** A build without a bug, or with a mutation that breaks no promise, under the same plans: nothing must be found. */
export interface Control {
  readonly name: string;
  readonly workload: string;
  readonly seeds: number;
  readonly cpuSeconds: number;
  /** A false alarm: the checkers that objected and the seed; undefined if all was well. */
  readonly alarm: { readonly seed: number; readonly checkers: readonly string[] } | undefined;
}

export interface Score {
  readonly bugs: number;
  /** Bugs that every start found. */
  readonly always: number;
  /** Bugs that most starts found, and those that clients alone could tell in most. */
  readonly mostly: number;
  readonly mostlySeen: number;
  /** Median over the bugs of their median CPU-seconds. */
  readonly medianCpuSeconds: number;
  readonly medianFaults: number;
  readonly medianOperations: number;
}

export function row(quarry: Quarry, hunts: readonly Hunt[], shrunk: Bones | undefined): Row {
  const found = hunts.flatMap((hunt) => hunt.found ?? []);
  return {
    bug: quarry.name,
    workload: quarry.workload,
    starts: hunts.length,
    found: found.length,
    seen: hunts.filter((hunt) => hunt.seen !== undefined).length,
    cpuSeconds: estimate(hunts.map((hunt) => (hunt.found ?? hunt).cpuSeconds)),
    seeds: estimate(hunts.map((hunt) => (hunt.found ?? hunt).seeds)),
    checkers: [
      ...new Set(hunts.flatMap(({ found, seen }) => [...(found?.checkers ?? []), ...(seen?.checkers ?? [])])),
    ],
    shrunk,
  };
}

export function control(quarry: Quarry, { seeds, cpuSeconds, found }: Hunt): Control {
  const { name, workload } = quarry;
  const alarm = found && { seed: found.plan.seed, checkers: found.checkers };
  return { name: name === "" ? "no bug" : name, workload, seeds, cpuSeconds, alarm };
}

export function score(rows: readonly Row[]): Score {
  const bones = rows.flatMap(({ shrunk }) => shrunk ?? []);
  return {
    bugs: rows.length,
    always: rows.filter(({ found, starts }) => found === starts).length,
    mostly: rows.filter(({ found, starts }) => 2 * found > starts).length,
    mostlySeen: rows.filter(({ seen, starts }) => 2 * seen > starts).length,
    medianCpuSeconds: median(rows.map(({ cpuSeconds }) => cpuSeconds.median)),
    medianFaults: median(bones.map(({ faults }) => faults)),
    medianOperations: median(bones.map(({ operations }) => operations)),
  };
}

/** The lower of the two middle values of an even number; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
}

/**
 * Median and its interval by order statistics, which assumes nothing of the distribution: between the k-th smallest
 * and the k-th largest value lies the true median unless fewer than k values fell on one side of it, which a coin
 * decides for each (David & Nagaraja, Order Statistics, 3rd ed., section 7.1). With fewer than 6 values even the extremes promise less than 95 %.
 */
export function estimate(values: readonly number[]): Estimate {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const all = sorted.reduce((product) => 2 * product, 1);
  // Ways in which at most k of n fair coins show heads; twice that has to stay within 5 % of all.
  let k = 0;
  for (let ways = 1, tail = 1; 2 * tail <= 0.05 * all; k++) {
    ways = (ways * (n - k)) / (k + 1);
    tail += ways;
  }
  const rank = Math.max(0, k - 1);
  return {
    median: median(values),
    low: sorted[rank] ?? Number.NaN,
    high: sorted[n - 1 - rank] ?? Number.NaN,
  };
}
