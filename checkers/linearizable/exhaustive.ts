/**
 * Linearizability by its definition: every order of every choice of the pending operations is tried. For tests,
 * of histories of at most eight operations or so; shares nothing with the search but the model.
 */
import { type Action, type Model, PENDING } from "./model.ts";

export function isLinearizable<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): boolean {
  const extend = (state: State, left: readonly Action<In, Out>[]): boolean => {
    if (left.every((action) => action.completed === PENDING)) return true;
    return left.some((action) => {
      const preceded = left.some((other) => other.completed < action.invoked);
      if (preceded) return false;
      const after = model.step(state, action.input, action.output);
      return (
        after !== undefined &&
        extend(
          after,
          left.filter((other) => other !== action),
        )
      );
    });
  };
  return extend(model.init, actions);
}
