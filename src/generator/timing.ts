/**
 * When operations start. All times are nanoseconds; what is asked for early is answered with a wait, never with an
 * operation that lies ahead, so a change of mind costs nothing.
 */
import type { Nanos, Op, Signature } from "../history/op.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";
import { empty, followedBy, type Idle, lift, type Source, Wrapper } from "./source.ts";

function checkDuration(what: string, duration: Nanos): void {
  if (!(duration >= 0) || duration === Number.POSITIVE_INFINITY)
    throw new RangeError(`${what} takes a duration of at least 0 nanoseconds, not ${duration}`);
}

/**
 * Starts nothing `duration` or more after it was first asked, and ends then, even while its source waits.
 * Operations under way are left to end.
 *
 * ```ts
 * timeLimit(60 * SECOND, mix(reads, writes))
 * ```
 */
export function timeLimit<S extends Signature>(duration: Nanos, source: Source<S>): OpGenerator<S> {
  checkDuration("timeLimit", duration);
  return new TimeLimit(lift(source), Math.round(duration), undefined);
}

class TimeLimit<S extends Signature> extends Wrapper<S> {
  readonly #duration: Nanos;
  /** Known once it was first asked. */
  readonly #deadline: Nanos | undefined;
  readonly due: Nanos | undefined;

  constructor(inner: OpGenerator<S>, duration: Nanos, deadline: Nanos | undefined) {
    super(inner);
    this.#duration = duration;
    this.#deadline = deadline;
    if (deadline !== undefined && inner.due !== undefined) this.due = Math.min(deadline, inner.due);
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new TimeLimit(inner, this.#duration, this.#deadline);
  }

  next(context: Context): Step<S> {
    const deadline = this.#deadline ?? context.time + this.#duration;
    if (context.time >= deadline) return { kind: "done" };
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    if (step.kind === "op" && step.at <= context.time)
      return followedBy(step, this.#with(step.rest, deadline));
    // A wait even for an operation that lies ahead: thrown away, it would take the deadline with it.
    const until = Math.min(deadline, (step.kind === "op" ? step.at : step.until) ?? deadline);
    const inner = step.kind === "op" ? this.inner : step.rest;
    return { kind: "wait", until, rest: this.#with(inner, deadline) };
  }

  #with(inner: OpGenerator<S>, deadline: Nanos): OpGenerator<S> {
    if (inner === this.inner && deadline === this.#deadline) return this;
    return new TimeLimit(inner, this.#duration, deadline);
  }
}

/**
 * Operations at random, `mean` apart on average over all threads together: after each, a gap drawn uniformly from
 * [0, 2 mean]. The first comes at once. Irregular gaps find more interleavings than a beat would; a source or
 * threads that cannot keep up make it slower, and it does not catch up.
 *
 * ```ts
 * stagger(SECOND / 50, load) // about 50 operations per second, however many threads there are
 * ```
 */
export function stagger<S extends Signature>(mean: Nanos, source: Source<S>): OpGenerator<S> {
  checkDuration("stagger", mean);
  const spread = Math.round(2 * mean) + 1;
  return new Spaced(lift(source), (context) => context.random.fork("stagger").below(spread), 0);
}

/**
 * Operations exactly `gap` apart, the first at once; later if the source or the threads are not ready, never
 * earlier.
 */
export function delay<S extends Signature>(gap: Nanos, source: Source<S>): OpGenerator<S> {
  checkDuration("delay", gap);
  const rounded = Math.round(gap);
  return new Spaced(lift(source), () => rounded, 0);
}

class Spaced<S extends Signature> extends Wrapper<S> {
  readonly #gap: (context: Context) => Nanos;
  /** The source is not asked before. */
  readonly due: Nanos;

  constructor(inner: OpGenerator<S>, gap: (context: Context) => Nanos, due: Nanos) {
    super(inner);
    this.#gap = gap;
    this.due = due;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Spaced(inner, this.#gap, this.due);
  }

  next(context: Context): Step<S> {
    if (context.time < this.due) return { kind: "wait", until: this.due, rest: this };
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    if (step.kind === "wait") return followedBy(step, this.keep(step.rest));
    return followedBy(step, new Spaced(step.rest, this.#gap, step.at + this.#gap(context)));
  }
}

/** Nothing before `time`, counted from the start of the run; then `source`. */
export function delayUntil<S extends Signature>(time: Nanos, source: Source<S>): OpGenerator<S> {
  checkDuration("delayUntil", time);
  return new DelayUntil(lift(source), Math.round(time));
}

class DelayUntil<S extends Signature> extends Wrapper<S> {
  readonly due: Nanos;

  constructor(inner: OpGenerator<S>, due: Nanos) {
    super(inner);
    this.due = due;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new DelayUntil(inner, this.due);
  }

  next(context: Context): Step<S> {
    if (context.time < this.due) return { kind: "wait", until: this.due, rest: this };
    return this.inner.next(context);
  }
}

/**
 * Starts nothing for `duration` from when it is first asked, then ends. Uses no thread.
 *
 * ```ts
 * cycle([sleep(5 * SECOND), { f: "start-kill", value: null }, sleep(5 * SECOND), { f: "heal-kill", value: null }])
 * ```
 */
export function sleep(duration: Nanos): Idle {
  checkDuration("sleep", duration);
  const asleep: Idle = {
    next: ({ time }) => ({
      kind: "wait",
      until: time + Math.round(duration),
      rest: nap(time + Math.round(duration)),
    }),
    update: () => asleep,
  };
  return asleep;
}

function nap(until: Nanos): Idle {
  const asleep: Idle = {
    due: until,
    next: ({ time }) => (time < until ? { kind: "wait", until, rest: asleep } : { kind: "done" }),
    update: () => asleep,
  };
  return asleep;
}

/**
 * Sources taking turns by the clock, each for its own duration, for ever; each goes on where its last turn ended.
 * One that has ended leaves its turns empty; when all have, so does this.
 *
 * ```ts
 * cycleTimes([5 * SECOND, writes], [10 * SECOND, reads])
 * ```
 */
export function cycleTimes<S extends Signature>(
  ...turns: readonly (readonly [duration: Nanos, source: Source<S>])[]
): OpGenerator<S> {
  for (const [duration] of turns) checkDuration("cycleTimes", duration);
  const durations = turns.map(([duration]) => Math.round(duration));
  if (durations.every((duration) => duration === 0))
    throw new RangeError("cycleTimes needs a turn longer than 0");
  return new CycleTimes(
    turns.map(([, source]) => lift(source)),
    durations,
    undefined,
  );
}

class CycleTimes<S extends Signature> implements OpGenerator<S> {
  readonly #sources: readonly OpGenerator<S>[];
  readonly #durations: readonly Nanos[];
  /** When the first turn began; known once it was first asked. */
  readonly #start: Nanos | undefined;

  constructor(sources: readonly OpGenerator<S>[], durations: readonly Nanos[], start: Nanos | undefined) {
    this.#sources = sources;
    this.#durations = durations;
    this.#start = start;
  }

  next(context: Context): Step<S> {
    const { time } = context;
    const start = this.#start ?? time;
    const period = this.#durations.reduce((sum, duration) => sum + duration, 0);
    let end = time - ((time - start) % period);
    let turn = -1;
    do end += this.#durations[++turn] as Nanos;
    while (end <= time);
    const source = this.#sources[turn] as OpGenerator<S>;
    const step = source.next(context);
    if (step.kind === "op" && step.at <= time) return followedBy(step, this.#with(turn, step.rest, start));
    if (step.kind === "done") {
      if (this.#sources.every((other, i) => other === empty || i === turn)) return step;
      return { kind: "wait", until: end, rest: this.#with(turn, empty, start) };
    }
    const until = Math.min(end, (step.kind === "op" ? step.at : step.until) ?? end);
    return { kind: "wait", until, rest: this.#with(turn, step.kind === "op" ? source : step.rest, start) };
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    let changed: CycleTimes<S> = this;
    for (let i = 0; i < this.#sources.length; i++)
      changed = changed.#with(i, (this.#sources[i] as OpGenerator<S>).update(context, event), this.#start);
    return changed;
  }

  #with(turn: number, source: OpGenerator<S>, start: Nanos | undefined): CycleTimes<S> {
    if (source === this.#sources[turn] && start === this.#start) return this;
    return new CycleTimes(this.#sources.with(turn, source), this.#durations, start);
  }
}

/** An operation of `a`, one of `b`, one of `a`, and so on; ends when the one whose turn it is has ended. */
export function flipFlop<S extends Signature>(a: Source<S>, b: Source<S>): OpGenerator<S> {
  return new FlipFlop(lift(a), lift(b));
}

class FlipFlop<S extends Signature> extends Wrapper<S> {
  /** Whose turn is next; `inner` has the turn now. */
  readonly #other: OpGenerator<S>;

  constructor(inner: OpGenerator<S>, other: OpGenerator<S>) {
    super(inner);
    this.#other = other;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new FlipFlop(inner, this.#other);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    if (step.kind === "wait") return followedBy(step, this.keep(step.rest));
    return followedBy(step, new FlipFlop(this.#other, step.rest));
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    const inner = this.inner.update(context, event);
    const other = this.#other.update(context, event);
    return inner === this.inner && other === this.#other ? this : new FlipFlop(inner, other);
  }
}
