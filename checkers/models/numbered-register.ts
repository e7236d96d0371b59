/** Operations on a register of numbers that stand for others. A million of them need no objects. */
import type { Json } from "../../src/history/op.ts";
import { Accesses, type Intervals, intervals, NEVER, NONE } from "../linearizable/accesses.ts";
import { type Action, type Called, PENDING } from "../linearizable/model.ts";
import type { ObjectHistory } from "../linearizable/object-history.ts";
import type { RegisterCall } from "./register.ts";

/** Values are numbers from 0, with which the register begins. */
export class NumberedRegister implements ObjectHistory<RegisterCall, Json> {
  accesses: Accesses;
  /** For each operation, the position of the one it stands for. */
  readonly positions: number[] = [];
  readonly #originals: ObjectHistory<unknown, unknown>;
  #actions: readonly Action<RegisterCall, Json>[] | undefined;

  constructor(originals: ObjectHistory<unknown, unknown>) {
    this.#originals = originals;
    this.accesses = new Accesses(intervals(originals.length));
  }

  get length(): number {
    return this.positions.length;
  }

  get intervals(): Intervals {
    return this.accesses;
  }

  /**
   * What the operation at position `original` is: a read, a write, or both: a compare-and-set; `NONE` stands for what
   * it does not do. `pending`: perhaps it did not.
   */
  add(original: number, reads: number, writes: number, pending = false): void {
    if (this.length === this.accesses.reads.length) this.accesses = this.accesses.enlarged();
    const { invoked, completed } = this.#originals.intervals;
    const at = this.accesses.length;
    this.accesses.invoked[at] = invoked[original] as number;
    this.accesses.completed[at] = pending ? NEVER : (completed[original] as number);
    this.accesses.add(reads, writes, NONE);
    this.positions.push(original);
  }

  called(position: number): Called<RegisterCall, Json> {
    const reads = this.accesses.reads[position] as number;
    const writes = this.accesses.writes[position] as number;
    const known = this.accesses.completed[position] !== NEVER;
    if (writes === NONE) {
      const output = known && reads !== NONE ? reads : undefined;
      return { input: { f: "read", value: null }, output };
    }
    if (reads === NONE) return { input: { f: "write", value: writes }, output: known ? null : undefined };
    return { input: { f: "cas", value: [reads, writes] }, output: known ? true : undefined };
  }

  action(position: number): Action<RegisterCall, Json> {
    const end = this.accesses.completed[position] as number;
    const original = this.#originals.action(this.positions[position] as number);
    return { ...original, ...this.called(position), completed: end === NEVER ? PENDING : end };
  }

  actions(): readonly Action<RegisterCall, Json>[] {
    this.#actions ??= this.positions.map((_, position) => this.action(position));
    return this.#actions;
  }
}
