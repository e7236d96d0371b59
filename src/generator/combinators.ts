/**
 * Which operations, how many, in which order. Time is in timing.ts, threads in threads.ts, keys in independent.ts.
 *
 * Generators are values: every combinator returns a new one and leaves its arguments alone, so a generator can be
 * used twice and each use starts from the beginning. Settings come first, the wrapped source last.
 */
import type { Call, FunctionName, Nanos, Op, Process, Signature, Thread } from "../history/op.ts";
import type { Random } from "../runtime/random.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";
import { Race } from "./race.ts";
import { restricted, scoped } from "./scope.ts";
import { empty, followedBy, lift, type Source, Wrapper } from "./source.ts";

export { concat, empty, type Idle, lift, type Source } from "./source.ts";

function checkCount(what: string, count: number): void {
  if (!Number.isSafeInteger(count) || count < 0)
    throw new RangeError(`${what} takes a whole number of at least 0, not ${count}`);
}

/**
 * At most `count` operations of `source`, then done.
 *
 * ```ts
 * limit(100, mix(reads, writes)) // a hundred operations in all
 * ```
 */
export function limit<S extends Signature>(count: number, source: Source<S>): OpGenerator<S> {
  checkCount("limit", count);
  return new Limit(lift(source), count);
}

class Limit<S extends Signature> extends Wrapper<S> {
  readonly #left: number;

  constructor(inner: OpGenerator<S>, left: number) {
    super(inner);
    this.#left = left;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Limit(inner, this.#left);
  }

  next(context: Context): Step<S> {
    if (this.#left === 0) return { kind: "done" };
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    if (step.kind === "wait") return followedBy(step, this.keep(step.rest));
    return followedBy(step, this.#left === 1 ? empty : new Limit(step.rest, this.#left - 1));
  }
}

/** Only the first operation of `source`. */
export function once<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return limit(1, source);
}

/**
 * The first operation of `source` again and again, for ever: the source never moves on. To play a source to its
 * end and then again, use `cycle`.
 *
 * ```ts
 * repeat({ f: "read", value: null }) // reads without end
 * ```
 */
export function repeat<S extends Signature>(source: Source<S>): OpGenerator<S> {
  const start = lift(source);
  return new Repeat(start, start);
}

class Repeat<S extends Signature> extends Wrapper<S> {
  readonly #start: OpGenerator<S>;

  constructor(inner: OpGenerator<S>, start: OpGenerator<S>) {
    super(inner);
    this.#start = start;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Repeat(inner, this.#start);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    // What it learnt while waiting for this operation is forgotten with it: the next one starts afresh.
    return followedBy(step, this.keep(step.kind === "op" ? this.#start : step.rest));
  }
}

/**
 * Plays `source` to its end, then again from the start, for ever. Ends only if a whole round is empty.
 *
 * ```ts
 * cycle([{ f: "acquire", value: null }, { f: "release", value: null }])
 * ```
 */
export function cycle<S extends Signature>(source: Source<S>): OpGenerator<S> {
  const start = lift(source);
  return new Cycle(start, start);
}

class Cycle<S extends Signature> extends Wrapper<S> {
  readonly #start: OpGenerator<S>;

  constructor(inner: OpGenerator<S>, start: OpGenerator<S>) {
    super(inner);
    this.#start = start;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Cycle(inner, this.#start);
  }

  next(context: Context): Step<S> {
    let step = this.inner.next(context);
    if (step.kind === "done" && this.inner !== this.#start) step = this.#start.next(context);
    return step.kind === "done" ? step : followedBy(step, this.keep(step.rest));
  }
}

/**
 * One of the sources for each operation, all equally likely; one that has ended is drawn no more. If the source
 * drawn cannot start at once, another that can goes first: a branch that waits never holds up the rest. The price
 * is that shares are only as drawn while every branch is ready.
 *
 * ```ts
 * mix(reads, writes, compareAndSets)
 * ```
 */
export function mix<S extends Signature>(...sources: readonly Source<S>[]): OpGenerator<S> {
  return new Mix(
    sources.map(lift<S>),
    sources.map(() => 1),
  );
}

/**
 * `mix`, with shares: [3, reads], [1, writes] reads three times as often as it writes. Weights are whole numbers.
 */
export function weightedMix<S extends Signature>(
  ...branches: readonly (readonly [weight: number, source: Source<S>])[]
): OpGenerator<S> {
  for (const [weight] of branches) checkCount("a weight", weight);
  const drawn = branches.filter(([weight]) => weight > 0);
  return new Mix(
    drawn.map(([, source]) => lift(source)),
    drawn.map(([weight]) => weight),
  );
}

class Mix<S extends Signature> implements OpGenerator<S> {
  readonly #branches: readonly OpGenerator<S>[];
  readonly #weights: readonly number[];

  constructor(branches: readonly OpGenerator<S>[], weights: readonly number[]) {
    this.#branches = branches;
    this.#weights = weights;
  }

  next(context: Context): Step<S> {
    if (context.free.length === 0) return { kind: "wait", rest: this };
    const random = context.random.fork("mix");
    const race = new Race(this.#branches);
    const drawn = this.#draw(random);
    if (drawn < 0) return { kind: "done" };
    if (race.ask(drawn, scoped(context, drawn)) !== "op") {
      const count = this.#branches.length;
      const offset = random.below(count);
      for (let i = 0; i < count; i++) {
        const other = (offset + i) % count;
        if (other !== drawn && race.ask(other, scoped(context, other)) === "op") break;
      }
    }
    return race.over ? { kind: "done" } : race.step(this, (branches) => new Mix(branches, this.#weights));
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const branches = updateAll(this.#branches, context, event);
    return branches === this.#branches ? this : new Mix(branches, this.#weights);
  }

  /** A branch that has not ended, by weight; -1 if there is none. */
  #draw(random: Random): number {
    let total = 0;
    for (let i = 0; i < this.#branches.length; i++)
      if (this.#branches[i] !== empty) total += this.#weights[i] as number;
    if (total === 0) return -1;
    let left = random.below(total);
    let drawn = -1;
    do {
      drawn++;
      if (this.#branches[drawn] !== empty) left -= this.#weights[drawn] as number;
    } while (left >= 0);
    return drawn;
  }
}

/** All branches after an event; the same list if none changed. */
function updateAll<S extends Signature>(
  branches: readonly OpGenerator<S>[],
  context: Context,
  event: Op<S>,
): readonly OpGenerator<S>[] {
  let changed: OpGenerator<S>[] | undefined;
  for (let i = 0; i < branches.length; i++) {
    const before = branches[i] as OpGenerator<S>;
    const after = before.update(context, event);
    if (after === before) continue;
    changed ??= branches.slice();
    changed[i] = after;
  }
  return changed ?? branches;
}

/**
 * Whichever source is ready first; among several, a random one. Ends when all have ended. Unlike `mix` it makes no
 * attempt at shares: a source that is always ready leaves little to the others on the same threads.
 *
 * ```ts
 * any(clients(load), nemesis(faults)) // the two never wait for each other
 * ```
 */
export function any<S extends Signature>(...sources: readonly Source<S>[]): OpGenerator<S> {
  return new Any(sources.map(lift<S>));
}

class Any<S extends Signature> implements OpGenerator<S> {
  readonly #branches: readonly OpGenerator<S>[];
  readonly due: Nanos | undefined;

  constructor(branches: readonly OpGenerator<S>[]) {
    this.#branches = branches;
    this.due = earliest(branches);
  }

  next(context: Context): Step<S> {
    const race = new Race(this.#branches, () => context.random.fork("any"));
    // All are asked, although only one wins: a branch that waits must know since when.
    for (let i = 0; i < this.#branches.length; i++)
      if (!race.sleeps(i, context.time)) race.ask(i, scoped(context, i));
    return race.over ? { kind: "done" } : race.step(this, (branches) => new Any(branches));
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const branches = updateAll(this.#branches, context, event);
    return branches === this.#branches ? this : new Any(branches);
  }
}

/** When the first of the branches that have not ended is due; undefined if one of them has to be asked. */
function earliest<S extends Signature>(branches: readonly OpGenerator<S>[]): Nanos | undefined {
  let due: Nanos | undefined;
  for (const branch of branches) {
    if (branch === empty) continue;
    if (branch.due === undefined) return undefined;
    if (due === undefined || branch.due < due) due = branch.due;
  }
  return due;
}

/** Waits until every thread it may use is idle, then goes on as `source`. */
export function synchronize<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return new Synchronize(lift(source));
}

class Synchronize<S extends Signature> extends Wrapper<S> {
  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Synchronize(inner);
  }

  next(context: Context): Step<S> {
    if (context.free.length < context.threads.length) return { kind: "wait", rest: this };
    return this.inner.next(context);
  }
}

/**
 * One source after another, and between them a pause until every operation has ended. Later phases hear of all
 * events from the start, so a last phase can read what the first one touched; `concat` tells only the current item.
 *
 * ```ts
 * phases(limit(1000, writes), eachThread({ f: "read", value: null }))
 * ```
 */
export function phases<S extends Signature>(...sources: readonly Source<S>[]): OpGenerator<S> {
  return new Phases(sources.map((source, i) => (i === 0 ? lift(source) : synchronize(source))));
}

class Phases<S extends Signature> implements OpGenerator<S> {
  readonly #phases: readonly OpGenerator<S>[];

  constructor(remaining: readonly OpGenerator<S>[]) {
    this.#phases = remaining;
  }

  next(context: Context): Step<S> {
    for (let i = 0; i < this.#phases.length; i++) {
      const phase = this.#phases[i] as OpGenerator<S>;
      const step = phase.next(context);
      if (step.kind === "done") continue;
      if (i === 0 && step.rest === phase) return followedBy(step, this);
      return followedBy(step, new Phases([step.rest, ...this.#phases.slice(i + 1)]));
    }
    return { kind: "done" };
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const remaining = updateAll(this.#phases, context, event);
    return remaining === this.#phases ? this : new Phases(remaining);
  }
}

/**
 * Operations of at most `count` different processes. A thread whose operation ends as `info` goes on as a new
 * process, and each adds possibilities a checker must consider: this bounds them. Once `count` processes have
 * worked, only those go on; it ends when they are retired, or when all is idle and none of them has more to do.
 */
export function processLimit<S extends Signature>(count: number, source: Source<S>): OpGenerator<S> {
  checkCount("processLimit", count);
  return new ProcessLimit(lift(source), count, new Set());
}

class ProcessLimit<S extends Signature> extends Wrapper<S> {
  readonly #count: number;
  readonly #used: ReadonlySet<Process>;

  constructor(inner: OpGenerator<S>, count: number, used: ReadonlySet<Process>) {
    super(inner);
    this.#count = count;
    this.#used = used;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new ProcessLimit(inner, this.#count, this.#used);
  }

  next(context: Context): Step<S> {
    if (this.#used.size >= this.#count) return this.#nextOfVeterans(context);
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    const process = step.kind === "op" ? context.process(step.thread) : undefined;
    if (process === undefined || this.#used.has(process)) return followedBy(step, this.keep(step.rest));
    return followedBy(step, new ProcessLimit(step.rest, this.#count, new Set(this.#used).add(process)));
  }

  /** The other threads look busy rather than absent, so that what is reserved inside stays with its threads. */
  #nextOfVeterans(context: Context): Step<S> {
    const { threads, free } = context;
    const used = (thread: Thread) => this.#used.has(context.process(thread));
    if (!threads.some(used)) return { kind: "done" };
    const step = this.inner.next(restricted(context, "veterans", threads, free.filter(used)));
    if (step.kind === "done") return step;
    const stuck = step.kind === "wait" && step.until === undefined;
    if (stuck && free.length === threads.length) return { kind: "done" };
    return followedBy(step, this.keep(step.rest));
  }
}

/** At most `count` operations of `source` under way at any time. */
export function concurrencyLimit<S extends Signature>(count: number, source: Source<S>): OpGenerator<S> {
  checkCount("concurrencyLimit", count);
  return new ConcurrencyLimit(lift(source), count, []);
}

class ConcurrencyLimit<S extends Signature> extends Wrapper<S> {
  readonly #count: number;
  readonly #underWay: readonly Process[];

  constructor(inner: OpGenerator<S>, count: number, underWay: readonly Process[]) {
    super(inner);
    this.#count = count;
    this.#underWay = underWay;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new ConcurrencyLimit(inner, this.#count, this.#underWay);
  }

  next(context: Context): Step<S> {
    if (this.#count === 0) return { kind: "done" };
    if (this.#underWay.length >= this.#count) return { kind: "wait", rest: this };
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    if (step.kind === "wait") return followedBy(step, this.keep(step.rest));
    const underWay = [...this.#underWay, context.process(step.thread)];
    return followedBy(step, new ConcurrencyLimit(step.rest, this.#count, underWay));
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    const inner = this.inner.update(context, event);
    const ended = event.type === "invoke" ? -1 : this.#underWay.indexOf(event.process);
    if (ended < 0) return this.keep(inner);
    return new ConcurrencyLimit(inner, this.#count, this.#underWay.toSpliced(ended, 1));
  }
}

/**
 * Goes on until one of its own operations ends as `ok`. Operations of others do not count, and those of its own
 * still under way at that moment are left to end as they will.
 *
 * ```ts
 * untilOk(repeat({ f: "create", value: null })) // tries again until it worked
 * ```
 */
export function untilOk<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return new UntilOk(lift(source), []);
}

class UntilOk<S extends Signature> extends Wrapper<S> {
  readonly #underWay: readonly Process[];

  constructor(inner: OpGenerator<S>, underWay: readonly Process[]) {
    super(inner);
    this.#underWay = underWay;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new UntilOk(inner, this.#underWay);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    if (step.kind === "wait") return followedBy(step, this.keep(step.rest));
    return followedBy(step, new UntilOk(step.rest, [...this.#underWay, context.process(step.thread)]));
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    const inner = this.inner.update(context, event);
    const ended = event.type === "invoke" ? -1 : this.#underWay.indexOf(event.process);
    if (ended < 0) return this.keep(inner);
    return event.type === "ok" ? empty : new UntilOk(inner, this.#underWay.toSpliced(ended, 1));
  }
}

/**
 * Hears every event and may change course: after each, `react` gets the generator as it would go on by itself and
 * returns what is to go on instead. Return `current` to carry on (and go on listening); anything else replaces it.
 *
 * ```ts
 * // Reads until somebody's write has succeeded, then stops.
 * onUpdate((current, event) => (event.type === "ok" && event.f === "write" ? empty : current), repeat(read))
 * ```
 */
export function onUpdate<S extends Signature>(
  react: (current: OpGenerator<S>, event: Op<S>, context: Context) => Source<S>,
  source: Source<S>,
): OpGenerator<S> {
  return new OnUpdate(lift(source), react);
}

class OnUpdate<S extends Signature> extends Wrapper<S> {
  readonly #react: (current: OpGenerator<S>, event: Op<S>, context: Context) => Source<S>;

  constructor(
    inner: OpGenerator<S>,
    react: (current: OpGenerator<S>, event: Op<S>, context: Context) => Source<S>,
  ) {
    super(inner);
    this.#react = react;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new OnUpdate(inner, this.#react);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(context);
    return step.kind === "done" ? step : followedBy(step, this.keep(step.rest));
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    return lift(this.#react(super.update(context, event), event, context));
  }
}

/** Changes every call. The source hears events as they happened, with the changed calls. */
export function map<S extends Signature, T extends Signature = S>(
  change: (call: Call<S>, context: Context) => Call<T>,
  source: Source<S>,
): OpGenerator<T> {
  return new Mapped<S, T>(lift(source), change, (event) => event as unknown as Op<S>);
}

class Mapped<S extends Signature, T extends Signature> implements OpGenerator<T> {
  readonly #inner: OpGenerator<S>;
  readonly #change: (call: Call<S>, context: Context) => Call<T>;
  readonly #hear: (event: Op<T>) => Op<S>;

  constructor(
    inner: OpGenerator<S>,
    change: (call: Call<S>, context: Context) => Call<T>,
    hear: (event: Op<T>) => Op<S>,
  ) {
    this.#inner = inner;
    this.#change = change;
    this.#hear = hear;
  }

  next(context: Context): Step<T> {
    const step = this.#inner.next(context);
    if (step.kind === "done") return step;
    const rest = this.#keep(step.rest);
    if (step.kind === "wait") return { ...step, rest };
    return { ...step, call: this.#change(step.call, context), rest };
  }

  update(context: Context, event: Op<T>): OpGenerator<T> {
    return this.#keep(this.#inner.update(context, this.#hear(event)));
  }

  #keep(inner: OpGenerator<S>): OpGenerator<T> {
    return inner === this.#inner ? this : new Mapped(inner, this.#change, this.#hear);
  }
}

/** A signature with some functions renamed. */
export type Renamed<S extends Signature, Names> = {
  readonly [F in keyof S as F extends keyof Names ? (Names[F] extends string ? Names[F] : F) : F]: S[F];
};

/**
 * Renames functions, so that two sources with the same vocabulary can be told apart. The source still hears events
 * under its own names.
 *
 * ```ts
 * fMap({ start: "start-partition", stop: "heal-partition" }, schedule)
 * ```
 */
export function fMap<S extends Signature, const Names extends { readonly [F in FunctionName<S>]?: string }>(
  names: Names,
  source: Source<S>,
): OpGenerator<Renamed<S, Names>> {
  const outward = new Map<string, string>(Object.entries(names) as [string, string][]);
  const inward = new Map<string, string>([...outward].map(([inner, outer]) => [outer, inner]));
  const rename = (f: string, table: ReadonlyMap<string, string>) => table.get(f) ?? f;
  return new Mapped<S, Renamed<S, Names>>(
    lift(source),
    (call) => ({ ...call, f: rename(call.f, outward) }) as unknown as Call<Renamed<S, Names>>,
    (event) => ({ ...event, f: rename((event as unknown as Op).f, inward) }) as unknown as Op<S>,
  );
}

/** Calls a filter drops in a row before it gives up on its source. */
const PATIENCE = 10_000;

/**
 * Leaves out the calls that `wanted` rejects; they take no time and use up no thread. Throws if 10,000 in a row are
 * rejected, which would otherwise be a loop without end.
 */
export function filter<S extends Signature>(
  wanted: (call: Call<S>, context: Context) => boolean,
  source: Source<S>,
): OpGenerator<S> {
  return new Filter(lift(source), wanted);
}

class Filter<S extends Signature> extends Wrapper<S> {
  readonly #wanted: (call: Call<S>, context: Context) => boolean;

  constructor(inner: OpGenerator<S>, wanted: (call: Call<S>, context: Context) => boolean) {
    super(inner);
    this.#wanted = wanted;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Filter(inner, this.#wanted);
  }

  next(context: Context): Step<S> {
    let inner = this.inner;
    for (let attempt = 0; attempt < PATIENCE; attempt++) {
      // A stream of its own for each attempt, else a random source would offer the same call for ever.
      const step = inner.next(attempt === 0 ? context : scoped(context, `attempt ${attempt}`));
      if (step.kind === "done") return step;
      if (step.kind === "wait" || this.#wanted(step.call, context))
        return followedBy(step, this.keep(step.rest));
      inner = step.rest;
    }
    throw new RangeError(`a filter rejected ${PATIENCE} calls in a row`);
  }
}
