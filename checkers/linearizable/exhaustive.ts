/**
 * Linearizability by its definition: every order of every choice of the pending operations is tried. For tests,
 * of histories of at most eight operations or so; shares nothing with the search but the model.
 */
import { type Action, type Model, PENDING } from "./model.ts";

/** For at most 31 actions. */
export function isLinearizable<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): boolean {
  /** For each action, the set of those that completed before it was invoked. */
  const preceding = actions.map(({ invoked }) => setOf(actions, (other) => other.completed < invoked));
  const required = setOf(actions, ({ completed }) => completed !== PENDING);
  const extend = (state: State, left: number): boolean => {
    if ((left & required) === 0) return true;
    for (let i = 0; i < actions.length; i++) {
      if ((left & (1 << i)) === 0 || ((preceding[i] as number) & left) !== 0) continue;
      const { input, output } = actions[i] as Action<In, Out>;
      const after = model.step(state, input, output);
      if (after !== undefined && extend(after, left & ~(1 << i))) return true;
    }
    return false;
  };
  return extend(
    model.init,
    setOf(actions, () => true),
  );
}

function setOf<T>(items: readonly T[], belongs: (item: T) => boolean): number {
  return items.reduce((set, item, i) => (belongs(item) ? set | (1 << i) : set), 0);
}
