/**
 * A counter: adds change it by an amount, reads give its value, and every read must lie between what it must
 * contain and what it may.
 *
 * An add acknowledged before the read began must be in it; one that failed, or began after the read had ended, must
 * not; every other may be. That gives an interval for each read, in O(n log n) for all. After Jepsen's counter
 * (jepsen/src/jepsen/checker.clj), with amounts of either sign. If all amounts are of one sign, the counter also
 * moves in one direction only, so a read must not fall behind one that ended before it began.
 */
import type { Checker } from "../src/checker.ts";
import type { History, OperationOf } from "../src/history/history.ts";
import { Findings, who } from "./findings.ts";
import { visitPrecedents } from "./precedence.ts";

export type CounterSignature = {
  /** The amount. */
  add: { in: number; out: null };
  read: { in: null; out: number };
};

type Add = OperationOf<CounterSignature, "add">;
type Read = OperationOf<CounterSignature, "read"> & { readonly type: "ok" };

export const counter: Checker<CounterSignature> = {
  name: "counter",
  check(history: History<CounterSignature>) {
    const findings = new Findings();
    // A failed add has no effect, and one of nothing cannot be told from none.
    const adds = history.byFunction("add").filter((add) => add.type !== "fail" && add.input !== 0);
    const reads = history.byFunction("read").filter((read) => read.type === "ok");
    const widest = judgeBounds(adds, reads, findings);
    if (adds.every((add) => add.input > 0)) judgeDirection(reads, 1, findings);
    else if (adds.every((add) => add.input < 0)) judgeDirection(reads, -1, findings);
    const acknowledged = adds.filter((add) => add.type === "ok").length;
    return findings.verdict("counter", reads.length, "reads", {
      doubt: acknowledged === 0 ? "no add succeeded, so no read could miss one" : undefined,
      evidence: { adds: acknowledged, unknown: adds.length - acknowledged, widestInterval: widest },
    });
  },
};

/** The sum of amounts of one sign, as it grows along the history. */
class Sum {
  readonly #adds: readonly Add[];
  readonly #at: (add: Add) => number;
  #next = 0;
  #sum = 0;

  /** Each of `adds` counts from the index `at` on. */
  constructor(adds: readonly Add[], at: (add: Add) => number) {
    this.#adds = [...adds].sort((a, b) => at(a) - at(b));
    this.#at = at;
  }

  /** What counts before `index`, which must not go back. */
  before(index: number): number {
    for (; this.#next < this.#adds.length; this.#next++) {
      const add = this.#adds[this.#next] as Add;
      if (this.#at(add) > index) break;
      this.#sum += add.input;
    }
    return this.#sum;
  }
}

/** Gives the width of the widest interval: how little the least certain read could show. */
function judgeBounds(adds: readonly Add[], reads: readonly Read[], findings: Findings): number {
  const rising = adds.filter((add) => add.input > 0);
  const falling = adds.filter((add) => add.input < 0);
  const acknowledged = (add: Add): number =>
    add.type === "ok" ? add.completeIndex : Number.POSITIVE_INFINITY;
  const attempted = (add: Add): number => add.invokeIndex;

  const certain = new Map<Read, { readonly low: number; readonly high: number }>();
  const risen = new Sum(rising, acknowledged);
  const fallen = new Sum(falling, acknowledged);
  for (const read of reads) {
    const { invokeIndex } = read;
    certain.set(read, { low: risen.before(invokeIndex), high: fallen.before(invokeIndex) });
  }

  const mayRise = new Sum(rising, attempted);
  const mayFall = new Sum(falling, attempted);
  let widest = 0;
  for (const read of [...reads].sort((a, b) => a.completeIndex - b.completeIndex)) {
    const { low, high } = certain.get(read) as { low: number; high: number };
    const least = low + mayFall.before(read.completeIndex);
    const most = high + mayRise.before(read.completeIndex);
    widest = Math.max(widest, most - least);
    if (read.output >= least && read.output <= most) continue;
    const short = read.output < least;
    findings.add(
      short ? "value below the bounds" : "value above the bounds",
      "counter: every read within its bounds",
      [read.invokeIndex, read.completeIndex],
      () =>
        short
          ? `${who(read)} read ${read.output}, but adds acknowledged before it began make at least ${least}.`
          : `${who(read)} read ${read.output}, but all adds tried before it ended make at most ${most}.`,
    );
  }
  return widest;
}

/** A counter that only rises (1) or only falls (-1) is never read behind an earlier read. */
function judgeDirection(reads: readonly Read[], direction: 1 | -1, findings: Findings): void {
  visitPrecedents(
    reads,
    (read) => read.output * direction,
    (read, earlier) => {
      if (read.output * direction >= earlier.output * direction) return;
      findings.add(
        "counter went back",
        "counter: linearizability",
        [earlier.completeIndex, read.invokeIndex, read.completeIndex],
        () =>
          `${who(earlier)} had read ${earlier.output} before ${who(read)} began a read that gave ${read.output}, yet the counter only ${direction > 0 ? "rises" : "falls"}.`,
      );
    },
  );
}
