/**
 * A model as a table over small integers, filled on demand: states and operations get numbers, and a step taken
 * once is never computed again.
 */
import type { Action, Model } from "./model.ts";

/** In place of a state: the operation cannot do this here. */
export const IMPOSSIBLE = -1;
const UNUSED = -1;

export class Transitions<State, In, Out> {
  readonly #model: Model<State, In, Out>;
  readonly #actions: readonly Action<In, Out>[];
  readonly #ids = new Map<string | number, number>();
  readonly #states: State[] = [];
  /** Open addressing over (state, action); -1 in `#fromState` marks a free slot. */
  #fromState = new Int32Array(1 << 6).fill(UNUSED);
  #byAction = new Int32Array(1 << 6);
  #toState = new Int32Array(1 << 6);
  #count = 0;

  constructor(model: Model<State, In, Out>, actions: readonly Action<In, Out>[]) {
    this.#model = model;
    this.#actions = actions;
  }

  /** How many states have a number; they are numbered from 0. */
  get size(): number {
    return this.#states.length;
  }

  /** The number of a state; equal states share it. */
  id(state: State): number {
    const key = this.#model.key(state);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#states.length;
    this.#ids.set(key, id);
    this.#states.push(state);
    return id;
  }

  state(id: number): State {
    return this.#states[id] as State;
  }

  /** The state after the action with this number, or `IMPOSSIBLE`. */
  step(state: number, action: number): number {
    const mask = this.#fromState.length - 1;
    let slot = slotOf(state, action) & mask;
    for (;;) {
      const from = this.#fromState[slot] as number;
      if (from === UNUSED) break;
      if (from === state && this.#byAction[slot] === action) return this.#toState[slot] as number;
      slot = (slot + 1) & mask;
    }
    const { input, output } = this.#actions[action] as Action<In, Out>;
    const next = this.#model.step(this.#states[state] as State, input, output);
    const to = next === undefined ? IMPOSSIBLE : this.id(next);
    this.#fromState[slot] = state;
    this.#byAction[slot] = action;
    this.#toState[slot] = to;
    if (++this.#count * 2 > this.#fromState.length) this.#grow();
    return to;
  }

  #grow(): void {
    const fromState = this.#fromState;
    const byAction = this.#byAction;
    const toState = this.#toState;
    const length = fromState.length * 4;
    this.#fromState = new Int32Array(length).fill(UNUSED);
    this.#byAction = new Int32Array(length);
    this.#toState = new Int32Array(length);
    for (let i = 0; i < fromState.length; i++) {
      const from = fromState[i] as number;
      if (from === UNUSED) continue;
      let slot = slotOf(from, byAction[i] as number) & (length - 1);
      while (this.#fromState[slot] !== UNUSED) slot = (slot + 1) & (length - 1);
      this.#fromState[slot] = from;
      this.#byAction[slot] = byAction[i] as number;
      this.#toState[slot] = toState[i] as number;
    }
  }
}

function slotOf(state: number, action: number): number {
  let h = Math.imul(state, 0x9e3779b1) ^ Math.imul(action, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
