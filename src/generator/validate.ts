/** Holds a generator to its contract: for those who write one of their own. */
import type { Nanos, Op, Signature } from "../history/op.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";
import { lift, type Source, Wrapper } from "./source.ts";

/** Thrown when a generator's answer breaks the contract of generator.ts. */
export class InvalidStep extends Error {
  override readonly name = "InvalidStep";
  readonly step: Step;
  constructor(step: Step, what: string) {
    const { rest: _, ...answer } = { rest: undefined, ...step };
    super(`${what}: ${JSON.stringify(answer)}`);
    this.step = step;
  }
}

/**
 * As `source`, but throws `InvalidStep` when an answer breaks the contract: an operation on a thread that is not
 * free, at a time that is past or no integer; a call without a function name; a wait until a time that is past; a
 * different answer to the same question; anything but waiting before it is due. Asks everything twice.
 */
export function validate<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return new Validate(lift(source));
}

class Validate<S extends Signature> extends Wrapper<S> {
  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Validate(inner);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(context);
    const fault = offence(step as Step, context);
    if (fault !== undefined) throw new InvalidStep(step as Step, fault);
    if (answerOf(step) !== answerOf(this.inner.next(context)))
      throw new InvalidStep(step as Step, "asked again in the same context, the answer was another");
    const { due } = this.inner;
    if (due !== undefined && due > context.time && !waits(step, due, this.inner))
      throw new InvalidStep(step as Step, `until ${due}, when it is due, it must wait and stay as it is`);
    return step.kind === "done" ? step : { ...step, rest: this.keep(step.rest) };
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    const inner: unknown = this.inner.update(context, event);
    if (typeof inner !== "object" || inner === null || !("next" in inner))
      throw new TypeError(`update gave ${String(inner)} instead of a generator`);
    return super.update(context, event);
  }
}

function waits<S extends Signature>(step: Step<S>, until: Nanos, self: OpGenerator<S>): boolean {
  return step.kind === "wait" && step.until === until && step.rest === self;
}

function answerOf<S extends Signature>(step: Step<S>): string {
  return JSON.stringify({ ...step, rest: undefined });
}

/** What is wrong with a step, or undefined. */
function offence(step: Step, context: Context): string | undefined {
  switch (step.kind) {
    case "done":
      return undefined;
    case "wait":
      if (step.until !== undefined && !(Number.isSafeInteger(step.until) && step.until >= context.time))
        return `the wait must end at an integer time of at least ${context.time}`;
      return undefined;
    case "op":
      if (!Number.isSafeInteger(step.at) || step.at < context.time)
        return `the operation must start at an integer time of at least ${context.time}`;
      if (!context.threads.includes(step.thread)) return `the thread is not one of [${context.threads}]`;
      if (!context.free.includes(step.thread)) return `the thread is not one of the free [${context.free}]`;
      if (typeof step.call.f !== "string" || step.call.value === undefined)
        return "the call must have a function name and a value";
      return undefined;
    default:
      return "the step is none of op, wait and done";
  }
}
