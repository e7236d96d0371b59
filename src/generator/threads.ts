/** Who runs operations: parts of a generator bound to threads, or copied for each. */
import { type Nanos, NEMESIS, type Op, type Process, type Signature, type Thread } from "../history/op.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";
import { Race } from "./race.ts";
import { lowerBound, restricted } from "./scope.ts";
import { empty, followedBy, lift, type Source, Wrapper } from "./source.ts";

/**
 * Runs `source` on the threads that `belongs` accepts, and tells it of their events only. It sees no others: for
 * it, "all threads are idle" means all of these. Throws when asked where no thread belongs, as it could never act.
 */
export function onThreads<S extends Signature>(
  belongs: (thread: Thread) => boolean,
  source: Source<S>,
): OpGenerator<S> {
  return new OnThreads(lift(source), new Selection(belongs));
}

/** Runs `source` on client threads. */
export function clients<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return onThreads((thread) => thread !== NEMESIS, source);
}

/** Runs `source` on the nemesis. */
export function nemesis<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return onThreads((thread) => thread === NEMESIS, source);
}

/** Which threads belong; remembers the last lists it chose from, as a driver offers the same ones many times. */
class Selection {
  readonly belongs: (thread: Thread) => boolean;
  #offered: readonly Thread[] = [];
  #chosen: readonly Thread[] = [];
  #offeredFree: readonly Thread[] = [];
  #chosenFree: readonly Thread[] = [];

  constructor(belongs: (thread: Thread) => boolean) {
    this.belongs = belongs;
  }

  of(context: Context): Context {
    if (context.threads !== this.#offered) {
      this.#offered = context.threads;
      this.#chosen = context.threads.filter(this.belongs);
    }
    if (this.#chosen.length === 0)
      throw new RangeError(`none of the threads [${context.threads}] may run this generator`);
    if (this.#chosen.length === context.threads.length) return context;
    if (context.free !== this.#offeredFree) {
      this.#offeredFree = context.free;
      this.#chosenFree = context.free.filter(this.belongs);
    }
    return restricted(context, "threads", this.#chosen, this.#chosenFree);
  }
}

class OnThreads<S extends Signature> extends Wrapper<S> {
  readonly #selection: Selection;
  readonly due: Nanos | undefined;

  constructor(inner: OpGenerator<S>, selection: Selection) {
    super(inner);
    this.#selection = selection;
    this.due = inner.due;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new OnThreads(inner, this.#selection);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(this.#selection.of(context));
    return step.kind === "done" ? step : followedBy(step, this.keep(step.rest));
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    if (!this.#selection.belongs(context.thread(event.process))) return this;
    return this.keep(this.inner.update(this.#selection.of(context), event));
  }
}

/**
 * A copy of `source` for each thread, nemesis included if it is offered; each sees only its own thread and its own
 * events. Ends when all copies have ended and all threads are idle.
 *
 * ```ts
 * clients(eachThread({ f: "read", value: null })) // one last read from every client
 * ```
 */
export function eachThread<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return new Each(lift(source), false, [], []);
}

/**
 * A copy of `source` for each process: as `eachThread`, but a thread that goes on as a new process after an `info`
 * starts a new copy.
 */
export function eachProcess<S extends Signature>(source: Source<S>): OpGenerator<S> {
  return new Each(lift(source), true, [], []);
}

class Each<S extends Signature> implements OpGenerator<S> {
  readonly #start: OpGenerator<S>;
  readonly #perProcess: boolean;
  /** By thread - NEMESIS. Missing: not yet begun. */
  readonly #copies: readonly OpGenerator<S>[];
  /** Whose copy it is, where a new process gets a new one. */
  readonly #owners: readonly Process[];

  constructor(
    start: OpGenerator<S>,
    perProcess: boolean,
    copies: readonly OpGenerator<S>[],
    owners: readonly Process[],
  ) {
    this.#start = start;
    this.#perProcess = perProcess;
    this.#copies = copies;
    this.#owners = owners;
  }

  next(context: Context): Step<S> {
    const { free, threads } = context;
    const current = this.#current(context);
    const race = new Race(current.#copies);
    const offset = free.length < 2 ? 0 : context.random.fork("each").below(free.length);
    for (let i = 0; i < free.length; i++) {
      const thread = free[(offset + i) % free.length] as Thread;
      if (race.ask(thread - NEMESIS, alone(context, thread)) === "op") break;
    }
    const step = race.step(
      current,
      (copies) => new Each(this.#start, this.#perProcess, copies, current.#owners),
    );
    if (step.kind === "wait" && step.until === undefined && free.length === threads.length) {
      const rest = step.rest as Each<S>;
      if (threads.every((thread) => rest.#copies[thread - NEMESIS] === empty)) return { kind: "done" };
    }
    return step;
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const current = this.#current(context);
    const slot = context.thread(event.process) - NEMESIS;
    const before = current.#copies[slot];
    if (before === undefined) return current;
    const after = before.update(alone(context, slot + NEMESIS), event);
    if (after === before) return current;
    return new Each(this.#start, this.#perProcess, current.#copies.with(slot, after), current.#owners);
  }

  /** With a copy for every thread, and a new one for every new process. */
  #current(context: Context): Each<S> {
    let copies: OpGenerator<S>[] | undefined;
    let owners: Process[] | undefined;
    const { threads } = context;
    const last = (threads[threads.length - 1] ?? NEMESIS) - NEMESIS;
    if (!this.#perProcess && this.#copies.length > last) return this;
    for (const thread of threads) {
      const slot = thread - NEMESIS;
      const owner = context.process(thread);
      if (this.#copies[slot] !== undefined && (!this.#perProcess || this.#owners[slot] === owner)) continue;
      copies ??= Array.from({ length: last + 1 }, (_, i) => this.#copies[i] ?? empty);
      owners ??= Array.from({ length: last + 1 }, (_, i) => this.#owners[i] ?? NEMESIS);
      copies[slot] = this.#start;
      owners[slot] = owner;
    }
    if (copies === undefined || owners === undefined) return this;
    return new Each(this.#start, this.#perProcess, copies, owners);
  }
}

/** The context of a single thread. */
function alone(context: Context, thread: Thread): Context {
  const threads = [thread];
  const at = lowerBound(context.free, thread);
  return restricted(context, thread, threads, context.free[at] === thread ? threads : []);
}

/**
 * Client threads divided up: the first `count` for the first source, and so on; those left over for `others`.
 * Each source sees only its own threads, and reserve can be nested to divide them again. The nemesis belongs to
 * none. Throws when asked with fewer client threads than were reserved, or with none left over for `others`.
 *
 * ```ts
 * reserve([[5, writes], [10, compareAndSets]], reads) // threads 0-4 write, 5-14 compare and set, the rest read
 * ```
 */
export function reserve<S extends Signature>(
  reserved: readonly (readonly [count: number, source: Source<S>])[],
  others: Source<S>,
): OpGenerator<S> {
  for (const [count] of reserved)
    if (!Number.isSafeInteger(count) || count < 1)
      throw new RangeError(`reserve takes whole numbers of at least 1, not ${count}`);
  return new Reserve(
    [...reserved.map(([, source]) => lift(source)), lift(others)],
    reserved.map(([count]) => count),
  );
}

class Reserve<S extends Signature> implements OpGenerator<S> {
  readonly #sources: readonly OpGenerator<S>[];
  readonly #counts: readonly number[];

  constructor(sources: readonly OpGenerator<S>[], counts: readonly number[]) {
    this.#sources = sources;
    this.#counts = counts;
  }

  next(context: Context): Step<S> {
    const bounds = this.#bounds(context);
    const race = new Race(this.#sources);
    const count = this.#sources.length;
    const offset = context.random.fork("reserve").below(count);
    for (let i = 0; i < count; i++) {
      const source = (offset + i) % count;
      if (
        race.ask(source, range(context, source, bounds[source] as number, bounds[source + 1] as number)) ===
        "op"
      )
        break;
    }
    return race.over ? { kind: "done" } : race.step(this, (sources) => new Reserve(sources, this.#counts));
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const position = lowerBound(context.threads, context.thread(event.process));
    const bounds = this.#bounds(context);
    if (position < (bounds[0] as number)) return this;
    let group = 0;
    while (position >= (bounds[group + 1] as number)) group++;
    const before = this.#sources[group] as OpGenerator<S>;
    const own = range(context, group, bounds[group] as number, bounds[group + 1] as number);
    const after = before.update(own, event);
    return after === before ? this : new Reserve(this.#sources.with(group, after), this.#counts);
  }

  /** Positions in `context.threads` where each source's threads begin, and the end. */
  #bounds(context: Context): readonly number[] {
    const { threads } = context;
    const bounds = [lowerBound(threads, NEMESIS + 1)];
    for (const count of this.#counts) bounds.push((bounds[bounds.length - 1] as number) + count);
    if ((bounds[bounds.length - 1] as number) >= threads.length)
      throw new RangeError(
        `reserve needs more than ${this.#counts.reduce((sum, n) => sum + n, 0)} client threads, there are ${threads.length - (bounds[0] as number)}`,
      );
    bounds.push(threads.length);
    return bounds;
  }
}

/** The context of the threads at positions [from, to) of `context.threads`. */
export function range(context: Context, label: string | number, from: number, to: number): Context {
  const threads = context.threads.slice(from, to);
  const { free } = context;
  const start = lowerBound(free, threads[0] as Thread);
  const end = lowerBound(free, (threads[threads.length - 1] as Thread) + 1);
  return restricted(context, label, threads, free.slice(start, end));
}
