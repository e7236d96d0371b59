/**
 * Search for a linearization of the operations on one object.
 *
 * J. M. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993): take any operation that no other one
 * precedes in real time, apply it to the model, go on with the rest, and take it back if that fails. G. Lowe,
 * "Testing for linearizability" (2017): remember the configurations that were tried, and keep the operations left
 * in a doubly linked list of calls and returns, from which one is lifted and put back in constant time.
 *
 * Added here:
 * - Operations that only observe are placed as soon as they are legal, without branching: in any linearization of
 *   the rest they can be moved to the front.
 * - A state that nothing left can bring back is not left while an operation that read it is yet to be placed.
 * - Pending operations have no return, so they never force anything. They are tried last, only where what follows
 *   can tell, those that nobody can tell apart only in the order of their invocations, and a configuration is dropped if a known
 *   one got as far with a subset of them (see configurations.ts).
 */
import type { Budget } from "../../src/checker.ts";
import type { Json } from "../../src/history/op.ts";
import { Configurations } from "./configurations.ts";
import { type Access, type Action, type Model, PENDING } from "./model.ts";
import { IMPOSSIBLE, Transitions } from "./transitions.ts";

export type SearchResult =
  /** `order` holds positions in the list of actions, in an order that explains all answers. */
  | { readonly kind: "linearizable"; readonly order: readonly number[] }
  /** No order was found to get past the completion of `furthest`; perhaps one exists that leads nowhere later. */
  | { readonly kind: "violation"; readonly furthest: number }
  /** The budget ended. At most `placed` of the required actions had been placed at once. */
  | { readonly kind: "exhausted"; readonly placed: number; readonly required: number };

/** Decides whether `actions` are linearizable; any order of the list will do. One step is one operation placed. */
export function search<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  budget: Budget,
): SearchResult {
  return new Search(model, actions).run(budget);
}

class Search<State, In, Out> {
  readonly #actions: readonly Action<In, Out>[];
  readonly #transitions: Transitions<State, In, Out>;
  readonly #initial: number;
  readonly #configurations = new Configurations();
  /** Positions in `#actions` by invocation: first the required operations, then the pending ones. */
  readonly #required: Int32Array;
  readonly #pending: Int32Array;
  readonly #observes: Uint8Array;
  readonly #completed: Float64Array;
  /** For each pending operation the identical one invoked just before it, or -1. */
  readonly #twin: Int32Array;
  /** Doubly linked list: call i at i, return i at n + i, both ends at 2n. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** By required operation: how many required and pending calls come before its return. */
  readonly #callsBefore: Int32Array;
  readonly #pendingBefore: Int32Array;
  /** The state that an operation demands or leaves behind, where the model tells, or -1. */
  readonly #reads: Int32Array;
  readonly #writes: Int32Array;
  readonly #pendingWrites: Int32Array;
  /** By state: how many required operations not yet placed read it, how many operations not yet placed write it. */
  readonly #demand: Int32Array;
  readonly #supply: Int32Array;
  /** Bit sets of what is placed. */
  readonly #placed: Int32Array;
  readonly #used: Int32Array;

  constructor(model: Model<State, In, Out>, actions: readonly Action<In, Out>[]) {
    this.#actions = actions;
    this.#transitions = new Transitions(model, actions);
    this.#initial = this.#transitions.id(model.init);
    const byInvocation = actions.map((_, i) => i);
    byInvocation.sort((a, b) => actionAt(actions, a).invoked - actionAt(actions, b).invoked);
    const required = byInvocation.filter((i) => actionAt(actions, i).completed !== PENDING);
    const pending = byInvocation.filter((i) => {
      const { input, output, completed } = actionAt(actions, i);
      return completed === PENDING && !model.observes?.(input, output);
    });
    const n = required.length;
    this.#required = Int32Array.from(required);
    this.#pending = Int32Array.from(pending);
    this.#observes = new Uint8Array(n);
    this.#completed = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const { input, output, completed } = actionAt(actions, required[i] as number);
      this.#observes[i] = model.observes?.(input, output) ? 1 : 0;
      this.#completed[i] = completed;
    }
    const accessOf = (i: number): Access => {
      const { input, output } = actionAt(actions, i);
      return model.access?.(input, output) ?? {};
    };
    const stateOf = (value: Json | undefined) =>
      value === undefined ? -1 : this.#transitions.id(value as State);
    // Of an unknown answer, `reads` is a condition and no demand.
    const demandOf = (i: number) =>
      actionAt(actions, i).output === undefined ? undefined : accessOf(i).reads;
    this.#reads = Int32Array.from(required, (i) => stateOf(demandOf(i)));
    this.#writes = Int32Array.from(required, (i) => stateOf(accessOf(i).writes));
    this.#pendingWrites = Int32Array.from(pending, (i) => stateOf(accessOf(i).writes));
    this.#demand = new Int32Array(this.#transitions.size);
    this.#supply = new Int32Array(this.#transitions.size);
    for (const state of this.#reads) this.#count(this.#demand, state, 1);
    for (const state of this.#writes) this.#count(this.#supply, state, 1);
    for (const state of this.#pendingWrites) this.#count(this.#supply, state, 1);
    this.#twin = this.#twins(byInvocation.map(accessOf), accessOf);
    this.#placed = new Int32Array((n + 31) >> 5);
    this.#used = new Int32Array((pending.length + 31) >> 5);
    this.#next = new Int32Array(2 * n + 1);
    this.#previous = new Int32Array(2 * n + 1);
    this.#callsBefore = new Int32Array(n);
    this.#pendingBefore = new Int32Array(n);
    this.#link();
  }

  #twins(accesses: readonly Access[], accessOf: (position: number) => Access): Int32Array {
    const met = new Set<string>();
    for (const { reads, excludes } of accesses) {
      if (reads !== undefined) met.add(JSON.stringify(reads));
      if (excludes !== undefined) met.add(JSON.stringify(excludes));
    }
    const last = new Map<string, number>();
    return Int32Array.from(this.#pending, (position, i) => {
      const { input, output } = actionAt(this.#actions, position);
      const { reads, writes } = accessOf(position);
      // Two values that no operation can tell apart are as good as one.
      const arbitrary = reads === undefined && writes !== undefined && !met.has(JSON.stringify(writes));
      const identity = arbitrary ? "" : JSON.stringify([input, output ?? null]);
      const twin = last.get(identity) ?? -1;
      last.set(identity, i);
      return twin;
    });
  }

  /** Merges calls and returns by their index into the list. */
  #link(): void {
    const n = this.#required.length;
    const returns = Array.from({ length: n }, (_, i) => i);
    returns.sort((a, b) => (this.#completed[a] as number) - (this.#completed[b] as number));
    let tail = 2 * n;
    let call = 0;
    let pending = 0;
    for (const returned of returns) {
      const at = this.#completed[returned] as number;
      while (call < n && this.#invoked(call) < at) {
        tail = this.#append(tail, call);
        call++;
      }
      while (
        pending < this.#pending.length &&
        actionAt(this.#actions, this.#pending[pending] as number).invoked < at
      )
        pending++;
      tail = this.#append(tail, n + returned);
      this.#callsBefore[returned] = call;
      this.#pendingBefore[returned] = pending;
    }
    this.#next[tail] = 2 * n;
    this.#previous[2 * n] = tail;
  }

  #append(tail: number, item: number): number {
    this.#next[tail] = item;
    this.#previous[item] = tail;
    return item;
  }

  #invoked(required: number): number {
    return actionAt(this.#actions, this.#required[required] as number).invoked;
  }

  run(budget: Budget): SearchResult {
    const n = this.#required.length;
    const pendings = this.#pending.length;
    const next = this.#next;
    const end = 2 * n;
    /** What was placed, in order (a required operation i as i, a pending one as ~i), and the state before each. */
    const trail = new Int32Array(n + pendings);
    const before = new Int32Array(n + pendings);
    /** 1 where something else can be tried in its place; then also the horizon it was chosen under. */
    const branches = new Uint8Array(n + pendings);
    const horizons = new Int32Array(n + pendings);
    let depth = 0;
    let placed = 0;
    let state = this.#initial;
    let mostPlaced = 0;
    let furthest = -1;

    for (;;) {
      // A new configuration: place what merely observes, up to the horizon.
      let event = next[end] as number;
      while (event < n) {
        if (
          this.#observes[event] === 1 &&
          this.#transitions.step(state, this.#required[event] as number) !== IMPOSSIBLE
        ) {
          if (!budget.spend())
            return { kind: "exhausted", placed: Math.max(mostPlaced, placed), required: n };
          this.#lift(event);
          trail[depth] = event;
          before[depth] = state;
          branches[depth++] = 0;
          placed++;
        }
        event = next[event] as number;
      }
      if (placed === n) return { kind: "linearizable", order: this.#order(trail.subarray(0, depth)) };
      if (placed > mostPlaced) mostPlaced = placed;
      let horizon = event - n;

      /** Where to go on looking for a candidate: an event of the list, or `end + i` for pending operation i. */
      let candidate = this.#isNew(state, horizon) ? (next[end] as number) : end + pendings;
      for (;;) {
        let chosen = -1;
        let after = IMPOSSIBLE;
        for (; candidate < n; candidate = next[candidate] as number) {
          if (this.#observes[candidate] === 1) continue;
          after = this.#transitions.step(state, this.#required[candidate] as number);
          if (after === IMPOSSIBLE) continue;
          if (after !== state && this.#strands(state, this.#reads[candidate] === state ? 1 : 0)) continue;
          chosen = candidate;
          break;
        }
        if (chosen < 0 && !this.#strands(state, 0)) {
          let i = candidate < end ? 0 : candidate - end;
          const usable = this.#pendingBefore[horizon] as number;
          for (; i < usable; i++) {
            if (has(this.#used, i)) continue;
            const twin = this.#twin[i] as number;
            if (twin >= 0 && !has(this.#used, twin)) continue;
            after = this.#transitions.step(state, this.#pending[i] as number);
            if (after === IMPOSSIBLE || after === state || !this.#matters(state, after, horizon)) continue;
            chosen = end + i;
            break;
          }
        }
        if (chosen >= 0) {
          if (!budget.spend())
            return { kind: "exhausted", placed: Math.max(mostPlaced, placed), required: n };
          before[depth] = state;
          branches[depth] = 1;
          horizons[depth] = horizon;
          if (chosen < n) {
            this.#lift(chosen);
            trail[depth++] = chosen;
            placed++;
          } else {
            flip(this.#used, chosen - end);
            this.#count(this.#supply, this.#pendingWrites[chosen - end] as number, -1);
            trail[depth++] = ~(chosen - end);
          }
          state = after;
          break;
        }
        // Nothing left to try here: take back the last choice, and what was observed after it.
        if (furthest < 0 || (this.#completed[horizon] as number) > (this.#completed[furthest] as number))
          furthest = horizon;
        let last = 0;
        do {
          if (depth === 0) return { kind: "violation", furthest: this.#required[furthest] as number };
          depth--;
          last = trail[depth] as number;
          if (last >= 0) {
            this.#unlift(last);
            placed--;
          } else {
            flip(this.#used, ~last);
            this.#count(this.#supply, this.#pendingWrites[~last] as number, 1);
          }
        } while (branches[depth] === 0);
        state = before[depth] as number;
        horizon = horizons[depth] as number;
        candidate = last >= 0 ? (next[last] as number) : end + ~last + 1;
      }
    }
  }

  /** True if leaving `state` leaves more than `leaver` readers of it behind for ever. */
  #strands(state: number, leaver: number): boolean {
    return (
      state < this.#demand.length && this.#supply[state] === 0 && (this.#demand[state] as number) > leaver
    );
  }

  /**
   * True if something that can come directly after a pending operation goes another way than without it. If
   * nothing does, a linearization with the pending operation is one without it, too.
   */
  #matters(without: number, state: number, horizon: number): boolean {
    const n = this.#required.length;
    for (let next = this.#next[2 * n] as number; next < n; next = this.#next[next] as number) {
      const position = this.#required[next] as number;
      const after = this.#transitions.step(state, position);
      if (after !== IMPOSSIBLE && after !== this.#transitions.step(without, position)) return true;
    }
    const usable = this.#pendingBefore[horizon] as number;
    for (let i = 0; i < usable; i++) {
      if (has(this.#used, i)) continue;
      const position = this.#pending[i] as number;
      const after = this.#transitions.step(state, position);
      if (after === IMPOSSIBLE || after === state) continue;
      if (after !== this.#transitions.step(without, position)) return true;
    }
    return false;
  }

  #count(counts: Int32Array, state: number, by: number): void {
    if (state >= 0) counts[state] = (counts[state] as number) + by;
  }

  /** Removes return and call from the list, in this order: the call then still knows what comes after it. */
  #lift(i: number): void {
    this.#unlink(this.#required.length + i);
    this.#unlink(i);
    flip(this.#placed, i);
    this.#count(this.#demand, this.#reads[i] as number, -1);
    this.#count(this.#supply, this.#writes[i] as number, -1);
  }

  /** Undoes the latest `#lift` not yet undone. */
  #unlift(i: number): void {
    this.#relink(i);
    this.#relink(this.#required.length + i);
    flip(this.#placed, i);
    this.#count(this.#demand, this.#reads[i] as number, 1);
    this.#count(this.#supply, this.#writes[i] as number, 1);
  }

  #unlink(item: number): void {
    const previous = this.#previous[item] as number;
    const next = this.#next[item] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #relink(item: number): void {
    this.#next[this.#previous[item] as number] = item;
    this.#previous[this.#next[item] as number] = item;
  }

  /** Remembers the current configuration; false if there is nothing to gain from it. */
  #isNew(state: number, horizon: number): boolean {
    // The list starts with a call: of two events of one operation it is the first.
    const first = this.#next[2 * this.#required.length] as number;
    const calls = this.#callsBefore[horizon] as number;
    const pendingWords = ((this.#pendingBefore[horizon] as number) + 31) >> 5;
    return this.#configurations.add(
      first,
      state,
      this.#placed,
      first >> 5,
      (calls - 1) >> 5,
      this.#used,
      pendingWords,
    );
  }

  /** Positions in the list of actions. */
  #order(trail: Int32Array): number[] {
    return Array.from(trail, (item) => (item >= 0 ? this.#required[item] : this.#pending[~item]) as number);
  }
}

function actionAt<In, Out>(actions: readonly Action<In, Out>[], position: number): Action<In, Out> {
  return actions[position] as Action<In, Out>;
}

function has(bits: Int32Array, i: number): boolean {
  return (((bits[i >> 5] as number) >>> (i & 31)) & 1) === 1;
}

function flip(bits: Int32Array, i: number): void {
  bits[i >> 5] = (bits[i >> 5] as number) ^ (1 << (i & 31));
}
