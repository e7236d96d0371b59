/** Looking at generators while they run. */
import type { Op, Signature } from "../history/op.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";
import { empty, type Idle, lift, type Source, Wrapper } from "./source.ts";

/** Writes one line to `sink` when its turn comes, and ends. */
export function log(sink: (line: string) => void, message: string): Idle {
  const entry: Idle = {
    next(context) {
      sink(message);
      // A wait, because its rest is always taken up: the message is written once.
      return { kind: "wait", until: context.time, rest: empty };
    },
    update: () => entry,
  };
  return entry;
}

/** Writes every question, answer and event of `source` to `sink`, one line each: for finding out why it stalls. */
export function trace<S extends Signature>(
  sink: (line: string) => void,
  label: string,
  source: Source<S>,
): OpGenerator<S> {
  return new Trace(lift(source), sink, label);
}

class Trace<S extends Signature> extends Wrapper<S> {
  readonly #sink: (line: string) => void;
  readonly #label: string;

  constructor(inner: OpGenerator<S>, sink: (line: string) => void, label: string) {
    super(inner);
    this.#sink = sink;
    this.#label = label;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Trace(inner, this.#sink, this.#label);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(context);
    const { rest, ...answer } = { rest: undefined, ...step };
    this.#sink(`${this.#label} at ${context.time}, free [${context.free}]: ${JSON.stringify(answer)}`);
    return step.kind === "done" || rest === undefined ? { kind: "done" } : { ...step, rest: this.keep(rest) };
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    this.#sink(`${this.#label} at ${context.time}, event: ${JSON.stringify(event)}`);
    return super.update(context, event);
  }
}
