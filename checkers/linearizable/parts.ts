/**
 * The part of a history that concerns one object, as rows of the history's columns. Operations become objects only
 * for those who ask: of a long history most never do.
 */
import type { History, Operation } from "../../src/history/history.ts";
import type { Json, Signature } from "../../src/history/op.ts";
import { operationAt } from "../../src/history/operation.ts";
import { Accesses, accessOf } from "./accesses.ts";
import type { ObjectHistory } from "./decision.ts";
import { type Action, type Model, PENDING } from "./model.ts";

/** What one operation of the history did to one object. */
export interface ObjectCall<In, Out> {
  /** Names the object; "" if there is only one. */
  readonly object: string;
  readonly input: In;
  /** Undefined: unknown. Ignored unless the operation was ok. */
  readonly output: Out | undefined;
}

/** The objects an operation acted on. Calls on several objects are checked as if they were made separately. */
export type Translation<S extends Signature, In, Out> = (
  operation: Operation<S>,
) => readonly ObjectCall<In, Out>[];

/** The revision named by the reply to an operation, if any: see `Action.revision`. */
export type Claim<S extends Signature> = (operation: Operation<S>) => number | undefined;

/** How a history is to be understood. */
export interface Reading<S extends Signature, State, In, Out> {
  readonly history: History<S>;
  readonly model: Model<State, In, Out>;
  readonly translate: Translation<S, In, Out>;
  readonly revisionOf: Claim<S>;
}

export class Part<S extends Signature, State, In, Out> implements ObjectHistory<In, Out> {
  readonly object: string;
  accesses: Accesses | undefined;
  readonly #reading: Reading<S, State, In, Out>;
  /** By call: the row of its operation. */
  readonly #rows: number[] = [];
  readonly #failed: number[] = [];
  #actions: readonly Action<In, Out>[] | undefined;

  constructor(reading: Reading<S, State, In, Out>, object: string) {
    this.#reading = reading;
    this.object = object;
    if (reading.model.access !== undefined) this.accesses = new Accesses(reading.model.init as Json);
  }

  get length(): number {
    return this.#rows.length;
  }

  action(position: number): Action<In, Out> {
    if (this.#actions !== undefined) return this.#actions[position] as Action<In, Out>;
    const row = this.#rows[position] as number;
    return this.#of(row)[position - this.#rows.indexOf(row)] as Action<In, Out>;
  }

  actions(): readonly Action<In, Out>[] {
    this.#actions ??= this.made();
    return this.#actions;
  }

  /** As `actions`, but nobody keeps them: for who needs those of many objects, one after another. */
  made(): readonly Action<In, Out>[] {
    const made: Action<In, Out>[] = [];
    let last = -1;
    for (const row of this.#rows) {
      if (row !== last) for (const action of this.#of(row)) made.push(action);
      last = row;
    }
    return made;
  }

  /** Those that certainly did nothing. */
  failed(): readonly Action<In, Out>[] {
    return this.#failed.flatMap((row) => this.#of(row));
  }

  /** Adds what the operation of `row` did to this object; later rows must come later. */
  add(row: number, operation: Operation<S>, { input, output }: ObjectCall<In, Out>): void {
    const { type, invokeIndex, completeIndex } = operation;
    if (type === "fail") {
      if (this.#failed.at(-1) !== row) this.#failed.push(row);
      return;
    }
    this.#rows.push(row);
    if (this.accesses === undefined) return;
    const pending = type !== "ok";
    const access = accessOf(this.#reading.model, input, pending ? undefined : output, pending);
    if (access === undefined) this.accesses = undefined;
    else this.accesses.add(access, invokeIndex, pending ? PENDING : completeIndex);
  }

  #of(row: number): Action<In, Out>[] {
    const { history, model, translate } = this.#reading;
    const operation = operationAt(history.columns, row) as unknown as Operation<S>;
    const actions: Action<In, Out>[] = [];
    for (const call of translate(operation))
      if (call.object === this.object && says(model, operation, call))
        actions.push(this.#actionOf(operation, call));
    return actions;
  }

  #actionOf(operation: Operation<S>, { input, output }: ObjectCall<In, Out>): Action<In, Out> {
    const { type, process, node, invokeIndex, completeIndex } = operation;
    const ok = type === "ok";
    return {
      input,
      output: ok ? output : undefined,
      invoked: invokeIndex,
      completed: ok ? completeIndex : PENDING,
      process,
      node,
      revision: ok ? this.#reading.revisionOf(operation) : undefined,
    };
  }
}

/** By object, in the order of their first use. */
export function partsOf<S extends Signature, State, In, Out>(
  reading: Reading<S, State, In, Out>,
): ReadonlyMap<string, Part<S, State, In, Out>> {
  const { history, model, translate } = reading;
  const parts = new Map<string, Part<S, State, In, Out>>();
  for (const row of history.rows) {
    const operation = operationAt(history.columns, row) as unknown as Operation<S>;
    for (const call of translate(operation)) {
      if (!says(model, operation, call)) continue;
      let part = parts.get(call.object);
      if (part === undefined) {
        part = new Part(reading, call.object);
        parts.set(call.object, part);
      }
      part.add(row, operation, call);
    }
  }
  return parts;
}

/** False of an observation whose answer is unknown: it observed nothing. */
function says<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  { type }: Operation<S>,
  { input, output }: ObjectCall<In, Out>,
): boolean {
  return (type === "ok" && output !== undefined) || !model.observes?.(input, undefined);
}
