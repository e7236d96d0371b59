/**
 * The contract of operation generators.
 *
 * A generator is an immutable value that answers "what should happen next?". It is asked often and most answers
 * are thrown away, so `next` must be pure: asked twice in the same context, it gives the same answer. Chance
 * comes from `context.random`, a stream that belongs to the number of events so far.
 */
import type { Call, Nanos, Op, Process, Signature, Thread } from "../history/op.ts";
import type { Random } from "../runtime/random.ts";

export interface Context {
  readonly time: Nanos;
  /** Threads this generator may use, nemesis included if it is offered; sorted. */
  readonly threads: readonly Thread[];
  /** Those of `threads` that are idle now; sorted. */
  readonly free: readonly Thread[];
  /** The process now running on a thread. */
  process(thread: Thread): Process;
  /** The thread that runs, or ran before it was retired, a process. */
  thread(process: Process): Thread;
  /** Same numbers whenever asked in the same context. Fork it by label before drawing. */
  readonly random: Random;
}

export type Step<S extends Signature = Signature> =
  /**
   * Start `call` on `thread` at `at`, which is `context.time` or lies ahead; afterwards go on with `rest`.
   * A step that lies ahead may be thrown away; asked again before `at`, the generator gives the same `at` unless
   * an event made it change its mind.
   */
  | {
      readonly kind: "op";
      readonly at: Nanos;
      readonly thread: Thread;
      readonly call: Call<S>;
      readonly rest: OpGenerator<S>;
    }
  /**
   * Nothing to do before `until`, or before the next event if it is missing. Unlike an op's, this `rest` is always
   * taken up: it is how a generator remembers when it was first asked. `until` may be now: then ask `rest` at once.
   */
  | { readonly kind: "wait"; readonly until?: Nanos; readonly rest: OpGenerator<S> }
  | { readonly kind: "done" };

export interface OpGenerator<S extends Signature = Signature> {
  /**
   * Nothing happens before this, whatever events say: until then `next` only waits for it and changes nothing, so
   * there is no need to ask. Most questions come while everything waits like this. Missing: one has to ask.
   */
  readonly due?: Nanos | undefined;
  next(context: Context): Step<S>;
  /** Told of every invocation and completion, its own and others'. */
  update(context: Context, event: Op<S>): OpGenerator<S>;
}
