/**
 * Many small independent objects instead of one large one: each key has a generator of its own.
 *
 * Checking a history costs far more than twice as much when it is twice as long, so many short histories, one per
 * key, test more in the same time. The generator of a key need not mention the key: its calls are given it, and it
 * hears of no other key's events.
 */
import type { Op, Signature } from "../history/op.ts";
import { limit, processLimit } from "./combinators.ts";
import type { Distribution } from "./distributions.ts";
import type { Context, OpGenerator, Step } from "./generator.ts";
import { Race } from "./race.ts";
import { lowerBound, scoped } from "./scope.ts";
import { empty, followedBy, lift, type Source, Wrapper } from "./source.ts";
import { range } from "./threads.ts";

/** Keys by position, without repetition: a list, or a pure function that gives undefined past the last one. */
export type Keys = readonly string[] | ((position: number) => string | undefined);

/** Bounds for each key; none unless given. */
export interface KeyLimits {
  readonly operations?: number;
  /** See `processLimit`: bounds what a checker must consider. */
  readonly processes?: number;
}

/** What to do for each key, in which order. */
class Agenda<S extends Signature> {
  readonly #keys: Keys;
  readonly #source: (key: string) => Source<S>;
  readonly #limits: KeyLimits;

  constructor(keys: Keys, source: (key: string) => Source<S>, limits: KeyLimits) {
    this.#keys = keys;
    this.#source = source;
    this.#limits = limits;
  }

  /** The generator of the key at a position, from its start; undefined past the last key. */
  at(position: number): OpGenerator<S> | undefined {
    const key = typeof this.#keys === "function" ? this.#keys(position) : this.#keys[position];
    if (key === undefined) return undefined;
    const { operations, processes } = this.#limits;
    let generator = lift(this.#source(key));
    if (processes !== undefined) generator = processLimit(processes, generator);
    if (operations !== undefined) generator = limit(operations, generator);
    return new Keyed(generator, key);
  }
}

/** Gives calls their key, and hears only of that key. */
class Keyed<S extends Signature> extends Wrapper<S> {
  readonly #key: string;

  constructor(inner: OpGenerator<S>, key: string) {
    super(inner);
    this.#key = key;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new Keyed(inner, this.#key);
  }

  next(context: Context): Step<S> {
    const step = this.inner.next(context);
    if (step.kind === "done") return step;
    if (step.kind === "wait") return followedBy(step, this.keep(step.rest));
    return { ...step, call: { ...step.call, key: this.#key }, rest: this.keep(step.rest) };
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    return event.key === this.#key ? super.update(context, event) : this;
  }
}

/**
 * One key after another, each with all client threads; the next begins when the one before has nothing left to
 * start.
 *
 * ```ts
 * sequentialKeys(["a", "b"], () => mix(reads, writes), { operations: 100 })
 * ```
 */
export function sequentialKeys<S extends Signature>(
  keys: Keys,
  source: (key: string) => Source<S>,
  limits: KeyLimits = {},
): OpGenerator<S> {
  return new KeyGroups(new Agenda(keys, source, limits), undefined, [], 0);
}

/**
 * Client threads in groups of `threadsPerKey`, each group busy with a key of its own and moving on to the next
 * unused one when that has ended. Threads left over join the groups, so that none is idle. Throws when asked with
 * fewer client threads than one group needs.
 *
 * ```ts
 * concurrentKeys(2, (i) => `k${i}`, () => reserve([[1, writes]], reads), { operations: 200, processes: 20 })
 * ```
 */
export function concurrentKeys<S extends Signature>(
  threadsPerKey: number,
  keys: Keys,
  source: (key: string) => Source<S>,
  limits: KeyLimits = {},
): OpGenerator<S> {
  if (!Number.isSafeInteger(threadsPerKey) || threadsPerKey < 1)
    throw new RangeError(`concurrentKeys takes a whole number of at least 1 thread, not ${threadsPerKey}`);
  return new KeyGroups(new Agenda(keys, source, limits), threadsPerKey, [], 0);
}

/** Keys without an operation that may follow each other within one question. */
const PATIENCE = 10_000;

/**
 * Asks a branch, and as long as it has ended puts the next key in its place. Returns the position of the first key
 * not yet begun.
 */
function askOrMoveOn<S extends Signature>(
  race: Race<S>,
  branch: number,
  context: Context,
  agenda: Agenda<S>,
  unused: number,
): { readonly kind: Step["kind"]; readonly unused: number } {
  let kind = race.ask(branch, context);
  let next = unused;
  while (kind === "done") {
    const successor = agenda.at(next);
    if (successor === undefined) break;
    if (++next - unused > PATIENCE) throw new RangeError(`${PATIENCE} keys in a row had no operation`);
    race.replace(branch, successor);
    kind = race.ask(branch, context);
  }
  return { kind, unused: next };
}

class KeyGroups<S extends Signature> implements OpGenerator<S> {
  readonly #agenda: Agenda<S>;
  /** Undefined: all threads form one group. */
  readonly #threadsPerKey: number | undefined;
  /** One per group; empty before the first question. */
  readonly #groups: readonly OpGenerator<S>[];
  /** Position of the first key not yet begun. */
  readonly #unused: number;

  constructor(
    agenda: Agenda<S>,
    threadsPerKey: number | undefined,
    groups: readonly OpGenerator<S>[],
    unused: number,
  ) {
    this.#agenda = agenda;
    this.#threadsPerKey = threadsPerKey;
    this.#groups = groups;
    this.#unused = unused;
  }

  next(context: Context): Step<S> {
    const { threads, free } = context;
    if (free.length === 0) return { kind: "wait", rest: this };
    const first = lowerBound(threads, 0);
    const clients = threads.length - first;
    const count = this.#threadsPerKey === undefined ? 1 : Math.floor(clients / this.#threadsPerKey);
    if (clients === 0 || count === 0)
      throw new RangeError(
        `keys need groups of ${this.#threadsPerKey ?? 1} client threads, there are ${clients}`,
      );
    const groups =
      this.#groups.length === count ? this.#groups : new Array<OpGenerator<S>>(count).fill(empty);
    const race = new Race(groups);
    let unused = this.#unused;
    const offset = count === 1 ? 0 : context.random.fork("group").below(count);
    for (let i = 0; i < count; i++) {
      const group = (offset + i) % count;
      const from = first + Math.floor((group * clients) / count);
      const to = first + Math.floor(((group + 1) * clients) / count);
      const own = range(context, group, from, to);
      // A busy group has nothing to say; asked now, it would only be told to wait.
      if (own.free.length === 0) continue;
      const answer = askOrMoveOn(race, group, own, this.#agenda, unused);
      unused = answer.unused;
      if (answer.kind === "op") break;
    }
    if (race.over) return { kind: "done" };
    return race.step(this, (changed) => new KeyGroups(this.#agenda, this.#threadsPerKey, changed, unused));
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    const { threads } = context;
    const count = this.#groups.length;
    const first = lowerBound(threads, 0);
    const position = lowerBound(threads, context.thread(event.process)) - first;
    if (count === 0 || position < 0) return this;
    const clients = threads.length - first;
    // The inverse of the bounds above: the last group that begins at or before the position.
    const group = Math.floor(((position + 1) * count - 1) / clients);
    const from = first + Math.floor((group * clients) / count);
    const to = first + Math.floor(((group + 1) * clients) / count);
    const before = this.#groups[group] as OpGenerator<S>;
    const after = before.update(range(context, group, from, to), event);
    if (after === before) return this;
    return new KeyGroups(this.#agenda, this.#threadsPerKey, this.#groups.with(group, after), this.#unused);
  }
}

export interface RotationOptions extends KeyLimits {
  /** Number of keys in use at a time. */
  readonly active: number;
  /** Which of the active keys is next, from 0 to `active` - 1; uniform unless given. `zipf(active)` makes hot keys. */
  readonly choice?: Distribution;
}

/**
 * All threads work on a window of `active` keys; a key whose generator has ended (see `operations`) is retired and
 * the next unused one takes its place. Keeps contention high without any single history growing long. Retired keys
 * deserve a last look: see `everyKey`.
 *
 * ```ts
 * const load = rotatingKeys((i) => `k${i}`, () => mix(reads, appends), { active: 3, operations: 100 });
 * phases(limit(5000, load), everyKey(() => ({ f: "read", value: null })))
 * ```
 */
export function rotatingKeys<S extends Signature>(
  keys: Keys,
  source: (key: string) => Source<S>,
  options: RotationOptions,
): OpGenerator<S> {
  const { active, choice, ...limits } = options;
  if (!Number.isSafeInteger(active) || active < 1)
    throw new RangeError(`rotatingKeys takes a whole number of at least 1 active key, not ${active}`);
  const window = new Array<OpGenerator<S>>(active).fill(empty);
  return new Rotation(new Agenda(keys, source, limits), choice, window, 0);
}

class Rotation<S extends Signature> implements OpGenerator<S> {
  readonly #agenda: Agenda<S>;
  readonly #choice: Distribution | undefined;
  /** The generators of the active keys; `empty` where a key has yet to be taken up. */
  readonly #window: readonly OpGenerator<S>[];
  /** Position of the first key not yet begun. */
  readonly #unused: number;

  constructor(
    agenda: Agenda<S>,
    choice: Distribution | undefined,
    window: readonly OpGenerator<S>[],
    unused: number,
  ) {
    this.#agenda = agenda;
    this.#choice = choice;
    this.#window = window;
    this.#unused = unused;
  }

  next(context: Context): Step<S> {
    if (context.free.length === 0) return { kind: "wait", rest: this };
    const random = context.random.fork("key");
    const count = this.#window.length;
    const chosen = this.#choice === undefined ? random.below(count) : this.#choice(random);
    if (!(chosen >= 0 && chosen < count))
      throw new RangeError(`a choice among ${count} active keys gave ${chosen}`);
    const race = new Race(this.#window);
    let unused = this.#unused;
    for (let i = 0; i < count; i++) {
      const slot = (chosen + i) % count;
      const answer = askOrMoveOn(race, slot, scoped(context, slot), this.#agenda, unused);
      unused = answer.unused;
      if (answer.kind === "op") break;
    }
    if (race.over) return { kind: "done" };
    return race.step(this, (window) => new Rotation(this.#agenda, this.#choice, window, unused));
  }

  update(context: Context, event: Op<S>): OpGenerator<S> {
    let window: OpGenerator<S>[] | undefined;
    for (let slot = 0; slot < this.#window.length; slot++) {
      const before = this.#window[slot] as OpGenerator<S>;
      const after = before.update(scoped(context, slot), event);
      if (after === before) continue;
      window ??= this.#window.slice();
      window[slot] = after;
    }
    return window === undefined ? this : new Rotation(this.#agenda, this.#choice, window, this.#unused);
  }
}

/**
 * Plays `source` once for every key it has heard of, in order of first use: the final reads of a run. It must hear
 * the events of what comes before it, as the later phases of `phases` do; keys first used after it has begun are
 * taken up too.
 *
 * ```ts
 * everyKey(() => untilOk(repeat({ f: "read", value: null }))) // insists on an answer
 * ```
 */
export function everyKey<S extends Signature>(
  source: (key: string) => Source<S>,
  limits: KeyLimits = {},
): OpGenerator<S> {
  return new EveryKey(source, limits, KeySet.none, 0, empty);
}

class EveryKey<S extends Signature> extends Wrapper<S> {
  readonly #source: (key: string) => Source<S>;
  readonly #limits: KeyLimits;
  readonly #heard: KeySet;
  /** Position among the keys heard of; the inner generator is that of the key before. */
  readonly #position: number;

  constructor(
    source: (key: string) => Source<S>,
    limits: KeyLimits,
    heard: KeySet,
    position: number,
    inner: OpGenerator<S>,
  ) {
    super(inner);
    this.#source = source;
    this.#limits = limits;
    this.#heard = heard;
    this.#position = position;
  }

  protected around(inner: OpGenerator<S>): OpGenerator<S> {
    return new EveryKey(this.#source, this.#limits, this.#heard, this.#position, inner);
  }

  next(context: Context): Step<S> {
    const agenda = new Agenda((position) => this.#heard.at(position), this.#source, this.#limits);
    const race = new Race<S>([this.inner]);
    const { kind, unused } = askOrMoveOn(race, 0, context, agenda, this.#position);
    if (kind === "done") return { kind };
    return race.step(this, ([inner]) => {
      return new EveryKey(this.#source, this.#limits, this.#heard, unused, inner as OpGenerator<S>);
    });
  }

  override update(context: Context, event: Op<S>): OpGenerator<S> {
    const inner = this.inner.update(context, event);
    const heard = event.key === undefined ? this.#heard : this.#heard.with(event.key);
    if (heard === this.#heard) return this.keep(inner);
    return new EveryKey(this.#source, this.#limits, heard, this.#position, inner);
  }
}

/**
 * A set of keys in order of arrival, immutable in effect: sets that grow out of each other share one list, of which
 * each sees a prefix. Adding is O(1) for the newest, and a copy for an older one.
 */
class KeySet {
  static readonly none = new KeySet([], new Map(), 0);
  readonly #order: string[];
  readonly #positions: Map<string, number>;
  readonly #size: number;

  private constructor(order: string[], positions: Map<string, number>, size: number) {
    this.#order = order;
    this.#positions = positions;
    this.#size = size;
  }

  at(position: number): string | undefined {
    return position < this.#size ? this.#order[position] : undefined;
  }

  with(key: string): KeySet {
    const position = this.#positions.get(key);
    if (position !== undefined && position < this.#size) return this;
    let order = this.#order;
    let positions = this.#positions;
    // The set all others start from is never extended in place, or every run would leave its keys in it.
    if (order.length > this.#size || this.#size === 0) {
      order = order.slice(0, this.#size);
      positions = new Map(order.map((other, i) => [other, i]));
    }
    order.push(key);
    positions.set(key, this.#size);
    return new KeySet(order, positions, this.#size + 1);
  }
}
