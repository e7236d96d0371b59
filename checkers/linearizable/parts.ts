/**
 * The parts of a history that concern one object each. Operations become objects only for those who ask: of a long
 * history most never do.
 */
import type { OpenPart } from "../../src/checker.ts";
import { type Columns, gathered, TYPES } from "../../src/history/columns.ts";
import { type Excerpt, excerptOf } from "../../src/history/excerpt.ts";
import type { History, Operation } from "../../src/history/history.ts";
import type { Signature } from "../../src/history/op.ts";
import { operationAt } from "../../src/history/operation.ts";
import { type Accesses, AccessReader } from "./accesses.ts";
import { groupedBy } from "./counting-sort.ts";
import { type Action, type Model, PENDING } from "./model.ts";
import type { ObjectHistory } from "./object-history.ts";

/** What was asked of an object. */
export interface Called<In, Out> {
  readonly input: In;
  /** Undefined: unknown. Ignored unless the operation was ok. */
  readonly output: Out | undefined;
}

/** What one operation of the history did to one object. */
export interface ObjectCall<In, Out> extends Called<In, Out> {
  /** Names the object; "" if there is only one. */
  readonly object: string;
}

/**
 * What an operation did to the object that its key names, undefined: nothing. Or, for operations on objects of their
 * own choice, all that it did: calls on several objects are checked as if they were made separately.
 */
export type Translation<S extends Signature, In, Out> =
  | ((operation: Operation<S>) => Called<In, Out> | undefined)
  | { readonly calls: (operation: Operation<S>) => readonly ObjectCall<In, Out>[] };

/** The revision named by the reply to an operation, if any: see `Action.revision`. */
export type Claim<S extends Signature> = (operation: Operation<S>) => number | undefined;

/** How a history is to be understood. */
export interface Reading<S extends Signature, State, In, Out> {
  readonly history: History<S>;
  readonly model: Model<State, In, Out>;
  readonly translate: Translation<S, In, Out>;
  readonly revisionOf: Claim<S>;
}

const FAIL = TYPES.indexOf("fail");

/** Calls by object: those of one are the rows of `columns` from `from` up to `to`. */
interface Rows {
  readonly columns: Columns;
  readonly from: number;
  readonly to: number;
  /** By row: which of the calls of its operation it is; not there if all operations have one. */
  readonly nth: Int32Array | undefined;
}

/** One object, and where its operations are. */
export class Part<S extends Signature, State, In, Out> implements OpenPart {
  readonly object: string;
  readonly #reading: Reading<S, State, In, Out>;
  readonly #rows: Rows;

  constructor(reading: Reading<S, State, In, Out>, object: string, rows: Rows) {
    this.#reading = reading;
    this.object = object;
    this.#rows = rows;
  }

  /** How many calls there are; some may tell nothing. */
  get size(): number {
    return this.#rows.to - this.#rows.from;
  }

  excerpt(): Excerpt {
    const { columns, from, to } = this.#rows;
    const rows = Int32Array.from({ length: to - from }, (_, i) => from + i);
    // Several calls of one operation are side by side.
    return excerptOf(
      columns,
      rows.filter((row) => row === from || columns.invokeIndex[row] !== columns.invokeIndex[row - 1]),
    );
  }

  /** Reads them anew each time: of many objects, those of one are needed at once. */
  operations(): PartOperations<S, State, In, Out> {
    return new PartOperations(this.#reading, this.#rows);
  }
}

/** The calls on one object that may have had an effect or have told something. */
export class PartOperations<S extends Signature, State, In, Out> implements ObjectHistory<In, Out> {
  readonly accesses: Accesses | undefined;
  readonly length: number;
  readonly #reading: Reading<S, State, In, Out>;
  readonly #rows: Rows;
  /** By position. */
  readonly #rowOf: Int32Array;
  #actions: readonly Action<In, Out>[] | undefined;

  constructor(reading: Reading<S, State, In, Out>, rows: Rows) {
    this.#reading = reading;
    this.#rows = rows;
    const { columns, from, to } = rows;
    const { model } = reading;
    const reader = model.access && new AccessReader(model, to - from);
    const actions: Action<In, Out>[] = [];
    const rowOf = new Int32Array(to - from);
    let length = 0;
    for (let row = from; row < to; row++) {
      if (columns.type[row] === FAIL) continue;
      const operation = operationAt(columns, row) as unknown as Operation<S>;
      const call = this.#callOf(operation, row);
      if (call === undefined || !says(model, operation, call)) continue;
      rowOf[length++] = row;
      if (reader === undefined) actions.push(this.#actionOf(operation, call));
      else if (operation.type === "ok")
        reader.add(call.input, call.output, operation.invokeIndex, operation.completeIndex);
      else reader.add(call.input, undefined, operation.invokeIndex, PENDING);
    }
    this.length = length;
    this.accesses = reader?.accesses;
    this.#rowOf = rowOf;
    if (reader === undefined) this.#actions = actions;
  }

  action(position: number): Action<In, Out> {
    return this.#actions?.[position] ?? this.#made(this.#rowOf[position] as number);
  }

  actions(): readonly Action<In, Out>[] {
    this.#actions ??= Array.from(this.#rowOf.subarray(0, this.length), (row) => this.#made(row));
    return this.#actions;
  }

  /** Those that certainly did nothing. */
  failed(): readonly Action<In, Out>[] {
    const { columns, from, to } = this.#rows;
    const failed: Action<In, Out>[] = [];
    for (let row = from; row < to; row++) {
      if (columns.type[row] !== FAIL) continue;
      const operation = operationAt(columns, row) as unknown as Operation<S>;
      const call = this.#callOf(operation, row);
      if (call !== undefined) failed.push(this.#actionOf(operation, call));
    }
    return failed;
  }

  #made(row: number): Action<In, Out> {
    const operation = operationAt(this.#rows.columns, row) as unknown as Operation<S>;
    return this.#actionOf(operation, this.#callOf(operation, row) as Called<In, Out>);
  }

  #callOf(operation: Operation<S>, row: number): Called<In, Out> | undefined {
    const { translate } = this.#reading;
    if (typeof translate === "function") return translate(operation);
    return translate.calls(operation)[this.#rows.nth?.[row] as number];
  }

  #actionOf(operation: Operation<S>, { input, output }: Called<In, Out>): Action<In, Out> {
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

/** In the order of their first use. */
export function partsOf<S extends Signature, State, In, Out>(
  reading: Reading<S, State, In, Out>,
): readonly Part<S, State, In, Out>[] {
  const { history, translate } = reading;
  const calls = typeof translate === "function" ? byKey(history) : byCall(history, translate.calls);
  const { from, sorted: rows } = groupedBy(calls.objects, calls.names.length, calls.rows);
  const nth = calls.nth && groupedBy(calls.objects, calls.names.length, calls.nth).sorted;
  // Side by side: to collect what is strewn over the history takes longer than to judge it.
  const columns = isWhole(rows, history.columns) ? history.columns : gathered(history.columns, rows);
  return calls.names.map((object, i) => {
    const range = { from: from[i] as number, to: from[i + 1] as number };
    return new Part(reading, object, { columns, nth, ...range });
  });
}

/** Calls in the order of the history. */
interface Calls {
  readonly rows: Int32Array;
  /** By call: positions in `names`, and among the calls of its operation. */
  readonly objects: Int32Array;
  readonly names: readonly string[];
  readonly nth: Int32Array | undefined;
}

function byKey<S extends Signature>({ columns, rows }: History<S>): Calls {
  const numbers = new Map<number, number>();
  const objects = rows.map((row) => numberOf(columns.key[row] as number, numbers));
  return {
    rows,
    objects,
    names: Array.from(numbers.keys(), (key) => columns.keys[key] ?? ""),
    nth: undefined,
  };
}

function byCall<S extends Signature>(
  history: History<S>,
  callsOf: (operation: Operation<S>) => readonly ObjectCall<unknown, unknown>[],
): Calls {
  const numbers = new Map<string, number>();
  const rows: number[] = [];
  const objects: number[] = [];
  const nths: number[] = [];
  for (const row of history.rows) {
    const operation = operationAt(history.columns, row) as unknown as Operation<S>;
    callsOf(operation).forEach(({ object }, nth) => {
      rows.push(row);
      objects.push(numberOf(object, numbers));
      nths.push(nth);
    });
  }
  return {
    rows: Int32Array.from(rows),
    objects: Int32Array.from(objects),
    names: [...numbers.keys()],
    nth: Int32Array.from(nths),
  };
}

/** By first appearance. */
function numberOf<T>(name: T, known: Map<T, number>): number {
  let number = known.get(name);
  if (number === undefined) {
    number = known.size;
    known.set(name, number);
  }
  return number;
}

/** Whether these are all rows, in their order. */
function isWhole(rows: Int32Array, { length }: Columns): boolean {
  return rows.length === length && rows.every((row, i) => row === i);
}

/** False of an observation whose answer is unknown: it observed nothing. */
function says<S extends Signature, State, In, Out>(
  model: Model<State, In, Out>,
  { type }: Operation<S>,
  { input, output }: Called<In, Out>,
): boolean {
  return (type === "ok" && output !== undefined) || !model.observes?.(input, undefined);
}
