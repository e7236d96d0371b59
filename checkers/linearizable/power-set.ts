/** Models in which one call can have several effects, made deterministic. */
import type { Model } from "./model.ts";

/** As `Model`, but with all states it may begin in and all that a step may lead to. */
export interface NondeterministicModel<State, In, Out> {
  readonly name: string;
  readonly summary: string;
  readonly init: readonly State[];
  /** Every state after `input` answered `output`; empty if it cannot. An undefined output stands for any answer. */
  steps(state: State, input: In, output: Out | undefined): readonly State[];
  /** Equal for equal states, and only for them. */
  key(state: State): string;
}

/**
 * The power-set construction (M. O. Rabin and D. Scott, "Finite Automata and Their Decision Problems", 1959): the
 * state is the set of all states the object can be in, and a call is impossible if it is in none of them. What only
 * observes an object in one state may change the set, as it rules out states: it must not be called observing.
 */
export function powerSet<State, In, Out>(
  model: NondeterministicModel<State, In, Out>,
): Model<readonly State[], In, Out> {
  const distinct = (states: readonly State[]): readonly State[] => {
    if (states.length < 2) return states;
    const byKey = new Map(states.map((state) => [model.key(state), state]));
    return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, state]) => state);
  };
  return {
    name: model.name,
    summary: model.summary,
    init: distinct(model.init),
    key: (states) => JSON.stringify(states.map((state) => model.key(state))),
    step(states, input, output) {
      const after = distinct(states.flatMap((state) => model.steps(state, input, output)));
      return after.length === 0 ? undefined : after;
    },
  };
}
