/**
 * Decides one object by the best way that its history offers: by unique values, where these tell who wrote what;
 * by the order that its revisions claim, if that proves to be a linearization; by rules that the model knows; else
 * by search.
 *
 * No way is believed blindly. An order has been replayed, whoever proposed it. A violation that was found without
 * searching comes down to a few operations, and the search has to find these contradictory, too.
 */
import { Budget } from "../../src/checker.ts";
import { claimedLinearization } from "./claimed-order.ts";
import type { Member } from "./contradiction.ts";
import { type Action, type Model, PENDING } from "./model.ts";
import { listed, type ObjectHistory } from "./object-history.ts";
import { type SearchResult, search } from "./search.ts";
import { decideByValues } from "./unique-values.ts";
import { type Item, itemOf, minimalWitness, withoutExpendable } from "./witness.ts";

/** What decided: unique values, the order that revisions claim, rules that the model knows, or a search. */
export type Method = "values" | "revisions" | "direct" | "search";

export type Decision =
  /** `order` holds positions in the list of actions. */
  | { readonly kind: "linearizable"; readonly by: Method; readonly order: readonly number[] | Int32Array }
  /**
   * Without a `witness`: no order gets past the completion of `impossible`, so that the actions invoked before that
   * event have no linearization. With one: these actions contradict each other whatever the others did, and
   * `impossible` is the one of them that nothing gets past. `related` are those, and whose values they met.
   */
  | {
      readonly kind: "violation";
      readonly by: Method;
      readonly impossible: number;
      readonly witness?: readonly number[];
      readonly related?: readonly number[];
    }
  | (SearchResult & { readonly kind: "exhausted" });

/** Two ways to decide gave different answers, so one of them is wrong, and no verdict can be believed. */
export class Disagreement extends Error {
  override readonly name = "Disagreement";
}

/** Steps for a search that confirms what was found without one. */
const CONFIRMING_STEPS = 200_000;
/** Operations in a sample that is also searched. */
const SAMPLE = 40;

/** Decides a list in any order. */
export function decide<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  budget: Budget,
): Decision {
  const positions = actions.map((_, position) => position);
  positions.sort((a, b) => actionAt(actions, a).invoked - actionAt(actions, b).invoked);
  const sorted = positions.map((position) => actionAt(actions, position));
  const result = decideObject(model, listed(model, sorted), budget);
  const original = (position: number) => positions[position] as number;
  switch (result.kind) {
    case "linearizable":
      return { ...result, order: Array.from(result.order, original) };
    case "violation":
      return {
        ...result,
        impossible: original(result.impossible),
        ...(result.witness && { witness: result.witness.map(original) }),
        ...(result.related && { related: result.related.map(original) }),
      };
    case "exhausted":
      return result;
  }
}

/** Throws `Disagreement`. */
export function decideObject<State, In, Out>(
  model: Model<State, In, Out>,
  object: ObjectHistory<In, Out>,
  budget: Budget,
): Decision {
  if (object.accesses !== undefined) {
    const byValues = decideByValues(object.accesses, model.blind !== undefined);
    if (byValues.kind === "linearizable") return { ...byValues, by: "values" };
    if (byValues.kind === "violation") return confirmed(model, object, byValues.core);
  }
  const actions = object.actions();
  const claimed = claimedLinearization(model, actions);
  if (claimed !== undefined) return { kind: "linearizable", by: "revisions", order: claimed };
  const direct = model.direct?.(actions);
  if (direct?.kind === "linearizable") return { ...direct, by: "direct" };
  if (direct?.kind === "violation")
    return { ...direct, by: "direct", impossible: lastOf(actions, direct.witness), related: direct.witness };
  const result = searchReduced(model, actions, budget);
  switch (result.kind) {
    case "linearizable":
      return { ...result, by: "search" };
    case "violation": {
      const impossible = firstImpossible(model, actions, result.furthest, budget);
      return { kind: "violation", by: "search", impossible };
    }
    case "exhausted":
      return result;
  }
}

/**
 * Decides the first few operations of an object by values and by search, and throws `Disagreement` if the answers
 * differ: the same sample on every machine, to hold the fast way to what the slow one says on real histories.
 */
export function crossCheck<State, In, Out>(
  model: Model<State, In, Out>,
  object: ObjectHistory<In, Out>,
): void {
  const first = Array.from({ length: Math.min(SAMPLE, object.length) }, (_, i) => object.action(i));
  const end = object.length > SAMPLE ? object.action(SAMPLE).invoked : PENDING;
  const sample = until(first, end);
  const { accesses } = listed(model, sample);
  if (accesses === undefined) return;
  const fast = decideByValues(accesses, model.blind !== undefined);
  if (fast.kind === "undecided") return;
  const slow = search(model, sample, new Budget(CONFIRMING_STEPS));
  if (slow.kind === "exhausted" || slow.kind === fast.kind) return;
  throw new Disagreement(
    `the first ${sample.length} operations of an object are a ${fast.kind} by values, but a ${slow.kind} by search`,
  );
}

/** The violation that `members` make, once the search has found them contradictory as well. */
function confirmed<State, In, Out>(
  model: Model<State, In, Out>,
  object: ObjectHistory<In, Out>,
  members: readonly Member[],
): Decision {
  const positions = members.map(({ position }) => position);
  const actions = members.map(({ position, blind }) => {
    const action = object.action(position);
    return blind ? { ...action, ...model.blind?.(action.input, action.output) } : action;
  });
  const budget = new Budget(CONFIRMING_STEPS);
  const result = search(model, actions, budget);
  if (result.kind === "linearizable") {
    const events = actions.map(({ invoked }) => invoked).join(", ");
    throw new Disagreement(
      `the operations of events ${events} contradict each other by values, but not by search`,
    );
  }
  const culprit =
    result.kind === "violation"
      ? firstImpossible(model, actions, result.furthest, budget)
      : actions.length - 1;
  const witness = minimalWitness(model, actions, culprit, budget);
  return {
    kind: "violation",
    by: "values",
    impossible: positions[culprit] as number,
    witness: witness.positions.map((position) => positions[position] as number),
    related: positions,
  };
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
  return actionAt(actions, position).completed;
}

function actionAt<In, Out>(actions: readonly Action<In, Out>[], position: number): Action<In, Out> {
  return actions[position] as Action<In, Out>;
}

/** The one whose completion is the last, of those that have one. */
function lastOf<In, Out>(actions: readonly Action<In, Out>[], positions: readonly number[]): number {
  const required = positions.filter((position) => completed(actions, position) !== PENDING);
  return required.reduce((last, i) => (completed(actions, i) > completed(actions, last) ? i : last));
}
