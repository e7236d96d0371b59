/**
 * What a part of a generator gets to see: fewer threads, and chance of its own.
 *
 * Two parts asked in one context must not draw the same numbers, or a mix inside a mix would always agree with it.
 * So whoever asks several parts about one context gives each a scope with a label of its own.
 */
import type { Nanos, Process, Thread } from "../history/op.ts";
import type { Random } from "../runtime/random.ts";
import type { Context } from "./generator.ts";

class Scope implements Context {
  readonly time: Nanos;
  readonly threads: readonly Thread[];
  readonly free: readonly Thread[];
  readonly #outer: Context;
  readonly #label: string | number;
  #random: Random | undefined;

  constructor(outer: Context, label: string | number, threads: readonly Thread[], free: readonly Thread[]) {
    this.time = outer.time;
    this.threads = threads;
    this.free = free;
    this.#outer = outer;
    this.#label = label;
  }

  process(thread: Thread): Process {
    return this.#outer.process(thread);
  }

  thread(process: Process): Thread {
    return this.#outer.thread(process);
  }

  /** Forked when first asked for: most scopes never draw. */
  get random(): Random {
    this.#random ??= this.#outer.random.fork(this.#label);
    return this.#random;
  }
}

/** The same context with a stream of its own. */
export function scoped(context: Context, label: string | number): Context {
  return new Scope(context, label, context.threads, context.free);
}

/** The context of a part that may use only `threads`; `free` are the idle ones among them. Both are sorted. */
export function restricted(
  context: Context,
  label: string | number,
  threads: readonly Thread[],
  free: readonly Thread[],
): Context {
  return new Scope(context, label, threads, free);
}

/** Position of the first thread of a sorted list that is at least `thread`. */
export function lowerBound(threads: readonly Thread[], thread: Thread): number {
  let low = 0;
  let high = threads.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((threads[middle] as Thread) < thread) low = middle + 1;
    else high = middle;
  }
  return low;
}
