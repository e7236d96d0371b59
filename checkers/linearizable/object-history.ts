/** The operations on one object, as objects or as numbers, whichever somebody asks for. */
import { type Accesses, AccessReader, type Intervals, intervals, NEVER } from "./accesses.ts";
import { type Action, type Called, type Model, PENDING } from "./model.ts";

/** By invocation. Operations become objects only when asked for, as a million of them need much memory. */
export interface ObjectHistory<In, Out> {
  readonly length: number;
  /** There may be room for more operations than there are. */
  readonly intervals: Intervals;
  /** Undefined if there is more to the operations than values. */
  readonly accesses: Accesses | undefined;
  /** What was asked and answered; made anew each time. */
  called(position: number): Called<In, Out>;
  action(position: number): Action<In, Out>;
  /** All; kept once they are made. */
  actions(): readonly Action<In, Out>[];
}

/** A list of operations, which must be by invocation. */
export function listed<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
): ObjectHistory<In, Out> {
  const action = (position: number) => actions[position] as Action<In, Out>;
  const between = intervalsOf(actions);
  const reader = new AccessReader(model, between);
  for (const { input, output } of actions) reader.add(input, output);
  return {
    length: actions.length,
    intervals: between,
    accesses: reader.accesses,
    called: action,
    action,
    actions: () => actions,
  };
}

function intervalsOf(actions: readonly Action<unknown, unknown>[]): Intervals {
  const between = intervals(actions.length);
  actions.forEach(({ invoked, completed }, position) => {
    between.invoked[position] = invoked;
    between.completed[position] = completed === PENDING ? NEVER : completed;
  });
  return between;
}
