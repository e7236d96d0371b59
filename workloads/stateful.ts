/** Generators with a memory: what they ask next depends on what they asked and on what they heard. */

import type { Context, OpGenerator, Step } from "../src/generator/generator.ts";
import type { Call, Nanos, Op, Signature, Thread } from "../src/history/op.ts";
import type { Random } from "../src/runtime/random.ts";

/** The next call and the memory once it has been made; or the earliest time to ask again. */
export type Drawn<S extends Signature, Memory> =
  | { readonly call: Call<S>; readonly memory: Memory }
  | { readonly until: Nanos };

export interface Behaviour<S extends Signature, Memory> {
  /** Pure. `thread` is idle and will run the call. Undefined ends the generator. */
  draw(memory: Memory, thread: Thread, random: Random, context: Context): Drawn<S, Memory> | undefined;
  /** Pure. The memory after an event; the same object if nothing was learnt. */
  learn?(memory: Memory, event: Op<S>, context: Context): Memory;
}

/** Memory is immutable: `draw` and `learn` make new values, since most answers are thrown away. */
export function stateful<S extends Signature, Memory>(
  memory: Memory,
  behaviour: Behaviour<S, Memory>,
): OpGenerator<S> {
  return new Stateful(memory, behaviour);
}

class Stateful<S extends Signature, Memory> implements OpGenerator<S> {
  readonly #memory: Memory;
  readonly #behaviour: Behaviour<S, Memory>;

  constructor(memory: Memory, behaviour: Behaviour<S, Memory>) {
    this.#memory = memory;
    this.#behaviour = behaviour;
  }

  next(context: Context): Step<S> {
    if (context.free.length === 0) return { kind: "wait", rest: this };
    const random = context.random.fork("stateful");
    const thread = random.pick(context.free);
    const drawn = this.#behaviour.draw(this.#memory, thread, random, context);
    if (drawn === undefined) return { kind: "done" };
    if ("until" in drawn) return { kind: "wait", until: drawn.until, rest: this };
    const rest = new Stateful(drawn.memory, this.#behaviour);
    return { kind: "op", at: context.time, thread, call: drawn.call, rest };
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const memory = this.#behaviour.learn?.(this.#memory, event, context) ?? this.#memory;
    return memory === this.#memory ? this : new Stateful(memory, this.#behaviour);
  }
}
