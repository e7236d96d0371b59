/**
 * Decides one object: by the order that its revisions claim, if that proves to be a linearization; else by search,
 * which looks at values and real time alone, and has to decide every violation.
 */
import type { Budget } from "../../src/checker.ts";
import { claimedLinearization } from "./claimed-order.ts";
import { type Action, type Model, PENDING } from "./model.ts";
import { type SearchResult, search } from "./search.ts";
import { type Item, itemOf, withoutExpendable } from "./witness.ts";

export type Decision =
  /** `order` holds positions in the list of actions; `claimed`: it is that of the revisions, and nothing was searched. */
  | { readonly kind: "linearizable"; readonly order: readonly number[]; readonly claimed: boolean }
  /**
   * No order gets past the completion of `impossible`: the actions invoked before that event have no
   * linearization. It is the first such action, unless the budget ended before that was found out. Or `witness`
   * has the actions that contradict each other, and `impossible` is the last of them to complete.
   */
  | { readonly kind: "violation"; readonly impossible: number; readonly witness?: readonly number[] }
  | (SearchResult & { readonly kind: "exhausted" });

export function decide<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  budget: Budget,
): Decision {
  const claimed = claimedLinearization(model, actions);
  if (claimed !== undefined) return { kind: "linearizable", order: claimed, claimed: true };
  const direct = model.direct?.(actions);
  if (direct?.kind === "linearizable") return { ...direct, claimed: false };
  if (direct?.kind === "violation") return { ...direct, impossible: lastOf(actions, direct.witness) };
  const result = searchReduced(model, actions, budget);
  if (result.kind === "linearizable") return { ...result, claimed: false };
  if (result.kind === "violation")
    return { kind: "violation", impossible: firstImpossible(model, actions, result.furthest, budget) };
  return result;
}

/** Pending operations that cannot help anybody are left out, as each would double what there is to search. */
function searchReduced<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  budget: Budget,
): SearchResult {
  const items = actions.map((action, position) => itemOf(model, action, position));
  const required = items.filter(({ action }) => action.completed !== PENDING);
  const pending = items.filter(({ action }) => action.completed === PENDING);
  const helpful = [...required, ...withoutExpendable(model, pending, required, () => false)];
  const result = search(
    model,
    helpful.map(({ action }) => action),
    budget,
  );
  const positionOf = (i: number) => (helpful[i] as Item<In, Out>).position;
  switch (result.kind) {
    case "linearizable":
      return { ...result, order: result.order.map(positionOf) };
    case "violation":
      return { ...result, furthest: positionOf(result.furthest) };
    case "exhausted":
      return result;
  }
}

/**
 * By bisection over the completions, in a history that has no linearization as a whole; but first where the search
 * for it got stuck, which is no later, and most often just there.
 */
function firstImpossible<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  furthest: number,
  budget: Budget,
): number {
  const completions = actions.map((_, position) => position).filter((i) => completed(actions, i) !== PENDING);
  completions.sort((a, b) => completed(actions, a) - completed(actions, b));
  let possible = completions.indexOf(furthest) - 1;
  let impossible = completions.length - 1;
  let middle = possible + 1;
  while (impossible - possible > 1) {
    const end = completed(actions, completions[middle] as number);
    const result = searchReduced(model, until(actions, end), budget);
    if (result.kind === "exhausted") break;
    if (result.kind === "violation") impossible = middle;
    else possible = middle;
    middle = (possible + impossible) >> 1;
  }
  return completions[impossible] as number;
}

/** The history as it was right after event `end`: what had not completed may yet take effect, or never. */
function until<In, Out>(actions: readonly Action<In, Out>[], end: number): readonly Action<In, Out>[] {
  return actions
    .filter(({ invoked }) => invoked < end)
    .map((action) => (action.completed > end ? { ...action, completed: PENDING } : action));
}

function completed<In, Out>(actions: readonly Action<In, Out>[], position: number): number {
  return (actions[position] as Action<In, Out>).completed;
}

/** The one whose completion is the last, of those that have one. */
function lastOf<In, Out>(actions: readonly Action<In, Out>[], positions: readonly number[]): number {
  const required = positions.filter((position) => completed(actions, position) !== PENDING);
  return required.reduce((last, i) => (completed(actions, i) > completed(actions, last) ? i : last));
}
