/** Operations on a register of numbers that stand for others. A million of them need no objects. */
import type { Json } from "../../src/history/op.ts";
import { Accesses, NEVER, NONE } from "../linearizable/accesses.ts";
import { type Action, PENDING } from "../linearizable/model.ts";
import type { ObjectHistory } from "../linearizable/object-history.ts";
import type { RegisterCall } from "./register.ts";

/** Values are numbers from 0, with which the register begins. */
export class NumberedRegister implements ObjectHistory<RegisterCall, Json> {
  accesses: Accesses;
  /** For each operation, the position of the action it stands for. */
  readonly positions: number[] = [];
  readonly #originals: readonly Action<unknown, unknown>[];
  #actions: readonly Action<RegisterCall, Json>[] | undefined;

  /** `originals` are by invocation. */
  constructor(originals: readonly Action<unknown, unknown>[]) {
    this.#originals = originals;
    this.accesses = new Accesses(originals.length);
  }

  get length(): number {
    return this.positions.length;
  }

  /** A read, a write, or both: a compare-and-set; `NONE` stands for what it does not do. */
  add(original: number, reads: number, writes: number, completed: number): void {
    if (this.length === this.accesses.reads.length) this.accesses = this.accesses.enlarged();
    const { invoked } = this.#originals[original] as Action<unknown, unknown>;
    this.accesses.add(reads, writes, NONE, invoked, completed);
    this.positions.push(original);
  }

  action(position: number): Action<RegisterCall, Json> {
    const reads = this.accesses.reads[position] as number;
    const writes = this.accesses.writes[position] as number;
    const known = this.accesses.completed[position] !== NEVER;
    const completed = known ? (this.accesses.completed[position] as number) : PENDING;
    const original = this.#originals[this.positions[position] as number] as Action<unknown, unknown>;
    const { invoked, process, node, revision } = original;
    const common = { invoked, completed, process, node, revision };
    if (writes === NONE) {
      const output = known && reads !== NONE ? reads : undefined;
      return { input: { f: "read", value: null }, output, ...common };
    }
    if (reads === NONE)
      return { input: { f: "write", value: writes }, output: known ? null : undefined, ...common };
    return { input: { f: "cas", value: [reads, writes] }, output: known ? true : undefined, ...common };
  }

  actions(): readonly Action<RegisterCall, Json>[] {
    this.#actions ??= this.positions.map((_, position) => this.action(position));
    return this.#actions;
  }
}
