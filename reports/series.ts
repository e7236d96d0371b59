/** Operations as numbers over time: what the charts draw. Times in seconds, latencies in milliseconds. */
import type { Operation } from "../src/history/history.ts";
import type { Nanos } from "../src/history/op.ts";

export type Outcome = Operation["type"];
export const OUTCOMES: readonly Outcome[] = ["ok", "fail", "info"];

export interface LatencyPoint {
  readonly second: number;
  readonly ms: number;
  readonly type: Outcome;
}

/** Latency of each completed operation at the time of its invocation. */
export function latencies(operations: readonly Operation[]): LatencyPoint[] {
  const points: LatencyPoint[] = [];
  for (const { invokeTime, completeTime, type } of operations) {
    if (!Number.isFinite(completeTime)) continue;
    // Zero has no place on a logarithmic axis.
    points.push({ second: invokeTime / 1e9, ms: Math.max(0.001, (completeTime - invokeTime) / 1e6), type });
  }
  return points;
}

/**
 * At most `limit` of the points, in their order. Each slice of time keeps the slowest and the fastest of each
 * outcome, so that no extreme and no rare outcome is lost.
 */
export function sampled(points: readonly LatencyPoint[], limit: number): readonly LatencyPoint[] {
  if (points.length <= limit) return points;
  const slices = Math.max(1, Math.floor(limit / (2 * OUTCOMES.length)));
  const first = points.reduce((least, { second }) => Math.min(least, second), Number.POSITIVE_INFINITY);
  const last = points.reduce((most, { second }) => Math.max(most, second), 0);
  const width = (last - first) / slices || 1;
  const kept = new Map<string, { low: number; high: number }>();
  for (let i = 0; i < points.length; i++) {
    const { second, ms, type } = points[i] as LatencyPoint;
    const slice = Math.min(slices - 1, Math.floor((second - first) / width));
    const name = `${slice} ${type}`;
    const extremes = kept.get(name);
    if (extremes === undefined) kept.set(name, { low: i, high: i });
    else if (ms < (points[extremes.low] as LatencyPoint).ms) extremes.low = i;
    else if (ms > (points[extremes.high] as LatencyPoint).ms) extremes.high = i;
  }
  const chosen = new Set([...kept.values()].flatMap(({ low, high }) => [low, high]));
  return points.filter((_, i) => chosen.has(i));
}

export const QUANTILES = [
  { name: "median", q: 0.5 },
  { name: "95 %", q: 0.95 },
  { name: "99 %", q: 0.99 },
  { name: "slowest", q: 1 },
] as const;

/** A slice of time, half open. */
export interface Slice {
  readonly second: number;
  readonly until: number;
}

export interface Quantile extends Slice {
  readonly name: (typeof QUANTILES)[number]["name"];
  /** Null if nothing succeeded in the slice. */
  readonly ms: number | null;
}

/** Cuts [from, until) into equal slices, at most `most`, none shorter than half a second. */
export function slices(from: Nanos, until: Nanos, most: number): Slice[] {
  const start = from / 1e9;
  const length = Math.max(0, until / 1e9 - start);
  const count = Math.max(1, Math.min(most, Math.floor(length / 0.5)));
  const width = length / count;
  return Array.from({ length: count }, (_, i) => ({
    second: start + i * width,
    until: start + (i + 1) * width,
  }));
}

function sliceAt(all: readonly Slice[], second: number): number {
  const first = all[0] as Slice;
  const width = first.until - first.second || 1;
  return Math.max(0, Math.min(all.length - 1, Math.floor((second - first.second) / width)));
}

/** Quantiles of the latencies of successful operations, by slice. */
export function quantiles(points: readonly LatencyPoint[], all: readonly Slice[]): Quantile[] {
  const samples = all.map(() => [] as number[]);
  for (const { second, ms, type } of points) {
    if (type === "ok") (samples[sliceAt(all, second)] as number[]).push(ms);
  }
  return samples.flatMap((sample, i) => {
    sample.sort((a, b) => a - b);
    const slice = all[i] as Slice;
    return QUANTILES.map(({ name, q }) => ({
      ...slice,
      name,
      ms: sample[Math.max(0, Math.ceil(q * sample.length) - 1)] ?? null,
    }));
  });
}

export interface Rate extends Slice {
  readonly type: Outcome;
  /** Completions per second. */
  readonly rate: number;
}
export interface Availability extends Slice {
  /** Operations that succeeded, of all that completed in the slice, in percent. */
  readonly percent: number;
}

export function rates(
  operations: readonly Operation[],
  all: readonly Slice[],
): { readonly rates: Rate[]; readonly availability: Availability[] } {
  const counts = all.map(() => ({ ok: 0, fail: 0, info: 0 }));
  for (const { completeTime, type } of operations) {
    if (Number.isFinite(completeTime))
      (counts[sliceAt(all, completeTime / 1e9)] as { [type in Outcome]: number })[type]++;
  }
  return {
    rates: all.flatMap((slice, i) =>
      OUTCOMES.map((type) => ({
        ...slice,
        type,
        rate: (counts[i] as { [type in Outcome]: number })[type] / (slice.until - slice.second || 1),
      })),
    ),
    availability: all.flatMap((slice, i) => {
      const { ok, fail, info } = counts[i] as { [type in Outcome]: number };
      return ok + fail + info === 0 ? [] : [{ ...slice, percent: (100 * ok) / (ok + fail + info) }];
    }),
  };
}
