/** Anomalies as they are found. Thousands of one name may be: all are counted, and the first few can be told. */
import type { Json } from "../../src/history/op.ts";

/** Anomalies of one name that are told in words. */
const TOLD_PER_NAME = 5;

export interface Discovery {
  readonly name: string;
  /** Indexes of the events that prove it. */
  readonly witness: readonly number[];
  readonly explanation: string;
  /** Of a cycle: its transactions and what connects them. */
  readonly cycle?: Json;
}

export class Discoveries {
  readonly told: Discovery[] = [];
  readonly counts = new Map<string, number>();

  /** `tell` is called only if the anomaly is told. */
  add(name: string, tell: () => Omit<Discovery, "name">): void {
    const count = (this.counts.get(name) ?? 0) + 1;
    this.counts.set(name, count);
    if (count <= TOLD_PER_NAME) this.told.push({ name, ...tell() });
  }
}
