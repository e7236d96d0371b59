/**
 * Who still needs a state, and who can still bring it about. For models that offer `access`; for others it knows
 * nothing, and forbids nothing.
 */
import type { Json } from "../../src/history/op.ts";
import type { Access, Action, Model } from "./model.ts";
import type { Timeline } from "./timeline.ts";
import type { Transitions } from "./transitions.ts";

export class Demand {
  /** The state that a required operation demands, that it leaves behind, that a pending one leaves behind; or -1. */
  readonly reads: Int32Array;
  readonly #writes: Int32Array;
  readonly #pendingWrites: Int32Array;
  /** 1 for pending operations that do the same in every state. */
  readonly blind: Uint8Array;
  /** By state: how many required operations not yet placed read it, how many operations not yet placed write it. */
  readonly #readers: Int32Array;
  readonly #writers: Int32Array;

  constructor(
    model: Model<unknown, unknown, unknown>,
    actions: readonly Action<unknown, unknown>[],
    { required, pending }: Timeline,
    transitions: Transitions<unknown, unknown, unknown>,
  ) {
    const accessOf = (position: number): Access => {
      const { input, output } = actions[position] as Action<unknown, unknown>;
      return model.access?.(input, output) ?? {};
    };
    const stateOf = (value: Json | undefined) => (value === undefined ? -1 : transitions.id(value));
    this.reads = new Int32Array(required.length);
    this.#writes = new Int32Array(required.length);
    required.forEach((position, i) => {
      const { reads, writes } = accessOf(position);
      // Of an unknown answer, `reads` is a condition and no demand.
      const demanded = (actions[position] as Action<unknown, unknown>).output !== undefined;
      this.reads[i] = stateOf(demanded ? reads : undefined);
      this.#writes[i] = stateOf(writes);
    });
    this.#pendingWrites = Int32Array.from(pending, (position) => stateOf(accessOf(position).writes));
    this.blind = Uint8Array.from(pending, (position) => {
      const { reads, writes } = accessOf(position);
      return reads === undefined && writes !== undefined ? 1 : 0;
    });
    this.#readers = new Int32Array(transitions.size);
    this.#writers = new Int32Array(transitions.size);
    for (const state of this.reads) count(this.#readers, state, 1);
    for (const state of this.#writes) count(this.#writers, state, 1);
    for (const state of this.#pendingWrites) count(this.#writers, state, 1);
  }

  /** A required operation is placed (-1), or taken back (1). */
  required(i: number, by: 1 | -1): void {
    count(this.#readers, this.reads[i] as number, by);
    count(this.#writers, this.#writes[i] as number, by);
  }

  pending(i: number, by: 1 | -1): void {
    count(this.#writers, this.#pendingWrites[i] as number, by);
  }

  /** True if leaving `state` leaves more than `leaver` readers of it behind for ever. */
  strands(state: number, leaver: number): boolean {
    return (
      state < this.#readers.length && this.#writers[state] === 0 && (this.#readers[state] as number) > leaver
    );
  }
}

function count(counts: Int32Array, state: number, by: number): void {
  if (state >= 0) counts[state] = (counts[state] as number) + by;
}
