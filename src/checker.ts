/** A checker: a pure, synchronous judgement of a finished history. */
import type { Excerpt } from "./history/excerpt.ts";
import type { History } from "./history/history.ts";
import type { Json, Signature } from "./history/op.ts";

/** `unknown` is neither good nor bad: it was not, or could not be, checked. It never counts as valid. */
export type Validity = "valid" | "invalid" | "unknown";

/** One broken promise. */
export interface Anomaly {
  /** The literature's name: "stale read", "lost update", "split brain", "G1a", … */
  readonly name: string;
  /** The guarantee that does not hold: "linearizability", "watch: ordered", "mutual exclusion", … */
  readonly guarantee: string;
  /** One or two sentences in plain words that name processes, nodes, keys and values. */
  readonly explanation: string;
  /** Indexes of the events in the history that together prove it: as few as possible. */
  readonly witness: readonly number[];
}

export interface Verdict {
  readonly checker: string;
  readonly validity: Validity;
  /** One sentence: why. */
  readonly reason: string;
  /** Number of things looked at; 0 cannot be valid. */
  readonly checked: number;
  readonly anomalies: readonly Anomaly[];
  /** More for the report: counts, distributions, per-key verdicts. */
  readonly evidence?: Json;
}

/** Steps a search may take; the same verdict on every machine, unlike seconds. */
export class Budget {
  #left: number;
  readonly total: number;
  constructor(steps: number) {
    this.total = steps;
    this.#left = steps;
  }
  /** False once the steps are used up. */
  spend(steps = 1): boolean {
    this.#left -= steps;
    return this.#left >= 0;
  }
  get left(): number {
    return Math.max(0, this.#left);
  }
}

export interface Checker<S extends Signature = Signature> {
  readonly name: string;
  /**
   * What is wrong with the beginning of a history must be wrong with the whole: runs are judged while they go on,
   * and what is left of them when they are broken off.
   */
  check(history: History<S>, budget: Budget): Verdict;
}

/** A checker that judges parts of a history apart, so that other threads can help. */
export interface Divisible<S extends Signature = Signature> extends Checker<S> {
  /** Judges what takes few steps, about `patience` in all. */
  begin(history: History<S>, patience: number): Judgement;
  /** What is to be said about one object, within so many steps for each question about it: plain data. */
  settlement(history: History<S>, object: string, steps: number): unknown;
}

export function isDivisible<S extends Signature>(checker: Checker<S>): checker is Divisible<S> {
  return "begin" in checker;
}

/** A judgement that was begun, in which others may settle what is still open. */
export interface Judgement {
  /** How many questions there are in all. */
  readonly size: number;
  /** What takes long, the largest first. */
  readonly open: readonly OpenPart[];
  /** Takes what `Divisible.settlement` said. */
  settle(object: string, settlement: unknown): void;
  /** That of `Checker.check`, whatever others have settled or not. */
  verdict(budget: Budget): Verdict;
}

export interface OpenPart {
  readonly object: string;
  /** What happened to the object. */
  excerpt(): Excerpt;
}
