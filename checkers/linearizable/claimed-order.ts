/**
 * The order of the operations that their replies claim.
 *
 * Where every reply names a revision, the replies themselves propose a linearization: changes by their revision,
 * observations right after the change whose revision they name. Only the operations of unknown outcome have no
 * place; one is put where an answer cannot be explained without it, as late as possible, and is left out otherwise.
 * That is a single pass over the sorted operations, where a search may have to try exponentially many orders
 * (P. B. Gibbons and E. Korach, "Testing Shared Memories" (1997), on how a known order of the writes makes it easy).
 *
 * Revisions are claims of the system under test. The proposal is verified like that of any stranger, and if it is
 * wrong, or there is none, nothing follows: not that the history is wrong either.
 */
import { isLinearization } from "./linearization.ts";
import { type Access, type Action, type Model, PENDING } from "./model.ts";

/** The claimed order, as positions in the list of actions, if it is a linearization of them. */
export function claimedLinearization<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): readonly number[] | undefined {
  if (actions.some(({ completed, revision }) => completed !== PENDING && revision === undefined))
    return undefined;
  const order = new Proposal(model, actions).order();
  return order !== undefined && isLinearization(model, actions, order) ? order : undefined;
}

class Proposal<State, In, Out> {
  readonly #model: Model<State, In, Out>;
  readonly #actions: readonly Action<In, Out>[];
  readonly #accesses: readonly Access[];
  /** Positions of the required actions in the order of their revisions. */
  readonly #claimed: readonly number[];
  /** Positions of the pending actions that have an effect, by the value they write; by invocation. */
  readonly #writers = new Map<string, number[]>();
  /** Positions of pending actions whose value no required action needs from them in particular: nobody reads it, or others write it too. */
  #spare: readonly number[];
  /** 1 for each pending action that has been placed; how many since `#spare` last lost its own. */
  readonly #placed: Uint8Array;
  #used = 0;

  constructor(model: Model<State, In, Out>, actions: readonly Action<In, Out>[]) {
    this.#model = model;
    this.#actions = actions;
    this.#accesses = actions.map(({ input, output }) => model.access?.(input, output) ?? {});
    this.#placed = new Uint8Array(actions.length);
    const observes = actions.map(({ input, output }) => (model.observes?.(input, output) ? 1 : 0));
    const byInvocation = actions.map((_, position) => position);
    byInvocation.sort((a, b) => this.#action(a).invoked - this.#action(b).invoked);
    const required = byInvocation.filter((position) => this.#action(position).completed !== PENDING);
    const revisionOf = (position: number) => this.#action(position).revision ?? 0;
    // Stable: observations at one revision stay in the order of their invocations.
    this.#claimed = required.sort(
      (a, b) => revisionOf(a) - revisionOf(b) || (observes[a] as number) - (observes[b] as number),
    );
    for (const position of byInvocation) {
      const { writes } = this.#access(position);
      if (this.#action(position).completed !== PENDING || writes === undefined) continue;
      const writers = this.#writers.get(JSON.stringify(writes));
      if (writers === undefined) this.#writers.set(JSON.stringify(writes), [position]);
      else writers.push(position);
    }
    this.#spare = this.#spares();
  }

  /** The unread ones first. */
  #spares(): readonly number[] {
    const read = new Set<string>();
    const writers = new Map([[JSON.stringify(this.#model.init), 1]]);
    for (let position = 0; position < this.#actions.length; position++) {
      const { reads, writes } = this.#access(position);
      const required = this.#action(position).completed !== PENDING;
      if (reads !== undefined && required) read.add(JSON.stringify(reads));
      if (writes === undefined) continue;
      writers.set(JSON.stringify(writes), (writers.get(JSON.stringify(writes)) ?? 0) + 1);
    }
    const pending = [...this.#writers];
    const unread = pending.filter(([value]) => !read.has(value));
    const shared = pending.filter(([value]) => read.has(value) && (writers.get(value) as number) > 1);
    return [...unread, ...shared].flatMap(([, positions]) => positions);
  }

  /** Undefined if the claims cannot be made sense of. */
  order(): readonly number[] | undefined {
    const deadlines = this.#deadlines();
    const order: number[] = [];
    let state = this.#model.init;
    for (let i = 0; i < this.#claimed.length; i++) {
      const position = this.#claimed[i] as number;
      let after = this.#apply(state, position);
      if (after === undefined) {
        const bridge = this.#bridge(state, position, i, deadlines[i] as number, new Set());
        if (bridge === undefined) return undefined;
        for (const pending of bridge) {
          state = this.#apply(state, pending) as State;
          this.#placed[pending] = 1;
          // Most are used in their order. Those used are dropped now and then, or each search would pass all of them.
          if (++this.#used * 2 > this.#spare.length) this.#dropUsed();
          order.push(pending);
        }
        after = this.#apply(state, position) as State;
      }
      order.push(position);
      state = after;
    }
    return order;
  }

  #dropUsed(): void {
    this.#spare = this.#spare.filter((position) => this.#placed[position] === 0);
    this.#used = 0;
  }

  /** For each place of the claimed order the first completion from there on: what comes there was invoked before. */
  #deadlines(): Float64Array {
    const deadlines = new Float64Array(this.#claimed.length);
    let earliest: number = PENDING;
    for (let i = deadlines.length - 1; i >= 0; i--) {
      earliest = Math.min(earliest, this.#action(this.#claimed[i] as number).completed);
      deadlines[i] = earliest;
    }
    return deadlines;
  }

  /** Pending actions that, placed one after another, lead from `state` to one where `goal` can be placed. */
  #bridge(
    state: State,
    goal: number,
    place: number,
    deadline: number,
    tried: Set<number>,
  ): readonly number[] | undefined {
    for (const guesses of this.#candidates(goal, place)) {
      const usable = (position: number) =>
        this.#placed[position] === 0 && this.#action(position).invoked < deadline;
      const direct = guesses.find((candidate) => usable(candidate) && this.#leads(state, [candidate], goal));
      if (direct !== undefined) return [direct];
      for (const candidate of guesses) {
        if (!usable(candidate)) continue;
        if (this.#access(candidate).reads === undefined || tried.has(candidate)) continue;
        tried.add(candidate);
        const chain = this.#bridge(state, candidate, place, deadline, tried);
        if (chain === undefined || chain.includes(candidate)) continue;
        if (this.#leads(state, [...chain, candidate], goal)) return [...chain, candidate];
      }
    }
    return undefined;
  }

  #leads(state: State, chain: readonly number[], goal: number): boolean {
    let after: State | undefined = state;
    for (const position of chain) {
      after = this.#apply(after, position);
      if (after === undefined) return false;
    }
    return this.#apply(after, goal) !== undefined;
  }

  /** Groups of pending actions that may make `goal` possible, the best guesses first. */
  #candidates(goal: number, place: number): readonly (readonly number[])[] {
    const { reads, excludes } = this.#access(goal);
    if (reads !== undefined) return [this.#writersOf(reads)];
    if (excludes === undefined) return [];
    // Any other value will do, but if somebody sees one before the next change it is probably that.
    for (let i = place + 1; i < this.#claimed.length; i++) {
      const next = this.#access(this.#claimed[i] as number);
      if (next.reads !== undefined) return [this.#writersOf(next.reads), this.#spare];
      if (next.writes !== undefined) break;
    }
    return [this.#spare];
  }

  /** First those that can do it in one state only: nobody else needs them. */
  #writersOf(value: Access["reads"]): readonly number[] {
    const writers = this.#writers.get(JSON.stringify(value)) ?? [];
    const guarded = (position: number) => this.#access(position).reads !== undefined;
    return [...writers.filter(guarded), ...writers.filter((position) => !guarded(position))];
  }

  /** The state after an action; undefined if it cannot be placed in this one, or would be without effect there. */
  #apply(state: State, position: number): State | undefined {
    const { input, output, completed } = this.#action(position);
    const after = this.#model.step(state, input, output);
    if (after === undefined || completed !== PENDING) return after;
    return this.#model.key(after) === this.#model.key(state) ? undefined : after;
  }

  #action(position: number): Action<In, Out> {
    return this.#actions[position] as Action<In, Out>;
  }

  #access(position: number): Access {
    return this.#accesses[position] as Access;
  }
}
