/** What every combinator accepts: anything that can be read as a generator. */
import type { Call, Nanos, Op, Signature } from "../history/op.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";

/**
 * - a call: that operation, once, on a random free thread;
 * - a list: its items one after another;
 * - a function of the context: asked again and again, each answer played to its end, until it gives undefined.
 *   It must be pure and take its chance from `context.random.fork(label)`;
 * - a generator.
 *
 * ```ts
 * const reads: Source<Register> = { f: "read", value: null };
 * const writes: Source<Register> = ({ random }) => ({ f: "write", value: random.fork("value").below(5) });
 * ```
 */
export type Source<S extends Signature = Signature> =
  | Call<S>
  | readonly Source<S>[]
  | ((context: Context) => Source<S> | undefined)
  | OpGenerator<S>;

/** A generator that starts no operations, whatever the signature: it only waits, or ends. */
export interface Idle {
  readonly due?: Nanos;
  next(
    context: Context,
  ): { readonly kind: "done" } | { readonly kind: "wait"; readonly until?: Nanos; readonly rest: Idle };
  update(): Idle;
}

/** The generator that has nothing to do. */
export const empty: Idle = {
  next: () => ({ kind: "done" }),
  update: () => empty,
};

/** Reads a source as a generator; a generator is returned as it is. */
export function lift<S extends Signature>(source: Source<S>): OpGenerator<S> {
  if (typeof source === "function") return new Calling(source);
  if (Array.isArray(source)) return new Sequence(source as readonly Source<S>[], 0, empty);
  if ("next" in source) return source as OpGenerator<S>;
  return new Literal(source as Call<S>);
}

/** The items one after another; each starts as soon as the one before has nothing left to start. */
export function concat<S extends Signature>(...items: readonly Source<S>[]): OpGenerator<S> {
  return new Sequence(items, 0, empty);
}

/** Starts `call` now on a random free thread, or waits for one. Random, so that slow threads get their share. */
export function start<S extends Signature>(
  context: Context,
  call: Call<S>,
  rest: OpGenerator<S>,
  self: OpGenerator<S>,
): Step<S> {
  const { free } = context;
  if (free.length === 0) return { kind: "wait", rest: self };
  const chosen = free.length === 1 ? 0 : context.random.fork("thread").below(free.length);
  return { kind: "op", at: context.time, thread: free[chosen] as number, call, rest };
}

class Literal<S extends Signature> implements OpGenerator<S> {
  readonly #call: Call<S>;

  constructor(call: Call<S>) {
    this.#call = call;
  }

  next(context: Context): Step<S> {
    return start(context, this.#call, empty, this);
  }

  update(): OpGenerator<S> {
    return this;
  }
}

class Calling<S extends Signature> implements OpGenerator<S> {
  readonly #ask: (context: Context) => Source<S> | undefined;

  constructor(ask: (context: Context) => Source<S> | undefined) {
    this.#ask = ask;
  }

  next(context: Context): Step<S> {
    if (context.free.length === 0) return { kind: "wait", rest: this };
    const answer = this.#ask(context);
    if (answer === undefined) return { kind: "done" };
    if (typeof answer !== "function" && "f" in answer) return start(context, answer as Call<S>, this, this);
    const step = lift(answer).next(context);
    if (step.kind === "done") return step;
    return followedBy(step, new Sequence<S>([this], 0, step.rest));
  }

  update(): OpGenerator<S> {
    return this;
  }
}

class Sequence<S extends Signature> implements OpGenerator<S> {
  readonly #items: readonly Source<S>[];
  /** The first item not yet begun. */
  readonly #index: number;
  readonly #current: OpGenerator<S>;

  constructor(items: readonly Source<S>[], index: number, current: OpGenerator<S>) {
    this.#items = items;
    this.#index = index;
    this.#current = current;
  }

  next(context: Context): Step<S> {
    let index = this.#index;
    let current = this.#current;
    for (;;) {
      const step = current.next(context);
      if (step.kind !== "done") {
        const same = index === this.#index && step.rest === this.#current;
        // The last item needs no sequence around it.
        const rest = index === this.#items.length ? step.rest : undefined;
        return followedBy(step, rest ?? (same ? this : new Sequence(this.#items, index, step.rest)));
      }
      if (index === this.#items.length) return step;
      current = lift(this.#items[index++] as Source<S>);
    }
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const current = this.#current.update(context, event);
    return current === this.#current ? this : new Sequence(this.#items, this.#index, current);
  }
}

/** The same step, but with other things to follow. Field by field, as a spread would cost more than the rest. */
export function followedBy<S extends Signature>(
  step: Exclude<Step<S>, { readonly kind: "done" }>,
  rest: OpGenerator<S>,
): Step<S> {
  if (rest === step.rest) return step;
  if (step.kind === "op") return { kind: "op", at: step.at, thread: step.thread, call: step.call, rest };
  return step.until === undefined ? { kind: "wait", rest } : { kind: "wait", until: step.until, rest };
}

/** A generator around another: changes its answers, or keeps something in mind beside it. */
export abstract class Wrapper<S extends Signature> implements OpGenerator<S> {
  protected readonly inner: OpGenerator<S>;

  constructor(inner: OpGenerator<S>) {
    this.inner = inner;
  }

  /** The same wrapper around another state of the inner generator. */
  protected abstract around(inner: OpGenerator<S>): OpGenerator<S>;

  abstract next(context: Context): Step<S>;

  update(context: Context, event: Op<S>): OpGenerator<S> {
    return this.keep(this.inner.update(context, event));
  }

  /** `around`, without making a new object when nothing changed. */
  protected keep(inner: OpGenerator<S>): OpGenerator<S> {
    return inner === this.inner ? this : this.around(inner);
  }
}
