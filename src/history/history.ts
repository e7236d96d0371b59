/**
 * A finished history: its operations, checked to be well formed, and the events they are made of.
 *
 * It is kept as columns of numbers (columns.ts). Every view as objects is made when first asked for and kept; the
 * lists returned are shared and must not be changed. Views of a part (`forKey`) keep the indexes of the whole, so
 * that a witness found in a part is one in the whole.
 */
import { type Built, type Columns, ColumnsBuilder, NONE, rowsByKey } from "./columns.ts";
import type { FunctionName, Op, Signature } from "./op.ts";
import { completionAt, invocationAt, type Operation, type OperationOf, operationAt } from "./operation.ts";

export { MalformedHistory } from "./columns.ts";
export type { Operation, OperationOf } from "./operation.ts";

export class History<S extends Signature = Signature> {
  /** The operations of all clients. In a part, too: there, only `rows` belong to it. */
  readonly columns: Columns;
  /** The rows of `columns` that make up this view, by invocation. */
  readonly rows: Int32Array;
  readonly #nemesis: readonly Op[];
  #events: readonly Op<S>[] | undefined;
  #client: readonly Operation<S>[] | undefined;
  #parts: ReadonlyMap<string, History<S>> | undefined;
  readonly #functions = new Map<string, readonly Operation<S>[]>();

  /**
   * From a list of events, which must not change afterwards, or from what a `ColumnsBuilder` has built event by
   * event. Throws `MalformedHistory` for events that are none: see `ColumnsBuilder.add`. `rows` makes a part.
   */
  constructor(source: readonly Op<S>[] | Built, rows?: Int32Array) {
    const { columns, nemesis } = "columns" in source ? source : built(source as readonly Op[]);
    this.columns = columns;
    this.rows = rows ?? new Int32Array(columns.length).map((_, row) => row);
    this.#nemesis = nemesis;
    if (!("columns" in source)) this.#events = source;
  }

  /** All events in order: clients' and the nemesis's, or those of one key in a part. */
  get events(): readonly Op<S>[] {
    this.#events ??= this.#listed();
    return this.#events;
  }

  /** The clients' operations, by invocation. */
  get client(): readonly Operation<S>[] {
    this.#client ??= Array.from(this.operations());
    return this.#client;
  }

  /** As `client`, one by one: none is kept, so the history may be longer than memory could hold objects. */
  *operations(): Generator<Operation<S>, void> {
    for (const row of this.rows) yield operationAt(this.columns, row) as unknown as Operation<S>;
  }

  /** The events of the nemesis; their functions belong to the faults, not to `S`. Empty in a part. */
  get nemesis(): readonly Op[] {
    return this.#nemesis;
  }

  /** The keys clients used, by first use. Operations without a key count for none. */
  keys(): readonly string[] {
    return [...this.#byKey().keys()];
  }

  /** The part of the history that concerns one key; empty if it was never used. */
  forKey(key: string): History<S> {
    return this.#byKey().get(key) ?? this.#part(new Int32Array(0));
  }

  /** The clients' operations of one function, by invocation. */
  byFunction<F extends FunctionName<S>>(f: F): readonly OperationOf<S, F>[] {
    let selected = this.#functions.get(f);
    if (selected === undefined) {
      selected = this.client.filter((operation) => operation.f === f);
      this.#functions.set(f, selected);
    }
    return selected as readonly OperationOf<S, F>[];
  }

  #listed(): readonly Op<S>[] {
    const events: Op[] = [...this.#nemesis];
    for (const row of this.rows) {
      events.push(invocationAt(this.columns, row));
      if (this.columns.completeIndex[row] !== NONE) events.push(completionAt(this.columns, row));
    }
    return events.sort((a, b) => a.index - b.index) as unknown as readonly Op<S>[];
  }

  #byKey(): ReadonlyMap<string, History<S>> {
    this.#parts ??= new Map(
      [...rowsByKey(this.columns, this.rows)].map(([key, rows]) => [key, this.#part(rows)]),
    );
    return this.#parts;
  }

  #part(rows: Int32Array): History<S> {
    return new History<S>({ columns: this.columns, nemesis: [] }, rows);
  }
}

function built(events: readonly Op[]): Built {
  const builder = new ColumnsBuilder();
  for (const event of events) builder.add(event);
  return builder.build();
}
