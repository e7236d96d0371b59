/** A generator that has nothing left to chance: a list of calls, each with its time and its thread. */
import type { Call, Nanos, Signature, Thread } from "../history/op.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";

export interface TimedCall<S extends Signature = Signature> {
  readonly at: Nanos;
  readonly thread: Thread;
  readonly call: Call<S>;
}

/**
 * Starts each call at its time on its thread, or as soon afterwards as that thread is free. The calls of one thread
 * keep their order. Without a thread of its context a call is never made: keep them apart by `clients` or not at all.
 */
export function script<S extends Signature>(calls: readonly TimedCall<S>[]): OpGenerator<S> {
  return new Script([...calls].sort((a, b) => a.at - b.at));
}

class Script<S extends Signature> implements OpGenerator<S> {
  /** By time. */
  readonly #left: readonly TimedCall<S>[];

  constructor(left: readonly TimedCall<S>[]) {
    this.#left = left;
  }

  next(context: Context): Step<S> {
    const { time, free } = context;
    const position = this.#left.findIndex(({ thread }) => free.includes(thread));
    const first = this.#left[position];
    if (first === undefined) return this.#left.length === 0 ? { kind: "done" } : { kind: "wait", rest: this };
    const at = Math.max(time, first.at);
    return {
      kind: "op",
      at,
      thread: first.thread,
      call: first.call,
      rest: new Script(this.#left.toSpliced(position, 1)),
    };
  }

  update(): OpGenerator<S> {
    return this;
  }
}
