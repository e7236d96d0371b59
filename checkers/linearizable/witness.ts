/**
 * From a history without a linearization to the few operations that contradict each other.
 *
 * Every change made here is *sound*: had the operations before it a linearization, so would those after it.
 * Hence operations left over without one prove that the whole has none, and nobody needs to know the rest.
 * - Operations invoked after the completion no order gets past play no part.
 * - One that only observes may always go.
 * - A successful compare-and-set may be taken for the plain write it contains.
 * - An update may go if nothing left has read its value, and nothing left would mind the value it covered.
 */
import { Budget } from "../../src/checker.ts";
import type { Json } from "../../src/history/op.ts";
import { type Access, type Action, type Model, PENDING } from "./model.ts";
import { search } from "./search.ts";

/** An operation on its way into, or out of, a witness. */
export interface Item<In, Out> {
  readonly position: number;
  readonly action: Action<In, Out>;
  readonly access: Access;
  readonly observes: boolean;
}

export interface Witness<In, Out> {
  /** Positions in the list of actions, by invocation. */
  readonly positions: readonly number[];
  /** The same operations as they are to be taken: without a linearization. */
  readonly actions: readonly Action<In, Out>[];
}

/** Shrinks `actions`, of which `search` said that none gets past `impossible`, while steps are left. */
export function minimalWitness<State, In, Out>(
  model: Model<State, In, Out>,
  actions: readonly Action<In, Out>[],
  impossible: number,
  budget: Budget,
): Witness<In, Out> {
  const horizon = (actions[impossible] as Action<In, Out>).completed;
  let items: Item<In, Out>[] = [];
  actions.forEach((action, position) => {
    if (action.invoked < horizon) items.push(itemOf(model, action, position));
  });
  items.sort((a, b) => a.action.invoked - b.action.invoked);
  const proves = (candidate: readonly Item<In, Out>[]) => {
    const steps = new Budget(budget.left);
    const result = search(
      model,
      candidate.map((item) => item.action),
      steps,
    );
    budget.spend(steps.total - steps.left);
    return result.kind === "violation";
  };
  const keep = (item: Item<In, Out>) => item.position === impossible;

  let size: number;
  do {
    size = items.length;
    items = shrink(items, proves, (part) =>
      part.filter((item) => keep(item) || !item.observes || item.action.completed === PENDING),
    );
    items = shrink(items, proves, (part, rest) => withoutExpendable(model, part, rest, keep));
    items = shrink(items, proves, (part) => part.map((item) => (keep(item) ? item : blinded(model, item))));
  } while (items.length < size && budget.left > 0);
  return { positions: items.map((item) => item.position), actions: items.map((item) => item.action) };
}

export function itemOf<State, In, Out>(
  model: Model<State, In, Out>,
  action: Action<In, Out>,
  position: number,
): Item<In, Out> {
  const { input, output } = action;
  return {
    position,
    action,
    access: model.access?.(input, output) ?? {},
    observes: model.observes?.(input, output) ?? false,
  };
}

/** As the write it contains, if it is a successful compare-and-set. */
export function blinded<State, In, Out>(model: Model<State, In, Out>, item: Item<In, Out>): Item<In, Out> {
  const blind = model.blind?.(item.action.input, item.action.output);
  return blind === undefined ? item : itemOf(model, { ...item.action, ...blind }, item.position);
}

/**
 * Applies `change` to ever smaller parts of the list, from the whole to single items, and keeps what still proves
 * the violation (delta debugging: A. Zeller and R. Hildebrandt, "Simplifying and Isolating Failure-Inducing
 * Input", 2002).
 */
function shrink<T>(
  items: T[],
  proves: (items: readonly T[]) => boolean,
  change: (part: readonly T[], rest: readonly T[]) => readonly T[],
): T[] {
  let current = items;
  for (let size = current.length; size >= 1; size = size >> 1) {
    for (let from = 0; from < current.length; ) {
      const part = current.slice(from, from + size);
      const before = current.slice(0, from);
      const after = current.slice(from + size);
      const changed = change(part, [...before, ...after]);
      const differs = changed.length < part.length || changed.some((item, i) => item !== part[i]);
      const candidate = differs ? [...before, ...changed, ...after] : current;
      if (differs && proves(candidate)) {
        current = candidate;
        from += changed.length;
      } else from += size;
    }
  }
  return current;
}

/** `part` without the updates that can go, latest first: a value nobody has read makes its predecessor unread too. */
export function withoutExpendable<State, In, Out>(
  model: Model<State, In, Out>,
  part: readonly Item<In, Out>[],
  rest: readonly Item<In, Out>[],
  keep: (item: Item<In, Out>) => boolean,
): readonly Item<In, Out>[] {
  const read = new Map<string, number>();
  const exclusions = new Exclusions(model, [...part, ...rest]);
  const count = ({ access }: Item<In, Out>, by: 1 | -1) => {
    if (access.reads !== undefined) increase(read, access.reads, by);
  };
  for (const item of rest) count(item, 1);
  for (const item of part) count(item, 1);
  const kept: Item<In, Out>[] = [];
  for (let i = part.length - 1; i >= 0; i--) {
    const item = part[i] as Item<In, Out>;
    const { writes } = item.access;
    count(item, -1);
    const expendable =
      writes !== undefined && !keep(item) && !read.get(JSON.stringify(writes)) && !exclusions.need(item);
    if (expendable) continue;
    count(item, 1);
    kept.unshift(item);
  }
  return kept;
}

/**
 * Operations that say which value they did not meet. An update that covers that value in time must stay: it may be
 * what makes them right. One that comes after them, or before anybody wrote that value, cannot.
 */
class Exclusions<In, Out> {
  /** By value: when the last operation that excludes it completed, and when its first writer was invoked. */
  readonly #values = new Map<string, { lastCompleted: number; firstWritten: number }>();

  constructor(model: Model<unknown, In, Out>, items: readonly Item<In, Out>[]) {
    for (const { action, access } of items) {
      if (access.excludes === undefined) continue;
      const text = JSON.stringify(access.excludes);
      const known = this.#values.get(text);
      const firstWritten = JSON.stringify(model.init) === text ? -1 : Number.POSITIVE_INFINITY;
      if (known === undefined) this.#values.set(text, { lastCompleted: action.completed, firstWritten });
      else known.lastCompleted = Math.max(known.lastCompleted, action.completed);
    }
    if (this.#values.size === 0) return;
    for (const { action, access } of items) {
      const value = access.writes === undefined ? undefined : this.#values.get(JSON.stringify(access.writes));
      if (value !== undefined) value.firstWritten = Math.min(value.firstWritten, action.invoked);
    }
  }

  need({ action, access }: Item<In, Out>): boolean {
    for (const [text, { lastCompleted, firstWritten }] of this.#values) {
      // A compare-and-set covers one value only.
      if (access.reads !== undefined && JSON.stringify(access.reads) !== text) continue;
      if (lastCompleted > action.invoked && firstWritten < action.completed) return true;
    }
    return false;
  }
}

function increase(counts: Map<string, number>, value: Json, by: number): void {
  const text = JSON.stringify(value);
  counts.set(text, (counts.get(text) ?? 0) + by);
}
