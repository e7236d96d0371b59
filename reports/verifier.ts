/**
 * Confirms a violation, and knows nothing of the checkers, the workloads or the store: it tries every order of a few
 * operations that respects real time. If none explains what they returned, no system that kept its promise did that.
 */
export type Step = readonly [
  act: "write" | "read" | "append" | "list" | "members",
  object: string,
  value: unknown,
];
export interface Certified {
  /** Events of the history: what was completed before another was invoked comes before it. */
  readonly invoked: number;
  /** Null for one that may have happened at any later time, or never. */
  readonly completed: number | null;
  /** What it did in one instant. A register that was never written holds null. */
  readonly steps: readonly Step[];
}
type State = { readonly [object: string]: readonly unknown[] };

const text = (value: unknown) => JSON.stringify(value);
const unordered = (values: unknown) => text((values as readonly unknown[]).map(text).sort());

/** The state after a step; undefined if what it returned does not fit. */
function after(state: State, [act, object, value]: Step): State | undefined {
  const now = state[object] ?? [];
  switch (act) {
    case "write":
      return { ...state, [object]: [value] };
    case "append":
      return { ...state, [object]: [...now, value] };
    case "read":
      return text(now[0] ?? null) === text(value) ? state : undefined;
    case "list":
      return text(now) === text(value) ? state : undefined;
    case "members":
      return unordered(now) === unordered(value) ? state : undefined;
  }
}

/** Whether no order explains the operations. Takes up to n! steps for n of them. */
export function contradictory(operations: readonly Certified[], state: State = {}): boolean {
  if (operations.every(({ completed }) => completed === null)) return false;
  return operations.every((first) => {
    if (operations.some(({ completed }) => completed !== null && completed < first.invoked)) return true;
    const next = first.steps.reduce<State | undefined>((now, step) => now && after(now, step), state);
    const rest = operations.filter((operation) => operation !== first);
    return next === undefined || contradictory(rest, next);
  });
}
