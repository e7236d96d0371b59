/**
 * The operations on one object as numbers: which value each one met, excluded or left behind, and when.
 *
 * A million operations fit in a few dozen megabytes, and algorithms over them need no objects. Only for models that
 * offer `access`, as these promise that values are all there is to their states.
 */
import type { Json } from "../../src/history/op.ts";
import type { Access, Model } from "./model.ts";
import { ValueNumbers } from "./value-numbers.ts";

/** No value. */
export const NONE = -1;
/** In place of the index of a completion, of a pending operation: after every event. */
export const NEVER = 0x7fffffff;
/** The number of the value that the object begins with. */
export const INITIAL = 0;

/** Indexes of the events of operations, by invocation. */
export interface Intervals {
  readonly invoked: Int32Array;
  /** `NEVER`: pending. */
  readonly completed: Int32Array;
}

export class Accesses implements Intervals {
  /** By operation: numbers of values, or `NONE`. */
  readonly reads: Int32Array;
  readonly writes: Int32Array;
  readonly excludes: Int32Array;
  readonly invoked: Int32Array;
  readonly completed: Int32Array;
  length = 0;
  /** How many values there are; they are numbered from 0. */
  values = 1;

  /** Of at most as many operations as there are intervals, which may be filled in later. */
  constructor({ invoked, completed }: Intervals) {
    this.invoked = invoked;
    this.completed = completed;
    this.reads = new Int32Array(invoked.length);
    this.writes = new Int32Array(invoked.length);
    this.excludes = new Int32Array(invoked.length);
  }

  /** The next operation by invocation, with the numbers of its values. */
  add(reads: number, writes: number, excludes: number): void {
    const at = this.length++;
    this.reads[at] = reads;
    this.writes[at] = writes;
    this.excludes[at] = excludes;
    this.values = Math.max(this.values, reads + 1, writes + 1, excludes + 1);
  }

  /** The same with room for twice as many. */
  enlarged(): Accesses {
    const larger = new Accesses(intervals(2 * this.reads.length));
    larger.reads.set(this.reads);
    larger.writes.set(this.writes);
    larger.excludes.set(this.excludes);
    larger.invoked.set(this.invoked);
    larger.completed.set(this.completed);
    larger.length = this.length;
    larger.values = this.values;
    return larger;
  }
}

/** Room for those of so many operations. */
export function intervals(capacity: number): Intervals {
  return { invoked: new Int32Array(capacity), completed: new Int32Array(capacity) };
}

/** Takes operations by invocation; the accesses are undefined once one of them has more to it than values. */
export class AccessReader<State, In, Out> {
  readonly #model: Model<State, In, Out>;
  readonly #numbers: ValueNumbers;
  accesses: Accesses | undefined;

  /** Of at most as many operations as there are intervals. */
  constructor(model: Model<State, In, Out>, intervals: Intervals) {
    this.#model = model;
    this.#numbers = new ValueNumbers(model.init as Json);
    if (model.access !== undefined) this.accesses = new Accesses(intervals);
  }

  /** The next operation, whose interval is known. */
  add(input: In, output: Out | undefined): void {
    const { accesses } = this;
    if (accesses === undefined) return;
    const pending = accesses.completed[accesses.length] === NEVER;
    const access = this.#accessOf(input, output, pending);
    if (access === undefined) this.accesses = undefined;
    else {
      const { reads, writes, excludes } = access;
      accesses.add(this.#numberOf(reads), this.#numberOf(writes), this.#numberOf(excludes));
    }
  }

  #numberOf(value: Json | undefined): number {
    return value === undefined ? NONE : this.#numbers.of(value);
  }

  /** Undefined if what it tells of values is not all it may do to the object. */
  #accessOf(input: In, output: Out | undefined, pending: boolean): Access | undefined {
    const access = this.#model.access?.(input, output);
    if (access === undefined) return undefined;
    const { reads, writes, excludes } = access;
    // A condition that was met or not: an answer would tell, and a pending operation can be left out if it was not.
    if (output === undefined && reads !== undefined && !pending) return undefined;
    if (excludes !== undefined && (reads !== undefined || writes !== undefined)) return undefined;
    const silent = reads === undefined && writes === undefined && excludes === undefined;
    return silent && !this.#model.observes?.(input, output) ? undefined : access;
  }
}
