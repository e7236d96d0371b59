/** The operations on one object, as objects or as numbers, whichever somebody asks for. */
import { type Accesses, accessesOf } from "./accesses.ts";
import type { Action, Model } from "./model.ts";

/** By invocation. Operations become objects only when asked for, as a million of them need much memory. */
export interface ObjectHistory<In, Out> {
  /** Undefined if there is more to the operations than values. */
  readonly accesses: Accesses | undefined;
  readonly length: number;
  action(position: number): Action<In, Out>;
  /** All; kept once they are made. */
  actions(): readonly Action<In, Out>[];
}

/** A list of operations, which must be by invocation. */
export function listed<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): ObjectHistory<In, Out> {
  return {
    accesses: accessesOf(model, actions),
    length: actions.length,
    action: (position) => actions[position] as Action<In, Out>,
    actions: () => actions,
  };
}
