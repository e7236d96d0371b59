/**
 * What a checker has found so far, and the verdict that follows from it.
 *
 * One broken promise often shows in thousands of places, so only the first few of each name are told in words;
 * all are counted.
 */
import type { Anomaly, Verdict } from "../src/checker.ts";
import type { Json, NodeId, Process } from "../src/history/op.ts";

/** Anomalies of one name that are told in words. */
const TOLD_PER_NAME = 5;

export class Findings {
  readonly anomalies: Anomaly[] = [];
  readonly #counts = new Map<string, number>();

  /** `explain` is called only if the anomaly is told. */
  add(name: string, guarantee: string, witness: readonly number[], explain: () => string): void {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    if (count > TOLD_PER_NAME) return;
    // An operation that never completed has no completion to show.
    const indexes = [...new Set(witness)].filter(Number.isFinite).sort((a, b) => a - b);
    this.anomalies.push({ name, guarantee, explanation: explain(), witness: indexes });
  }

  get none(): boolean {
    return this.anomalies.length === 0;
  }

  /** How often each anomaly was found, told or not. */
  get counts(): { readonly [name: string]: number } {
    return Object.fromEntries(this.#counts);
  }

  /**
   * Invalid if anything was found; else unknown if nothing was checked or `doubt` says why it is not sure;
   * else valid. `unit` is the plural of what `checked` counts.
   */
  verdict(
    checker: string,
    checked: number,
    unit: string,
    options: {
      readonly doubt?: string | undefined;
      readonly evidence?: { readonly [field: string]: Json };
    } = {},
  ): Verdict {
    const base = { checker, checked, anomalies: this.anomalies };
    const evidence = { ...options.evidence, ...(this.none ? {} : { anomalies: this.counts }) };
    if (!this.none) {
      const told = Object.entries(this.counts).map(([name, count]) => `${name} (${count})`);
      return {
        ...base,
        validity: "invalid",
        reason: `found ${told.join(", ")} in ${checked} ${unit}`,
        evidence,
      };
    }
    if (checked === 0)
      return { ...base, validity: "unknown", reason: `there were no ${unit} to check`, evidence };
    if (options.doubt !== undefined) return { ...base, validity: "unknown", reason: options.doubt, evidence };
    return { ...base, validity: "valid", reason: `nothing wrong with ${checked} ${unit}`, evidence };
  }
}

/** "process 3 on n2", or without the node if it is not known. */
export function who(actor: { readonly process: Process; readonly node: NodeId | undefined }): string {
  return actor.node === undefined ? `process ${actor.process}` : `process ${actor.process} on ${actor.node}`;
}
