/**
 * Search for a linearization of the operations on one object.
 *
 * J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993): take any operation that no other one
 * precedes in real time, apply it to the model, go on with the rest, and take it back if that fails. G. Lowe,
 * "Testing for linearizability" (2017): remember the configurations that were tried.
 *
 * Added here:
 * - Operations that only observe are placed as soon as they are legal, without branching: in any linearization of
 *   the rest they can be moved to the front.
 * - A state that nothing left can bring back is not left while an operation that read it is yet to be placed.
 * - Of required operations that do the same, the one that completed first goes first.
 * - Pending operations have no return, so they never force anything. They are tried last, only where what follows
 *   can tell and nothing that must be placed anyway does the same, those that nobody can tell apart only in the
 *   order of their invocations, and a configuration is dropped if a known one got as far with a subset of them
 *   (see configurations.ts).
 * - Which order of trying is good depends on the history, so several are tried, each for a while. One of them lets
 *   pending operations work any number of times. That forgets who has used which, which is what makes them
 *   expensive; and if nothing explains the answers even so, nothing does.
 */
import type { Budget } from "../../src/checker.ts";
import { Configurations } from "./configurations.ts";
import { Demand } from "./demand.ts";
import type { Action, Model } from "./model.ts";
import { Timeline } from "./timeline.ts";
import { IMPOSSIBLE, Transitions } from "./transitions.ts";
import { type Twins, twinsOf } from "./twins.ts";

export type SearchResult =
  /** `order` holds positions in the list of actions, in an order that explains all answers. */
  | { readonly kind: "linearizable"; readonly order: readonly number[] }
  /** No order was found to get past the completion of `furthest`; perhaps one exists that leads nowhere later. */
  | { readonly kind: "violation"; readonly furthest: number }
  /** The budget ended. At most `placed` of the required actions had been placed at once. */
  | { readonly kind: "exhausted"; readonly placed: number; readonly required: number };

/** What is tried first. */
interface Strategy {
  /** What was invoked first; else what completed first, if it helps what must be placed next. */
  readonly byInvocation: boolean;
  /** Pending operations can be used again and again: an order that does so proves nothing. */
  readonly reuse: boolean;
  /** How much longer than the others it is tried. */
  readonly patience: number;
}

const FIFO: Strategy = { byInvocation: true, reuse: false, patience: 1 };
const URGENT: Strategy = { byInvocation: false, reuse: false, patience: 1 };
const REUSING: Strategy = { byInvocation: false, reuse: true, patience: 4 };

/** Decides whether `actions` are linearizable; any order of the list will do. One step is one operation placed. */
export function search<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  budget: Budget,
): SearchResult {
  const search = new Search(model, actions);
  const { required, pending } = search.timeline;
  const strategies = pending.length > 0 ? [FIFO, URGENT, REUSING] : [FIFO, URGENT];
  let placed = 0;
  for (let steps = 1000 + 4 * actions.length; ; steps *= 4)
    for (const strategy of strategies) {
      const result = search.run(strategy, steps * strategy.patience, budget);
      if (result === undefined) continue;
      if (result.kind !== "exhausted") return result;
      placed = Math.max(placed, result.placed);
      if (budget.left === 0) return { kind: "exhausted", placed, required: required.length };
    }
}

class Search<State, In, Out> {
  readonly timeline: Timeline;
  readonly #transitions: Transitions<State, In, Out>;
  readonly #demand: Demand;
  readonly #twins: Twins;
  /** The pending operations that do not do the same in every state. */
  readonly #conditional: readonly number[];
  readonly #initial: number;
  readonly #observes: Uint8Array;
  /** Bit sets of what is placed. */
  readonly #placed: Int32Array;
  readonly #used: Int32Array;
  /** By group of twins: the rank of the first that may be placed, and when that was found out. */
  readonly #firstTwin: Int32Array;
  readonly #twinsSeen: Int32Array;
  #now = 0;
  #strategy = FIFO;
  /** The operation chosen last (a required one as i, a pending one as ~i), its priority and the state after it. */
  #chosen = 0;
  #priority = 0;
  #after = IMPOSSIBLE;

  constructor(model: Model<State, In, Out>, actions: readonly Action<In, Out>[]) {
    const at = (position: number) => actions[position] as Action<In, Out>;
    const observes = (position: number) => model.observes?.(at(position).input, at(position).output) ?? false;
    this.timeline = new Timeline(actions, (position) => !observes(position));
    this.#transitions = new Transitions(model, actions);
    this.#initial = this.#transitions.id(model.init);
    const { required, pending } = this.timeline;
    this.#observes = Uint8Array.from(required, (position) => (observes(position) ? 1 : 0));
    this.#demand = new Demand(model as never, actions, this.timeline, this.#transitions as never);
    this.#twins = twinsOf(model, actions, this.timeline);
    this.#conditional = Array.from(pending, (_, i) => i).filter((i) => this.#demand.blind[i] === 0);
    this.#placed = new Int32Array((required.length + 31) >> 5);
    this.#used = new Int32Array((pending.length + 31) >> 5);
    this.#firstTwin = new Int32Array(this.#twins.groupCount);
    this.#twinsSeen = new Int32Array(this.#twins.groupCount);
  }

  /** At most `limit` steps; leaves everything as it was before. Undefined if an order was found that proves nothing. */
  run(strategy: Strategy, limit: number, budget: Budget): SearchResult | undefined {
    this.#strategy = strategy;
    const { required, pending, next, rank } = this.timeline;
    const n = required.length;
    const end = 2 * n;
    const configurations = new Configurations();
    /** What was placed, in order (a required operation i as i, a pending one as ~i), and the state before each. */
    let trail = new Int32Array(n + pending.length);
    let before = new Int32Array(n + pending.length);
    /** The priority it was chosen with, or -1: nothing else can be tried in its place. */
    let priorities = new Float64Array(n + pending.length);
    let depth = 0;
    let placed = 0;
    let mostPlaced = 0;
    let furthest = -1;
    let steps = limit;
    let state = this.#initial;

    const place = (item: number, priority: number): boolean => {
      if (steps-- <= 0 || !budget.spend()) return false;
      if (depth === trail.length) {
        trail = doubled(trail, new Int32Array(2 * depth));
        before = doubled(before, new Int32Array(2 * depth));
        priorities = doubled(priorities, new Float64Array(2 * depth));
      }
      trail[depth] = item;
      before[depth] = state;
      priorities[depth++] = priority;
      this.#place(item);
      if (item >= 0) placed++;
      return true;
    };
    const takeBack = (): number => {
      const item = trail[--depth] as number;
      this.#takeBack(item);
      if (item >= 0) placed--;
      return item;
    };
    const result = (): SearchResult | undefined => {
      for (;;) {
        // A new configuration: place what merely observes, up to the horizon.
        let event = next[end] as number;
        while (event < n) {
          if (
            this.#observes[event] === 1 &&
            this.#transitions.step(state, required[event] as number) !== IMPOSSIBLE &&
            !place(event, -1)
          )
            return { kind: "exhausted", placed: Math.max(mostPlaced, placed), required: n };
          event = next[event] as number;
        }
        if (placed === n) return this.#linearization(trail.subarray(0, depth));
        if (placed > mostPlaced) mostPlaced = placed;
        let horizon = event - n;
        let tried = this.#isNew(configurations, state, horizon) ? -1 : Number.POSITIVE_INFINITY;
        while (!this.#choose(state, horizon, tried)) {
          // Nothing left to try here: take back the last choice, and what was observed after it.
          if (furthest < 0 || (rank[horizon] as number) > (rank[furthest] as number)) furthest = horizon;
          do {
            if (depth === 0) return { kind: "violation", furthest: required[furthest] as number };
            takeBack();
          } while (priorities[depth] === -1);
          state = before[depth] as number;
          tried = priorities[depth] as number;
          horizon = this.#horizon();
        }
        if (!place(this.#chosen, this.#priority))
          return { kind: "exhausted", placed: Math.max(mostPlaced, placed), required: n };
        state = this.#after;
      }
    };
    const found = result();
    while (depth > 0) takeBack();
    return found;
  }

  /** The first completion ahead. */
  #horizon(): number {
    const { required, next } = this.timeline;
    const n = required.length;
    let event = next[2 * n] as number;
    while (event < n) event = next[event] as number;
    return event - n;
  }

  #place(item: number): void {
    if (item >= 0) {
      this.timeline.lift(item);
      flip(this.#placed, item);
      this.#demand.required(item, -1);
    } else if (!this.#strategy.reuse) {
      flip(this.#used, ~item);
      this.#demand.pending(~item, -1);
    }
  }

  #takeBack(item: number): void {
    if (item >= 0) {
      this.timeline.unlift(item);
      flip(this.#placed, item);
      this.#demand.required(item, 1);
    } else if (!this.#strategy.reuse) {
      flip(this.#used, ~item);
      this.#demand.pending(~item, 1);
    }
  }

  /** Finds the operation to be placed next: the least priority above `tried`. False if there is none. */
  #choose(state: number, horizon: number, tried: number): boolean {
    if (tried === Number.POSITIVE_INFINITY) return false;
    const n = this.timeline.required.length;
    if (tried < 2 * n && this.#chooseRequired(state, horizon, tried)) return true;
    return this.#choosePending(state, horizon, tried);
  }

  #chooseRequired(state: number, horizon: number, tried: number): boolean {
    const { required, rank, next } = this.timeline;
    const n = required.length;
    const { groups } = this.#twins;
    const { byInvocation } = this.#strategy;
    const goal = required[horizon] as number;
    this.#seeTwins();
    let best = Number.POSITIVE_INFINITY;
    for (let i = next[2 * n] as number; i < n; i = next[i] as number) {
      if (this.#observes[i] === 1) continue;
      let priority = byInvocation ? i : (rank[i] as number);
      // With what does not help the goal it is n more.
      if (priority >= best || priority + n <= tried) continue;
      const group = groups[i] as number;
      if (group >= 0 && this.#firstTwin[group] !== rank[i]) continue;
      const after = this.#transitions.step(state, required[i] as number);
      if (after === IMPOSSIBLE) continue;
      if (after !== state && this.#demand.strands(state, this.#demand.reads[i] === state ? 1 : 0)) continue;
      const helps = byInvocation || i === horizon || this.#transitions.step(after, goal) !== IMPOSSIBLE;
      if (!helps) priority += n;
      if (priority <= tried || priority >= best) continue;
      best = priority;
      this.#chosen = i;
      this.#after = after;
      if (byInvocation) break;
    }
    this.#priority = best;
    return best !== Number.POSITIVE_INFINITY;
  }

  /** Of operations that do the same, only the one that completed first is tried. */
  #seeTwins(): void {
    if (this.#twins.groupCount === 0) return;
    const { required, rank, next } = this.timeline;
    const n = required.length;
    this.#now++;
    for (let i = next[2 * n] as number; i < n; i = next[i] as number) {
      const group = this.#twins.groups[i] as number;
      if (group < 0) continue;
      const known = this.#twinsSeen[group] === this.#now;
      this.#twinsSeen[group] = this.#now;
      if (!known || (rank[i] as number) < (this.#firstTwin[group] as number))
        this.#firstTwin[group] = rank[i] as number;
    }
  }

  #choosePending(state: number, horizon: number, tried: number): boolean {
    const { required, pending, pendingBefore } = this.timeline;
    const first = 2 * required.length;
    const usable = pendingBefore[horizon] as number;
    if (usable === 0 || this.#demand.strands(state, 0)) return false;
    for (let i = Math.max(0, tried - first + 1); i < usable; i++) {
      if (has(this.#used, i)) continue;
      const twin = this.#twins.earlier[i] as number;
      if (twin >= 0 && (this.#strategy.reuse || !has(this.#used, twin))) continue;
      const after = this.#transitions.step(state, pending[i] as number);
      if (after === IMPOSSIBLE || after === state) continue;
      if (this.#demand.blind[i] === 1 && this.#isReplaceable(state, after, usable)) continue;
      if (!this.#matters(state, after, horizon)) continue;
      this.#chosen = ~i;
      this.#priority = first + i;
      this.#after = after;
      return true;
    }
    return false;
  }

  /**
   * True if something else than a pending operation that works everywhere also leads to `after` from here: a
   * required operation, which must be placed some time, or a pending one that does not work everywhere. To
   * use that here, and the one that works everywhere in its place there, changes no state.
   */
  #isReplaceable(state: number, after: number, usable: number): boolean {
    const { required, pending, next } = this.timeline;
    const n = required.length;
    for (let i = next[2 * n] as number; i < n; i = next[i] as number)
      if (this.#observes[i] === 0 && this.#transitions.step(state, required[i] as number) === after)
        return true;
    for (const i of this.#conditional) {
      if (i >= usable) break;
      if (!has(this.#used, i) && this.#transitions.step(state, pending[i] as number) === after) return true;
    }
    return false;
  }

  /**
   * True if something that can come directly after a pending operation goes another way than without it. If
   * nothing does, a linearization with the pending operation is one without it, too.
   */
  #matters(without: number, state: number, horizon: number): boolean {
    const { required, pending, pendingBefore, next } = this.timeline;
    const n = required.length;
    for (let i = next[2 * n] as number; i < n; i = next[i] as number) {
      const position = required[i] as number;
      const after = this.#transitions.step(state, position);
      if (after !== IMPOSSIBLE && after !== this.#transitions.step(without, position)) return true;
    }
    const usable = pendingBefore[horizon] as number;
    for (const i of this.#conditional) {
      if (i >= usable) break;
      if (has(this.#used, i)) continue;
      const position = pending[i] as number;
      const after = this.#transitions.step(state, position);
      if (after === IMPOSSIBLE || after === state) continue;
      if (after !== this.#transitions.step(without, position)) return true;
    }
    return false;
  }

  /** Remembers the current configuration; false if there is nothing to gain from it. */
  #isNew(configurations: Configurations, state: number, horizon: number): boolean {
    const { required, next, callsBefore, pendingBefore } = this.timeline;
    // The list starts with a call: of two events of one operation it is the first.
    const first = next[2 * required.length] as number;
    const calls = callsBefore[horizon] as number;
    const pendingWords = this.#strategy.reuse ? 0 : ((pendingBefore[horizon] as number) + 31) >> 5;
    const [from, to] = [first >> 5, (calls - 1) >> 5];
    return configurations.add(first, state, this.#placed, from, to, this.#used, pendingWords);
  }

  /** As positions in the list of actions. */
  #linearization(trail: Int32Array): SearchResult | undefined {
    const { required, pending } = this.timeline;
    const order = Array.from(trail, (item) => (item >= 0 ? required[item] : pending[~item]) as number);
    if (this.#strategy.reuse && new Set(order).size < order.length) return undefined;
    return { kind: "linearizable", order };
  }
}

function doubled<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

function has(bits: Int32Array, i: number): boolean {
  return (((bits[i >> 5] as number) >>> (i & 31)) & 1) === 1;
}

function flip(bits: Int32Array, i: number): void {
  bits[i >> 5] = (bits[i >> 5] as number) ^ (1 << (i & 31));
}
