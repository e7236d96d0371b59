/** What a linearization is, so that any order, wherever it comes from, can be verified in linear time. */
import { type Action, type Model, PENDING } from "./model.ts";

/**
 * True if `order`, positions in the list of actions, is a linearization of them: it has every required action once
 * and every pending one at most once, explains every answer, and no action comes after one that was invoked only
 * when it had completed.
 */
export function isLinearization<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  order: Iterable<number>,
): boolean {
  const placed = new Uint8Array(actions.length);
  let state = model.init;
  let latestInvoked = -1;
  for (const position of order) {
    const action = actions[position];
    if (action === undefined || placed[position] === 1 || action.completed < latestInvoked) return false;
    const after = model.step(state, action.input, action.output);
    if (after === undefined) return false;
    placed[position] = 1;
    state = after;
    if (action.invoked > latestInvoked) latestInvoked = action.invoked;
  }
  return actions.every(({ completed }, position) => completed === PENDING || placed[position] === 1);
}
