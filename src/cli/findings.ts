/** Failing seeds by what failed: a thousand seeds that trip over one bug are one finding. */
import type { Failure } from "../shrink/failure.ts";
import type { SeedResult } from "./sweep-worker.ts";

export interface Finding {
  readonly failure: Failure;
  /** Seeds whose failure it is, in ascending order. */
  readonly seeds: readonly number[];
}

/** The findings of a sweep, the most frequent first. Each failing seed counts for one, its first. */
export function findings(results: readonly Pick<SeedResult, "seed" | "failure">[]): readonly Finding[] {
  const bySignature = new Map<string, { failure: Failure; seeds: number[] }>();
  for (const { seed, failure } of results) {
    if (failure === undefined) continue;
    const signature = `${failure.checker}: ${failure.anomaly}`;
    const known = bySignature.get(signature);
    if (known === undefined) bySignature.set(signature, { failure, seeds: [seed] });
    else known.seeds.push(seed);
  }
  for (const { seeds } of bySignature.values()) seeds.sort((a, b) => a - b);
  return [...bySignature.values()].sort(
    (a, b) => b.seeds.length - a.seeds.length || (a.seeds[0] as number) - (b.seeds[0] as number),
  );
}

/** A line. */
export function tellFinding({ failure: { checker, anomaly }, seeds }: Finding): string {
  const count = seeds.length === 1 ? "seed" : `${seeds.length} seeds, first`;
  return `  ${checker}: ${anomaly}  (${count} ${seeds[0]})\n`;
}
